"""Edits of one region: the same face with its lips or its eyes closed.

They work on `mp478` landmarks, 2-D or 3-D, in any unit. Points that an edit does not own keep their
bits, an already closed mouth stays as it is, and an edit done twice is an edit done once.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_core.types import LAYOUT_SIZES, Motion
from viseme_face.layouts import (
    LEFT_EYE,
    LEFT_LID_PAIRS,
    LIP_PAIRS,
    LIP_RINGS,
    RIGHT_EYE,
    RIGHT_LID_PAIRS,
    triangles_within,
)
from viseme_face.morphable import MorphableModel
from viseme_face.parts import read_builtin

LOWER_LIP_SHARE = 0.75
"""Part of the gap that the lower lip travels: a mouth closes with the jaw more than from above."""
LOWER_LID_SHARE = 0.15
"""Part of the gap that the lower lid travels: the upper lid does nearly all of a blink."""
_NOSE_BASE = 2
# Two rings of neighbours end below the brows.
_LID_RINGS = 2


def close_lips(points_TKD: Tensor) -> Tensor:
    """Return the same landmarks with the lips closed.

    Inner lip points of a pair meet, each lip keeps its thickness, chin, jaw and the skin around
    follow smoothly; nothing higher than the base of the nose moves.

    Args:
        points_TKD: `mp478` points, shape (..., 478, 2 or 3).

    Returns:
        Points of the same shape with `lip_opening` 0.
    """
    columns = len(LIP_PAIRS)
    upper = [ring[1 : columns + 1] for ring in LIP_RINGS]
    lower = [ring[: -columns - 1 : -1] for ring in LIP_RINGS]
    moved = torch.tensor(upper + lower).flatten()
    gap_TND = _gap(_checked(points_TKD), LIP_PAIRS)
    shift_TMD = torch.cat(
        [(LOWER_LIP_SHARE - 1) * gap_TND] * len(LIP_RINGS)
        + [LOWER_LIP_SHARE * gap_TND] * len(LIP_RINGS),
        -2,
    )
    free, weights_FM = _lip_follow(tuple(moved.tolist()))
    return _meet(_shift(points_TKD, moved, shift_TMD, free, weights_FM), LIP_PAIRS)


def close_eyes(points_TKD: Tensor) -> Tensor:
    """Return the same landmarks with both eyes closed.

    Lid points of a pair meet near the lower lid, the fold above and the skin below follow; brows
    and irises stay.

    Args:
        points_TKD: `mp478` points, shape (..., 478, 2 or 3).

    Returns:
        Points of the same shape with both eye aspect ratios 0.
    """
    pairs = (*RIGHT_LID_PAIRS, *LEFT_LID_PAIRS)
    moved = torch.tensor(pairs).T.flatten()
    gap_TND = _gap(_checked(points_TKD), pairs)
    shift_TMD = torch.cat([(LOWER_LID_SHARE - 1) * gap_TND, LOWER_LID_SHARE * gap_TND], -2)
    free, weights_FM = _lid_follow(tuple(moved.tolist()))
    return _meet(_shift(points_TKD, moved, shift_TMD, free, weights_FM), pairs)


def refit(
    model: MorphableModel, motion: Motion, edit: Callable[[Tensor], Tensor], *, weight: float = 1e-6
) -> Motion:
    """Return the motion whose face is the edited one, with pose and identity kept.

    The edit works on the landmarks in model space; expression changes by the least squares
    solution of B_exp d = edited - original, so what the model cannot show stays undone.

    Args:
        model: Model of the motion; it must know `mp478` (convert the motion otherwise).
        motion: Motion to edit.
        edit: `close_lips` or `close_eyes`, or any function of `mp478` points.
        weight: Weight of (d / deviation)^2 against squared model units.

    Raises:
        ValueError: If the motion belongs to another model, or the model lacks `mp478`.
    """
    if motion.face_model != model.name:
        raise ValueError(
            f"motion belongs to face model {motion.face_model!r}, refit got {model.name!r}; "
            f"convert the motion first"
        )
    ids = model.landmark_ids("mp478")
    points_TK3 = model.landmarks(motion.identity, motion.expression, "mp478")
    change_TK = (edit(points_TK3) - points_TK3).flatten(1)
    std_E = model.expression_std_E
    basis_EK = model.shape_at(ids).expression_basis_EV3.flatten(1) * std_E[:, None]
    normal_EE = basis_EK @ basis_EK.T + weight * torch.eye(len(std_E)).to(basis_EK)
    step_TE = torch.linalg.solve(normal_EE, basis_EK @ change_TK.T).T * std_E
    return replace(motion, expression=motion.expression + step_TE)


def harmonic_weights(triangles_P3: Tensor, known: list[int], free: list[int]) -> Tensor:
    """Return how free vertices follow known ones so that each moves as the mean of its neighbours.

    Args:
        triangles_P3: Mesh.
        known: Vertices whose movement is given.
        free: Vertices that follow; every other vertex stays.

    Returns:
        Weights (len(free), len(known)), float64; rows sum to at most 1.
    """
    adjacent_VV = adjacency(triangles_P3, int(triangles_P3.max()) + 1)
    laplacian = torch.diag(adjacent_VV.sum(1)) - adjacent_VV
    return torch.linalg.solve(laplacian[free][:, free], -laplacian[free][:, known])


def adjacency(triangles_P3: Tensor, num_vertices: int) -> Tensor:
    """Return a (V, V) float64 matrix with 1 where two vertices share an edge."""
    adjacent_VV = torch.zeros(num_vertices, num_vertices, dtype=torch.float64)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        adjacent_VV[triangles_P3[:, a], triangles_P3[:, b]] = 1
        adjacent_VV[triangles_P3[:, b], triangles_P3[:, a]] = 1
    return adjacent_VV


@cache
def _lip_follow(moved: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Vertices below the nose that follow the lips, and how."""
    parts = read_builtin()
    below = parts.mean_V3[:468, 1] < parts.mean_V3[_NOSE_BASE, 1]
    free = sorted(set(below.nonzero()[:, 0].tolist()) - set(moved))
    return torch.tensor(free), harmonic_weights(parts.triangles_P3, list(moved), free).float()


@cache
def _lid_follow(moved: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Vertices within two rings of the lids that follow them, and how."""
    triangles_P3 = read_builtin().triangles_P3
    near = torch.tensor((*RIGHT_EYE, *LEFT_EYE))
    for _ in range(_LID_RINGS):
        near = triangles_P3[torch.isin(triangles_P3, near).any(-1)].unique()
    corners = {RIGHT_EYE[0], RIGHT_EYE[8], LEFT_EYE[0], LEFT_EYE[8]}
    free = sorted(set(near.tolist()) - set(moved) - corners)
    inside = triangles_within(triangles_P3, RIGHT_EYE) | triangles_within(triangles_P3, LEFT_EYE)
    return torch.tensor(free), harmonic_weights(triangles_P3[~inside], list(moved), free).float()


def _checked(points_TKD: Tensor) -> Tensor:
    name = "points_TKD (mp478)"
    flat = points_TKD.reshape(-1, *points_TKD.shape[-2:])
    sizes = check_shape(flat, f"T {LAYOUT_SIZES['mp478']} D", name=name)
    if sizes["D"] not in (2, 3):
        raise ValueError(f"{name} must end in 2 or 3, got {sizes['D']}")
    if not points_TKD.is_floating_point():
        raise ValueError(f"{name} must be floating point, got {points_TKD.dtype}; use .float()")
    return points_TKD


def _gap(points_TKD: Tensor, pairs: tuple[tuple[int, int], ...]) -> Tensor:
    upper, lower = torch.tensor(pairs, device=points_TKD.device).T
    return points_TKD[..., upper, :] - points_TKD[..., lower, :]


def _shift(
    points_TKD: Tensor, moved: Tensor, shift_TMD: Tensor, free: Tensor, weights_FM: Tensor
) -> Tensor:
    """Move `moved` by their shift and `free` by what follows from it."""
    device = points_TKD.device
    follow_TFD = weights_FM.to(shift_TMD) @ shift_TMD
    rows = torch.cat([moved, free]).to(device)
    return points_TKD.index_add(-2, rows, torch.cat([shift_TMD, follow_TFD], -2))


def _meet(points_TKD: Tensor, pairs: tuple[tuple[int, int], ...]) -> Tensor:
    """Give both points of each pair the same bits: rounding left them a hair apart."""
    upper, lower = torch.tensor(pairs, device=points_TKD.device).T
    return points_TKD.index_copy(-2, upper, points_TKD[..., lower, :])
