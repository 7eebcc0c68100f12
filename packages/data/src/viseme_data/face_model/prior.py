"""The prior: how faces differ and move as far as one can say without having measured any.

Identity: smooth deformations of the mesh, its low Laplacian frequencies times x, y and z, without
rigid motion. Expression: hand-made gestures, the same on either side of the face, the eyes each by
itself, and smooth deformations of mouth, eyes and brows.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from viseme_data.canonical import Canonical, close_mouth
from viseme_data.face_model.shapes import Rows, mirrored, principal, span, twins, without
from viseme_data.gestures import Gestures
from viseme_face.layouts import (
    BROWS,
    LEFT_EYE,
    LEFT_IRIS,
    LIP_PAIRS,
    MOUTH,
    RIGHT_EYE,
    RIGHT_IRIS,
)
from viseme_face.regions import adjacency

# Laplacian frequencies that identity is made of; three axes each.
_NUM_MODES = 80
# Root mean square over the vertices of one standard deviation of the smoothest direction.
_IDENTITY_RMS_DM = 0.025
# Deviations fall with the frequency to this power: a random face then still looks like one.
_IDENTITY_DECAY = 1.6
# Asymmetric directions are this much weaker: faces are nearly symmetric.
_ASYMMETRY = 0.3
# Standard deviation of a gesture; 1 is full strength.
_GESTURE_STD = 0.3
# How far an eye looks past the other, one deviation.
_SQUINT_DM = 0.005
# Largest displacement of the smoothest local deformation, one deviation, and the number of
# deformations over which it falls to half.
_LOCAL_PEAK_DM = 0.018
_LOCAL_HALF = 12
# A unit direction of which earlier ones leave less than this is left out.
_NEW = 0.3
_LIP_PAIR_EDGES = 10
_REGIONS = ((MOUTH, 2, 60), ((*RIGHT_EYE, *LEFT_EYE), 2, 42), (BROWS, 2, 24))
"""Vertices, rings around them, and how many local deformations."""


class Knowledge(NamedTuple):
    """What is known of faces: a symmetric mean, and how people and expressions differ from it."""

    mean_V3: Tensor
    """Lips closed, eyes open, looking ahead, centre at the origin; decimetres, float64."""
    identity: Rows
    expression: Rows
    mesh: Canonical
    """Triangles and texture map; its vertices are not used."""
    mirror_V: Tensor


def prior_knowledge(mesh: Canonical) -> Knowledge:
    """Return what can be said of the completed canonical mesh; no randomness is involved."""
    mirror_V = twins(mesh.uv_V2)
    mean_V3 = neutral(mesh.vertices_V3, mesh, mirror_V)
    return Knowledge(
        mean_V3=mean_V3,
        identity=principal(_identity_rows(mean_V3, mesh, mirror_V), mirror_V),
        expression=principal(_expression_rows(mean_V3, mesh.triangles_P3, mirror_V), mirror_V),
        mesh=mesh,
        mirror_V=mirror_V,
    )


def neutral(vertices_V3: Tensor, mesh: Canonical, mirror_V: Tensor) -> Tensor:
    """Return a face made symmetric, its lips closed, its centre at the origin."""
    closed_V3 = close_mouth((vertices_V3 + mirrored(vertices_V3, mirror_V)) / 2, mesh.triangles_P3)
    return closed_V3 - closed_V3.mean(0)


def without_rigid(rows_NV3: Tensor, mean_V3: Tensor) -> Tensor:
    """Return deformations without what shifting and turning the head does."""
    axes = [axis.expand_as(mean_V3) for axis in torch.eye(3, dtype=mean_V3.dtype)]
    rigid = [*axes, *(torch.linalg.cross(axis, mean_V3) for axis in axes)]
    return without(rows_NV3, span(torch.stack(rigid)))


def _identity_rows(mean_V3: Tensor, mesh: Canonical, mirror_V: Tensor) -> Tensor:
    adjacent_VV = adjacency(mesh.triangles_P3, len(mean_V3))
    for upper, lower in LIP_PAIRS:
        # Where lips touch, a face shape must not open them.
        adjacent_VV[upper, lower] = adjacent_VV[lower, upper] = _LIP_PAIR_EDGES
    for iris, eye in ((RIGHT_IRIS, RIGHT_EYE), (LEFT_IRIS, LEFT_EYE)):
        for i in iris:
            adjacent_VV[i, list(eye)] = adjacent_VV[list(eye), i] = 1
    squared_V, modes_VM = torch.linalg.eigh(_laplacian(adjacent_VV))
    rows = []
    for k in range(1, _NUM_MODES + 1):
        strength = _IDENTITY_RMS_DM * (squared_V[1] / squared_V[k]) ** (_IDENTITY_DECAY / 2)
        even = float((modes_VM[:, k] * modes_VM[mirror_V, k]).sum()) > 0
        for axis in range(3):
            row_V3 = torch.zeros_like(mean_V3)
            row_V3[:, axis] = modes_VM[:, k] * strength * len(mean_V3) ** 0.5
            rows.append(row_V3 * (1 if even != (axis == 0) else _ASYMMETRY))
    return without_rigid(torch.stack(rows), mean_V3)


def _expression_rows(mean_V3: Tensor, triangles_P3: Tensor, mirror_V: Tensor) -> Tensor:
    gestures = Gestures(mean_V3, triangles_P3)
    rows = [_GESTURE_STD * row_V3 for row_V3 in gestures.all().values()]
    for iris in (RIGHT_IRIS, LEFT_IRIS):
        for axis in (0, 1):
            row_V3 = torch.zeros_like(mean_V3)
            row_V3[list(iris), axis] = _SQUINT_DM
            rows.append(row_V3)
    gestures_NV3 = torch.stack(rows)
    span_MX = span(torch.cat([gestures_NV3, mirrored(gestures_NV3, mirror_V)]))
    adjacent_VV = adjacency(gestures.skin.triangles_P3, len(mean_V3))
    for region, rings, count in _REGIONS:
        found = 0
        for direction_V3 in _local_modes(adjacent_VV, mean_V3, region, rings):
            rest_V3 = without(direction_V3[None], span_MX)[0]
            if found == count:
                break
            if rest_V3.norm() > _NEW:
                span_MX = torch.cat([span_MX, (rest_V3 / rest_V3.norm()).view(1, -1)])
                peak_dm = _LOCAL_PEAK_DM / (1 + found / _LOCAL_HALF)
                rows.append(rest_V3 * peak_dm / rest_V3.norm(dim=-1).max())
                found += 1
    return torch.stack(rows)


def _local_modes(
    adjacent_VV: Tensor, vertices_V3: Tensor, region: Sequence[int], rings: int
) -> list[Tensor]:
    """Smooth deformations around a region that vanish at its rim, smoothest first."""
    inside_V = torch.zeros(len(vertices_V3), dtype=torch.bool)
    inside_V[list(region)] = True
    for _ in range(rings):
        inside_V |= adjacent_VV[inside_V].any(0)
    rows = inside_V.nonzero()[:, 0]
    laplacian_NN = _laplacian(adjacent_VV)[rows][:, rows]
    # The two sides of a face have equal frequencies; a hair of x keeps the solver from mixing them.
    tilt_N = 1e-6 * vertices_V3[rows, 0]
    _, modes_NM = torch.linalg.eigh(laplacian_NN + torch.diag(tilt_N))
    directions = []
    for mode_N in modes_NM.T:
        for axis in (1, 0, 2):
            direction = torch.zeros_like(vertices_V3)
            direction[rows, axis] = mode_N * mode_N[mode_N.abs().argmax()].sign()
            directions.append(direction)
    return directions


def _laplacian(adjacent_VV: Tensor) -> Tensor:
    return torch.diag(adjacent_VV.sum(1)) - adjacent_VV
