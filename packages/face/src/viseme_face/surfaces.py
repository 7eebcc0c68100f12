"""Grids of vertices that are joined into the surfaces around a face."""

from typing import NamedTuple

import torch
from torch import Tensor

SKIN, NECK, EAR, HAIR = 1, 2, 3, 4
"""Parts between which edges are smoothed; 0 is what stays behind the head."""

ATLAS_WIDTH = 1.5
"""Width of the texture over its height: the face's own square, then skin above and hair below."""
PLAIN_UV = (1.25, 0.04)
"""A place of plain skin."""
SCALP = ((1.02, 1.48), (0.06, 0.46))
"""Range of u and v of the scalp."""
STRANDS = ((1.02, 1.48), (0.54, 0.98))
"""Range of u and v of the hair."""
Patch = tuple[tuple[float, float], tuple[float, float]]


class HeadMesh(NamedTuple):
    """Surfaces that continue a face mesh; vertex numbers go on where the face's end at 478."""

    rest_N3: Tensor
    """Vertices in model space for the face at rest."""
    triangles_P3: Tensor
    uv_P32: Tensor
    """Place of each corner in the atlas, u in [0, 1.5]."""
    part_P: Tensor
    """`SKIN`, `NECK`, `EAR` or `HAIR`."""
    follow_NK: Tensor
    """How far each vertex goes with the lower oval when the face moves."""
    stay_N: Tensor
    """How far each vertex stays with the shoulders when the head turns."""
    occlusion_N: Tensor
    """Light that reaches each vertex past its surroundings."""


class Surfaces:
    """Grids of vertices under construction.

    Args:
        face_K3: Vertices that are there already.
        num_follow: Vertices of the face that others may go with.
    """

    def __init__(self, face_K3: Tensor, num_follow: int = 0) -> None:
        self.face_K3 = face_K3
        self.num_follow = num_follow
        self.num_vertices = len(face_K3)
        self.vertices: list[Tensor] = []
        self.triangles: list[Tensor] = []
        self.uv: list[Tensor] = []
        self.part: list[Tensor] = []
        self.follow: list[Tensor] = []
        self.stay: list[Tensor] = []
        self.occlusion: list[Tensor] = []

    def add(
        self,
        grid_RC3: Tensor,
        part: int,
        uv_RC2: Tensor,
        *,
        first_ids: tuple[int, ...] | None = None,
        closed: bool = False,
        back: bool = False,
        inside: tuple[float, float, float] = (0.0, 0.2, -0.75),
        follow_RCK: Tensor | None = None,
        stay_R: Tensor | None = None,
        occlusion_RC: Tensor | None = None,
    ) -> None:
        """Add a grid of rows and columns.

        Args:
            grid_RC3: Vertices.
            part: Which part of the head it is.
            uv_RC2: Texture coordinates.
            first_ids: Face vertices that stand for the first row.
            closed: Join the last column to the first.
            back: Show the side that faces inwards.
            inside: A point that the outside faces away from.
            follow_RCK: See `HeadMesh.follow_NK`.
            stay_R: See `HeadMesh.stay_N`.
            occlusion_RC: See `HeadMesh.occlusion_N`.
        """
        rows, columns = grid_RC3.shape[:2]
        skip = 1 if first_ids else 0
        ids_RC = torch.arange((rows - skip) * columns).view(-1, columns) + self.num_vertices
        if first_ids:
            ids_RC = torch.cat([torch.tensor(first_ids)[None], ids_RC])
        if closed:
            ids_RC = torch.cat([ids_RC, ids_RC[:, :1]], 1)
            uv_RC2 = torch.cat([uv_RC2, uv_RC2[:, :1]], 1)
        triangles_P3, uv_P32 = _grid_triangles(ids_RC, uv_RC2)
        grown = torch.cat([self.face_K3, *self.vertices, grid_RC3[skip:].flatten(0, 1)])
        a, b, c = grown[triangles_P3].unbind(1)
        normal_P3 = torch.linalg.cross(b - a, c - a)
        outward = ((a - grid_RC3.new_tensor(inside)) * normal_P3).sum() > 0
        if bool(outward) == back:
            triangles_P3, uv_P32 = triangles_P3.flip(1), uv_P32.flip(1)
        self.triangles.append(triangles_P3)
        self.uv.append(uv_P32)
        self.part.append(torch.full((len(triangles_P3),), part))
        self.vertices.append(grid_RC3[skip:].flatten(0, 1))
        shape = grid_RC3.shape[:2]
        follow = torch.zeros(*shape, self.num_follow) if follow_RCK is None else follow_RCK
        self.follow.append(follow[skip:].flatten(0, 1))
        stay = torch.zeros(rows) if stay_R is None else stay_R
        self.stay.append(stay[:, None].expand(shape)[skip:].flatten())
        occlusion = torch.ones(shape) if occlusion_RC is None else occlusion_RC
        self.occlusion.append(occlusion[skip:].flatten())
        self.num_vertices += (rows - skip) * columns

    def build(self) -> HeadMesh:
        """Return everything that was added."""
        return HeadMesh(
            torch.cat(self.vertices),
            torch.cat(self.triangles),
            torch.cat(self.uv),
            torch.cat(self.part),
            torch.cat(self.follow),
            torch.cat(self.stay),
            torch.cat(self.occlusion),
        )


def spread(patch: Patch, rows: int, columns: int) -> Tensor:
    """Return texture coordinates (rows, columns, 2) that spread a grid over a patch."""
    u, v = patch
    v_R, u_C = torch.linspace(*v, rows), torch.linspace(*u, columns)
    return torch.stack(torch.meshgrid(u_C, v_R, indexing="xy"), -1)


def _grid_triangles(ids_RC: Tensor, uv_RC2: Tensor) -> tuple[Tensor, Tensor]:
    """Return two triangles per cell and the texture coordinates of their corners."""

    def corners(grid: Tensor) -> Tensor:
        a, b = grid[:-1, :-1], grid[:-1, 1:]
        c, d = grid[1:, :-1], grid[1:, 1:]
        return torch.cat(
            [
                torch.stack([a, c, b], 2).flatten(0, 1),
                torch.stack([b, c, d], 2).flatten(0, 1),
            ]
        )

    return corners(ids_RC), corners(uv_RC2)


def close_sides(parts: Surfaces, grid_RC3: Tensor, part: int, patch: Patch) -> None:
    """Fill what the first and last column of a grid leave open above the ears."""
    for column in (0, grid_RC3.shape[1] - 1):
        edge_R3 = grid_RC3[:, column]
        fan_2R3 = torch.stack([edge_R3.mean(0).expand_as(edge_R3), edge_R3])
        parts.add(fan_2R3, part, spread(patch, 2, len(edge_R3)))
