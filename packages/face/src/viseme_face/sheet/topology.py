"""A sheet that covers the whole picture: the face's mesh, and rings from its rim to the border.

Between lips and between lids the mesh's own triangles, which would show squashed teeth and eyes,
are left out; each side is continued instead to the middle line between them by folds that repeat
its edge. What shows between lips and lids is laid over that.

The sheet is a disc whose border is the picture's border and never moves, so however its vertices
move, every pixel lies under at least one triangle that faces the camera: nothing can tear or leave
a hole. What overlaps is decided by depth, as on a head that turns.
"""

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from viseme_face.head_shape import LOWER_OVAL, UPPER_OVAL
from viseme_face.layouts import (
    LEFT_EYE,
    LEFT_LID_PAIRS,
    LIP_INNER,
    LIP_PAIRS,
    LIP_RINGS,
    RIGHT_EYE,
    RIGHT_LID_PAIRS,
    triangles_within,
)
from viseme_face.parts import read_builtin

RIM = (*UPPER_OVAL, *LOWER_OVAL[1:-1])
"""Rim of the face's mesh, clockwise on screen from the right ear over the forehead."""
NUM_FACE = 468
"""Vertices of the mesh without irises, which no triangle holds."""
_SLITS = ((LIP_INNER, LIP_PAIRS), (RIGHT_EYE, RIGHT_LID_PAIRS), (LEFT_EYE, LEFT_LID_PAIRS))
FOLDS = tuple(
    ends
    for _, pairs in _SLITS
    for side in (pairs, tuple((low, up) for up, low in pairs))
    for ends in side
)
"""Whose edge each fold vertex repeats and which vertex it lies half way to."""
FIRST_RING = NUM_FACE + len(FOLDS)
"""Number of the rings' first vertex."""

PER_EDGE = 2
"""Columns of the rings per edge of the rim."""
AROUND = 0
"""Number of the part around the face."""
_SKIN = 1
_RINGS = (0.08, 0.2, 0.35, 0.52, 0.75, 1.0)
"""Where the rings stand from the rim, 0, to the border of the picture, 1."""


class Topology(NamedTuple):
    """What sheets of all faces share; vertices are the face's, then folds, then rings outwards."""

    triangles_P3: Tensor
    """Counter-clockwise as the camera sees them, int64; the rings' come last."""
    part_P: Tensor
    """Which part of the picture each triangle belongs to; colours are shared across their edges."""
    column_rim_C2: Tensor
    """The two ends of the rim's edge that each column starts on."""
    column_share_C: Tensor
    """How far along that edge, in [0, 1)."""
    angle_C: Tensor
    """Direction of each column around a frontal face: radians from the right, clockwise."""
    reach_N: Tensor
    """How far from the rim, 0, to the border, 1, each vertex of the rings is, ring by ring."""


@cache
def topology() -> Topology:
    """Return the connectivity of the sheet on the built-in mesh, made once per process."""
    parts = read_builtin()
    rim_K2 = parts.mean_V3[list(RIM), :2]
    num_rim, num_columns = len(RIM), len(RIM) * PER_EDGE
    first_C = torch.arange(num_columns) // PER_EDGE
    share_C = (torch.arange(num_columns) % PER_EDGE) / PER_EDGE
    ends_C2 = torch.stack([first_C, (first_C + 1) % num_rim], 1)
    column_C2 = torch.lerp(rim_K2[ends_C2[:, 0]], rim_K2[ends_C2[:, 1]], share_C[:, None])
    offset_C2 = column_C2 - (rim_K2.amin(0) + rim_K2.amax(0)) / 2
    angle_C = torch.atan2(-offset_C2[:, 1], offset_C2[:, 0])
    rim = torch.tensor(RIM)
    skin_P3 = parts.triangles_P3
    for ring, _ in _SLITS:
        skin_P3 = skin_P3[~triangles_within(skin_P3, ring)]
    face_P3 = torch.cat([skin_P3, _fold_triangles()])
    rings_P3 = _ring_triangles(rim, num_columns)
    return Topology(
        torch.cat([face_P3, rings_P3]),
        torch.cat([_parts(face_P3), torch.full((len(rings_P3),), AROUND)]),
        rim[ends_C2],
        share_C,
        angle_C,
        torch.tensor(_RINGS).repeat_interleave(num_columns),
    )


def _parts(face_P3: Tensor) -> Tensor:
    """Return the part of each triangle of the face: skin, or a lip or lid that meets another."""
    part_P = torch.full((len(face_P3),), _SKIN)
    half = len(LIP_INNER) // 2
    lips = [
        {id for ring in LIP_RINGS for id in ring[start : start + half + 1]} for start in (0, half)
    ]
    lips[1] |= {ring[0] for ring in LIP_RINGS}
    fold = NUM_FACE
    part = _SKIN
    for ring, pairs in _SLITS:
        for side in range(2):
            part += 1
            owned = set(range(fold, fold + len(pairs))) | {ring[0], ring[len(pairs) + 1]}
            fold += len(pairs)
            owned |= lips[side] if ring is LIP_INNER else {pair[side] for pair in pairs}
            part_P[torch.isin(face_P3, torch.tensor(sorted(owned))).all(1)] = part
    return part_P


def _fold_triangles() -> Tensor:
    """Return the triangles between edges of lips or lids and the middle line between them."""
    triangles = []
    fold = NUM_FACE
    for ring, pairs in _SLITS:
        ends = (ring[0], ring[len(pairs) + 1])
        for side in range(2):
            edge = [ends[0], *(pair[side] for pair in pairs), ends[1]]
            middle = [ends[0], *range(fold, fold + len(pairs)), ends[1]]
            fold += len(pairs)
            quads = zip(edge, edge[1:], middle, middle[1:], strict=False)
            for here, there, below, beside in quads:
                # The lower side is the upper one upside down.
                first, second = ((here, below, there), (there, below, beside))
                triangles += [first, second] if side == 0 else [first[::-1], second[::-1]]
    # At the corners edge and middle line meet in one vertex.
    whole = [corners for corners in triangles if len(set(corners)) == 3]
    return torch.tensor(whole)


def _ring_triangles(rim: Tensor, num_columns: int) -> Tensor:
    """Return the triangles between the rim and the first ring, and between rings."""
    triangles = []
    ring = [FIRST_RING + step for step in range(num_columns)]
    for edge in range(len(rim)):
        here, there = int(rim[edge]), int(rim[(edge + 1) % len(rim)])
        beside = [ring[(edge * PER_EDGE + step) % num_columns] for step in range(PER_EDGE + 1)]
        # A fan from one end of the edge, closed by the triangle at its other end.
        triangles += [[here, near, far] for near, far in pairwise(beside)]
        triangles.append([here, beside[-1], there])
    for step in range(1, len(_RINGS)):
        inner = [FIRST_RING + (step - 1) * num_columns + column for column in range(num_columns)]
        outer = [vertex + num_columns for vertex in inner]
        for column in range(num_columns):
            after = (column + 1) % num_columns
            triangles.append([inner[column], outer[column], outer[after]])
            triangles.append([inner[column], outer[after], inner[after]])
    # Columns run clockwise on screen: outwards and then on is clockwise too, so turn them round.
    return torch.tensor(triangles).flip(1)


def border_points(centre_2: Tensor, angle_C: Tensor) -> Tensor:
    """Return where rays from a point in [0, 1]^2 leave the square, the corners among them.

    Args:
        centre_2: The point, well inside.
        angle_C: Directions in radians, clockwise on screen from the right, once around.

    Returns:
        Points on the border, (C, 2), in the order of the directions.
    """
    direction_C2 = torch.stack([angle_C.cos(), angle_C.sin()], -1)
    target_C2 = (direction_C2 > 0).to(direction_C2)
    steps_C2 = (target_C2 - centre_2) / torch.where(direction_C2 == 0, 1e-9, direction_C2)
    points_C2 = centre_2 + steps_C2.amin(1, keepdim=True) * direction_C2
    # The side that a ray leaves by is met exactly, rounding or not.
    leaves_C2 = steps_C2 == steps_C2.amin(1, keepdim=True)
    points_C2 = torch.where(leaves_C2, target_C2, points_C2.clamp(0, 1))
    # The nearest ray takes each corner, or the border would be cut off there.
    for corner in ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)):
        corner_2 = points_C2.new_tensor(corner)
        points_C2[(points_C2 - corner_2).square().sum(1).argmin()] = corner_2
    return points_C2
