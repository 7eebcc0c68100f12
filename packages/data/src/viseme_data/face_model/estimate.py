"""What the landmarks of one person tell about face and expressions, and what they leave open.

Points of a frame are seen in perspective, x and y with one error, the tracker's depth with a larger
one and without its origin. Face, expressions and poses that explain all frames together are found
by Gauss-Newton; the curvature there gives the errors (Laplace's approximation). Letters: F frames,
K points, I and E directions of face and expression, N = 6 + E + I unknowns of a frame.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from viseme_data.coefficients import eye_distance
from viseme_face.fit_start import closed_form_pose
from viseme_face.layouts import LEFT_EYE, LIP_RINGS, RIGHT_EYE
from viseme_face.least_squares import Observed, State, moved
from viseme_face.pose import CAMERA_DISTANCE, FOCAL

# Lips and lids are few points among 478 and what matters most.
_LIVELY_WEIGHT = 4.0
_LIVELY = (*sum(LIP_RINGS, ()), *RIGHT_EYE, *LEFT_EYE)
_STEPS = 6


class Directions(NamedTuple):
    """A mean and directions at one deviation each, float64."""

    mean_V3: Tensor
    identity_IV3: Tensor
    expression_EV3: Tensor


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Expected errors of a landmark's coordinates, as a share of the crop's side."""

    flat: float = 1e-3
    """Of x and y."""
    depth: float = 8e-3
    """Of the depth, which trackers guess."""


@dataclass(frozen=True)
class Estimate:
    """A person's coefficients, in deviations, and the covariance of their errors."""

    identity_I: Tensor
    identity_error_II: Tensor
    expression_FE: Tensor
    """Of every frame."""
    expression_error_EE: Tensor
    """Of a frame, on average, the face being known."""
    misfit: float
    """Median distance of fitted and given landmarks over that of the outer eye corners."""


def estimate(known: Directions, points_FK3: Tensor, noise: Noise) -> Estimate:
    """Return what some frames of one person tell.

    Args:
        known: What is known of faces.
        points_FK3: Landmarks `mp478` in [0, 1] of a crop, each frame's own, with relative depth.
        noise: How exact they are.
    """
    points_FK3 = points_FK3.double()
    sizes = len(known.expression_EV3), len(known.identity_IV3)
    rows_C3K = torch.cat([known.expression_EV3, known.identity_IV3]).mT.contiguous()
    flipped_FK3 = (points_FK3 - 0.5) * points_FK3.new_tensor([1, -1, 1])
    weights_K = points_FK3.new_ones(points_FK3.shape[1])
    weights_K[list(_LIVELY)] = _LIVELY_WEIGHT
    observed = Observed("image", flipped_FK3[..., :2].mT.contiguous(), weights_K[None])
    state = closed_form_pose(observed, known.mean_V3.T, sum(sizes))

    def step(state: State) -> tuple[State, Tensor, Tensor]:
        seen = [
            _look(known.mean_V3.T, rows_C3K, points_3K, weights_K, state[f : f + 1], noise)
            for f, points_3K in enumerate(flipped_FK3.mT)
        ]
        matrix_FNN = torch.stack([frame.matrix_NN for frame in seen])
        slope_FN = torch.stack([frame.slope_N for frame in seen])
        return _step(state, matrix_FNN, slope_FN, 6 + sizes[0])

    for _ in range(_STEPS - 1):
        state, _, _ = step(state)
    state, identity_error_II, inner_FNN = step(state)
    shape_F3K = known.mean_V3.T + torch.tensordot(state.coefficients_TC, rows_C3K, 1)
    posed_F3K = state.rotation_T33 @ shape_F3K + state.shift_T3[..., None]
    found_F2K = FOCAL * posed_F3K[:, :2] / (CAMERA_DISTANCE - posed_F3K[:, 2:])
    off_FK = (found_F2K - flipped_FK3[..., :2].mT).norm(dim=1)
    return Estimate(
        identity_I=state.coefficients_TC[0, sizes[0] :],
        identity_error_II=(identity_error_II + identity_error_II.T) / 2,
        expression_FE=state.coefficients_TC[:, : sizes[0]],
        expression_error_EE=inner_FNN[:, 6:, 6:].mean(0),
        misfit=float((off_FK / eye_distance(points_FK3)[:, None]).median()),
    )


class _Seen(NamedTuple):
    """Curvature and slope of a frame's negative log likelihood."""

    matrix_NN: Tensor
    slope_N: Tensor


def _look(
    mean_3K: Tensor,
    rows_C3K: Tensor,
    points_3K: Tensor,
    weights_K: Tensor,
    state: State,
    noise: Noise,
) -> _Seen:
    rotation_33, shift_3 = state.rotation_T33[0], state.shift_T3[0]
    shape_3K = mean_3K + torch.tensordot(state.coefficients_TC[0], rows_C3K, 1)
    turned_3K = rotation_33 @ shape_3K
    posed_3K = turned_3K + shift_3[:, None]
    # What moves each point: turns, shifts, directions.
    zero = torch.zeros_like(turned_3K[0])
    x, y, z = turned_3K
    turns = [torch.stack(t) for t in ((zero, -z, y), (z, zero, -x), (-y, x, zero))]
    shifts_33K = torch.eye(3).to(mean_3K)[..., None].expand(-1, -1, len(x))
    moves_N3K = torch.cat([torch.stack(turns), shifts_33K, rotation_33 @ rows_C3K])
    scale_K = FOCAL / (CAMERA_DISTANCE - posed_3K[2])
    flat_2K = scale_K * posed_3K[:2]
    by_flat_N2K = (
        scale_K * moves_N3K[:, :2] + flat_2K * (scale_K / FOCAL * moves_N3K[:, 2])[:, None]
    )
    # Depth behind the model's origin: a shift changes nothing but its unit, which is let be.
    unit = FOCAL / (CAMERA_DISTANCE - shift_3[2])
    depth_K, by_depth_NK = -unit * turned_3K[2], -unit * moves_N3K[:, 2]
    by_depth_NK[3:6] = 0
    off_K = depth_K - points_3K[2]
    # The tracker's origin of depth is its own.
    share_K = weights_K / weights_K.sum()
    off_K, by_depth_NK = off_K - off_K @ share_K, by_depth_NK - (by_depth_NK @ share_K)[:, None]
    off_3K = torch.cat([flat_2K - points_3K[:2], off_K[None]])
    by_N3K = torch.cat([by_flat_N2K, by_depth_NK[:, None]], 1)
    errors_3 = off_3K.new_tensor([noise.flat, noise.flat, noise.depth])
    certainty_X = (weights_K / errors_3[:, None].square()).flatten()
    by_NX = by_N3K.flatten(1)
    weighted_NX = by_NX * certainty_X
    return _Seen(weighted_NX @ by_NX.T, weighted_NX @ off_3K.flatten())


def _step(
    state: State, matrix_FNN: Tensor, slope_FN: Tensor, own: int
) -> tuple[State, Tensor, Tensor]:
    """Return the state after a Newton step, and the error covariances: shared, and by frame.

    What belongs to single frames is eliminated (Schur complement); deviations are 1. `own` is the
    number of a frame's own unknowns.
    """
    coefficients_FC = state.coefficients_TC
    shared_I = coefficients_FC[0, own - 6 :]
    inner_FNN, coupling_FNI = matrix_FNN[:, :own, :own].clone(), matrix_FNN[:, :own, own:]
    inner_FNN.diagonal(dim1=1, dim2=2)[:, 6:] += 1
    own_slope_FN = slope_FN[:, :own].clone()
    own_slope_FN[:, 6:] += coefficients_FC[:, : own - 6]
    inverse_FNN = torch.linalg.inv(inner_FNN)
    solved_FNI = inverse_FNN @ coupling_FNI
    told_II = (matrix_FNN[:, own:, own:] - coupling_FNI.mT @ solved_FNI).sum(0)
    error_II = torch.linalg.inv(told_II + torch.eye(len(told_II)).to(told_II))
    pull_FI = slope_FN[:, own:] - (solved_FNI.mT @ own_slope_FN[..., None])[..., 0]
    shared_change_I = -error_II @ (pull_FI.sum(0) + shared_I)
    own_change_FN = -(inverse_FNN @ own_slope_FN[..., None])[..., 0] - solved_FNI @ shared_change_I
    change_FN = torch.cat([own_change_FN, shared_change_I.expand(len(own_change_FN), -1)], -1)
    return moved(state, change_FN), error_II, inverse_FNN
