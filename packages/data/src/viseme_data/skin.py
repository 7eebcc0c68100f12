"""How skin follows the points that are moved."""

from collections.abc import Iterable

import torch
from torch import Tensor

from viseme_face.layouts import LEFT_EYE, LIP_INNER, RIGHT_EYE, triangles_within
from viseme_face.regions import adjacency, harmonic_weights

_SOFTENING = 8


class Skin:
    """MediaPipe's mesh without the triangles that close mouth and eyes.

    Args:
        triangles_P3: The mesh.
        num_vertices: Vertices, those without triangles included.
    """

    def __init__(self, triangles_P3: Tensor, num_vertices: int) -> None:
        holes = triangles_within(triangles_P3, LIP_INNER)
        for eye in (RIGHT_EYE, LEFT_EYE):
            holes |= triangles_within(triangles_P3, eye)
        self.triangles_P3 = triangles_P3[~holes]
        self.num_vertices = num_vertices

    def near(self, ids: Iterable[int], *, rings: int) -> set[int]:
        """Return the vertices within some rings of neighbours."""
        near = torch.tensor(list(ids))
        for _ in range(rings):
            near = self.triangles_P3[torch.isin(self.triangles_P3, near).any(-1)].unique()
        return set(near.tolist())

    def follow(self, handles: dict[int, Tensor], free: set[int]) -> Tensor:
        """Return the field (V, 3) of moved handles, with free vertices in between following."""
        known = list(handles)
        following = sorted(free - set(known))
        moves_H3 = torch.stack(list(handles.values()))
        field_V3 = torch.zeros(self.num_vertices, 3, dtype=torch.float64)
        field_V3[known] = moves_H3
        field_V3[following] = harmonic_weights(self.triangles_P3, known, following) @ moves_H3
        return field_V3

    def soften(self, field_V3: Tensor, free: set[int]) -> Tensor:
        """Round off the bumps that single moved points leave."""
        rows = sorted(free)
        adjacent_VV = adjacency(self.triangles_P3, len(field_V3))
        mean_VV = adjacent_VV / adjacent_VV.sum(1, keepdim=True).clamp_min(1)
        softened = field_V3.clone()
        for _ in range(_SOFTENING):
            softened[rows] = ((softened + mean_VV @ softened) / 2)[rows]
        return softened
