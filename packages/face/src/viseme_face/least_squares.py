"""Many frames of one face as a least squares problem: residuals, derivatives, normal equations.

Coordinates come first here, (3, K), so that every component is contiguous. Coefficients are in
standard deviations. With S the shape and X = R S + t the posed points, a small turn w, shift dt and
coefficients dq change them by dX = w x (R S) + dt + R B dq; both kinds of observation have the cost
sum_k w_k |r_k|^2 + prior |q|^2. Letters: T frames, K points, R residuals per point, C coefficients,
N = 6 + C unknowns of a frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from viseme_face.pose import CAMERA_DISTANCE, FOCAL

Kind = Literal["space", "image"]

# (axis, the two that follow): a cross product's components.
_CYCLES = ((0, 1, 2), (1, 2, 0), (2, 0, 1))
# Frames whose derivatives by all unknowns fit into the cache together.
_GROUP = 4


@dataclass(frozen=True)
class Observed:
    """What frames show: camera-space points, or crop points centred with y up."""

    kind: Kind
    points_TRK: Tensor
    """(T, 3, K) in model units or (T, 2, K) as (u - 1/2, 1/2 - v); any number where weight is 0."""
    weights_TK: Tensor
    """(T, K), or (1, K) if all frames agree."""

    def mean(self) -> Tensor:
        """Return the weighted centre of each frame's points, (T, R, 1)."""
        return weighted_mean(self.points_TRK, self.weights_TK)

    def spread(self) -> Tensor:
        """Return the root mean square distance of the points from their centre, (T,)."""
        return self.rms(self.points_TRK - self.mean())

    def rms(self, offsets_TRK: Tensor) -> Tensor:
        """Return the weighted root mean square length of offsets, (T,)."""
        return weighted_mean(offsets_TRK.square(), self.weights_TK).sum((1, 2)).sqrt()

    def __getitem__(self, frames: slice | Tensor) -> "Observed":
        weights = self.weights_TK if len(self.weights_TK) == 1 else self.weights_TK[frames]
        return Observed(self.kind, self.points_TRK[frames], weights)


@dataclass(frozen=True)
class FitOptions:
    """What the cost weighs beside the points."""

    prior: float
    """Weight of a squared coefficient, in squared units of the points."""
    robust_scale: float | None = None
    """Distance at which a point counts a quarter; None trusts all alike."""


@dataclass(frozen=True)
class State:
    """Where the fit of each frame stands."""

    rotation_T33: Tensor
    shift_T3: Tensor
    coefficients_TC: Tensor

    @staticmethod
    def join(parts: "Sequence[State]") -> "State":
        """Return the frames of all parts, one after the other."""
        return State(
            torch.cat([part.rotation_T33 for part in parts]),
            torch.cat([part.shift_T3 for part in parts]),
            torch.cat([part.coefficients_TC for part in parts]),
        )

    def __getitem__(self, frames: slice | Tensor) -> "State":
        return State(self.rotation_T33[frames], self.shift_T3[frames], self.coefficients_TC[frames])


@dataclass(frozen=True)
class Linearised:
    """Residuals and their derivatives by the posed points, each times the root of its weight."""

    loss_T: Tensor
    """Sum over the points, by weight, of squared (or robust) distance."""
    residual_TRK: Tensor
    turned_T3K: Tensor
    """R S."""
    rows_T3RK: Tensor
    """dr / dX: by coordinate, then residual."""


def shape_of(rest_3K: Tensor, basis_C3K: Tensor, coefficients_TC: Tensor) -> Tensor:
    """Return shapes (..., 3, K) of coefficients in deviations."""
    return rest_3K + (coefficients_TC @ basis_C3K.flatten(1)).unflatten(-1, rest_3K.shape)


def linearise(
    observed: Observed, shape_T3K: Tensor, state: State, options: FitOptions
) -> Linearised:
    """Return every point's residual and its derivatives at the present state."""
    turned_T3K = state.rotation_T33 @ shape_T3K
    posed_T3K = turned_T3K + state.shift_T3[..., None]
    predicted_TRK = predict(observed.kind, posed_T3K)
    z = posed_T3K[:, 2]
    one, zero = torch.ones_like(z), torch.zeros_like(z)
    if observed.kind == "space":
        by_axis = [[one, zero, zero], [zero, one, zero], [zero, zero, one]]
    else:
        inverse = 1 / (CAMERA_DISTANCE - z)
        towards = (predicted_TRK * inverse[:, None]).unbind(1)
        by_axis = [[FOCAL * inverse, zero], [zero, FOCAL * inverse], towards]
    residual_TRK = predicted_TRK - observed.points_TRK
    squared_TK, root_TK = residual_TRK.square().sum(1), observed.weights_TK.sqrt()
    loss_TK = observed.weights_TK * squared_TK
    if options.robust_scale is not None:
        # Geman-McClure, r^2 / (1 + r^2 / s^2), whose weight is the square of its bracket.
        bracket_TK = 1 / (1 + squared_TK / options.robust_scale**2)
        loss_TK, root_TK = loss_TK * bracket_TK, root_TK * bracket_TK
    root_T1K = root_TK[:, None]
    rows_T3RK = torch.stack([torch.stack(axis, 1) for axis in by_axis], 1) * root_T1K[:, None]
    return Linearised(loss_TK.sum(-1), residual_TRK * root_T1K, turned_T3K, rows_T3RK)


def predict(kind: Kind, posed_T3K: Tensor) -> Tensor:
    """Return where posed points are seen, (T, R, K), in the terms of `Observed`."""
    if kind == "space":
        return posed_T3K
    return FOCAL * posed_T3K[:, :2] / (CAMERA_DISTANCE - posed_T3K[:, 2:])


def gradient(lin: Linearised, state: State, basis_C3K: Tensor, prior: float) -> Tensor:
    """Return half the cost's gradient by turn, shift and coefficients, (T, 6 + C)."""
    pull_T3K = (lin.rows_T3RK * lin.residual_TRK[:, None]).sum(2)
    moment_T33 = lin.turned_T3K @ pull_T3K.mT
    turn_T3 = torch.stack([moment_T33[:, j, k] - moment_T33[:, k, j] for _, j, k in _CYCLES], -1)
    own_TC = (state.rotation_T33.mT @ pull_T3K).flatten(1) @ basis_C3K.flatten(1).T
    return torch.cat([turn_T3, pull_T3K.sum(-1), own_TC + prior * state.coefficients_TC], -1)


def normal_matrix(
    lin: Linearised,
    state: State,
    basis_C3K: Tensor,
    prior: float,
    gram_CC: Tensor | None = None,
) -> Tensor:
    """Return half the cost's Gauss-Newton curvature, (T, 6 + C, 6 + C).

    Args:
        lin: The present derivatives.
        state: The present state.
        basis_C3K: Directions.
        prior: Weight of squared coefficients.
        gram_CC: The coefficients' own block without prior, if it is known.
    """
    rows, turned_T31K = lin.rows_T3RK, lin.turned_T3K[:, :, None]
    turn_T3RK = torch.stack(
        [turned_T31K[:, j] * rows[:, k] - turned_T31K[:, k] * rows[:, j] for _, j, k in _CYCLES], 1
    )
    pose_T6RK = torch.cat([turn_T3RK, rows], 1)
    own_T3RK = (state.rotation_T33.mT @ rows.flatten(2)).unflatten(2, rows.shape[2:])
    if gram_CC is None:
        matrix_TNN = _products(pose_T6RK, own_T3RK, basis_C3K)
    else:
        both_T63K = (pose_T6RK[:, :, None] * own_T3RK[:, None]).sum(3)
        cross_T6C = both_T63K.flatten(2) @ basis_C3K.flatten(1).T
        pose_T66 = pose_T6RK.flatten(2) @ pose_T6RK.flatten(2).mT
        gram_TCC = gram_CC.expand(len(cross_T6C), -1, -1)
        matrix_TNN = torch.cat(
            [torch.cat([pose_T66, cross_T6C], -1), torch.cat([cross_T6C.mT, gram_TCC], -1)], -2
        )
    matrix_TNN.diagonal(dim1=1, dim2=2)[:, 6:] += prior
    return matrix_TNN


def _products(pose_T6RK: Tensor, own_T3RK: Tensor, basis_C3K: Tensor) -> Tensor:
    """Return J^T J of each frame, J by pose and by coefficients."""
    num_frames, _, num_residuals, num_points = pose_T6RK.shape
    size = 6 + len(basis_C3K)
    basis_3C1K = basis_C3K.transpose(0, 1).contiguous()[:, :, None]
    matrix_TNN = pose_T6RK.new_empty(num_frames, size, size)
    jacobian = pose_T6RK.new_empty(_GROUP, size, num_residuals, num_points)
    for first in range(0, num_frames, _GROUP):
        here = slice(first, first + _GROUP)
        own_G3RK = own_T3RK[here]
        jacobian_GNRK = jacobian[: len(own_G3RK)]
        jacobian_GNRK[:, :6], basis_rows_GCRK = pose_T6RK[here], jacobian_GNRK[:, 6:]
        torch.mul(basis_3C1K[0], own_G3RK[:, :1], out=basis_rows_GCRK)
        basis_rows_GCRK.addcmul_(basis_3C1K[1], own_G3RK[:, 1:2])
        basis_rows_GCRK.addcmul_(basis_3C1K[2], own_G3RK[:, 2:3])
        flat_GNK = jacobian_GNRK.flatten(2)
        torch.bmm(flat_GNK, flat_GNK.mT, out=matrix_TNN[here])
    return matrix_TNN


def moved(state: State, change_TC: Tensor) -> State:
    """Return the state after a turn (applied in camera space), a shift and new coefficients."""
    turn = change_TC[:, :3]
    x, y, z = turn.unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    return State(
        torch.linalg.matrix_exp(skew) @ state.rotation_T33,
        state.shift_T3 + change_TC[:, 3:6],
        state.coefficients_TC + change_TC[:, 6:],
    )


def weighted_mean(values_TRK: Tensor, weights_TK: Tensor) -> Tensor:
    """Return the mean over the points by weight, (T, R, 1)."""
    weights_T1K = weights_TK[:, None]
    return (values_TRK * weights_T1K).sum(-1, keepdim=True) / weights_T1K.sum(-1, keepdim=True)
