"""Gauss-Newton for many frames at once: each frame on its own, or with what they share.

A step solves the normal equations of `least_squares`; one that does not lower the cost is halved.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from viseme_face.least_squares import (
    FitOptions,
    Linearised,
    Observed,
    State,
    gradient,
    linearise,
    moved,
    normal_matrix,
    predict,
    shape_of,
)

# Once steps move the points by less than this, in their unit, and shrink this much each time, the
# curvature is kept: by then it hardly changes, and it is the dear part.
_NEAR = 3e-3
_SHRINK = 0.6
_MAX_STEPS = 30
# The first step looks at every third point only, if that leaves plenty: it is far off anyway.
_THIN = 3
_PLENTY = 100
# A step is the last if it moves the points, by root mean square, less than this part of the
# expected noise (the root of the prior), or than rounding does.
_NOISE_PART = 0.1
_ROUNDING = {torch.float32: 1e-6, torch.float64: 1e-11}
# Frames per block: enough for large matrix products, few enough to converge alike.
_BLOCK = 128
# Part of a block's frames below which those that still move are fitted apart.
_FEW = 0.75
# A step that does not lower the cost is halved, up to this often.
_HALVINGS = 8


def fit_frames(
    rest_3K: Tensor, basis_C3K: Tensor, observed: Observed, start: State, options: FitOptions
) -> tuple[State, Tensor]:
    """Return the state of least cost of every frame on its own, and its residual (T,).

    The residual is the root mean square distance of the points, by weight.
    """
    gram_CC = None
    if observed.kind == "space" and len(observed.weights_TK) == 1 and not options.robust_scale:
        # In space the rotation drops out: one curvature by coefficients serves all frames.
        weighted_C3K = basis_C3K * observed.weights_TK
        gram_CC = weighted_C3K.flatten(1) @ basis_C3K.flatten(1).T
    fewest = (observed.weights_TK[:, ::_THIN] > 0).sum(-1).min()
    thin = observed.kind == "image" and fewest >= _PLENTY
    thin_basis_C3K = basis_C3K[..., ::_THIN].contiguous()
    blocks = []
    for first in range(0, len(observed.points_TRK), _BLOCK):
        frames = slice(first, first + _BLOCK)
        block, state = observed[frames], start[frames]
        if thin:
            some = Observed(
                block.kind, block.points_TRK[..., ::_THIN], block.weights_TK[:, ::_THIN]
            )
            thin_rest_3K = rest_3K[:, ::_THIN]
            state = _fit_block(
                thin_rest_3K, thin_basis_C3K, some, state, options, None, max_steps=1
            )
        blocks.append(_fit_block(rest_3K, basis_C3K, block, state, options, gram_CC))
    state = State.join(blocks)
    shape_T3K = shape_of(rest_3K, basis_C3K, state.coefficients_TC)
    posed_T3K = state.rotation_T33 @ shape_T3K + state.shift_T3[..., None]
    return state, observed.rms(predict(observed.kind, posed_T3K) - observed.points_TRK)


def _fit_block(
    rest_3K: Tensor,
    basis_C3K: Tensor,
    observed: Observed,
    state: State,
    options: FitOptions,
    gram_CC: Tensor | None,
    max_steps: int = _MAX_STEPS,
) -> State:
    def look(at: State) -> tuple[State, Linearised, Tensor]:
        shape_T3K = shape_of(rest_3K, basis_C3K, at.coefficients_TC)
        lin = linearise(observed, shape_T3K, at, options)
        return at, lin, lin.loss_T + options.prior * at.coefficients_TC.square().sum(-1)

    rows, finished = torch.arange(len(state.shift_T3), device=state.shift_T3.device), []
    state, lin, cost_T = look(state)
    enough = _enough(options, rest_3K)
    factors, last, settled = None, torch.inf, False
    for _ in range(max_steps):
        if factors is None or not settled:
            matrix = normal_matrix(lin, state, basis_C3K, options.prior, gram_CC)
            factors = torch.linalg.lu_factor(matrix)
        slope = gradient(lin, state, basis_C3K, options.prior)
        change = -torch.linalg.lu_solve(*factors, slope[..., None])[..., 0]
        state, lin, cost_T = _descend(state, change, cost_T, look)
        length_T = _step_length(slope, change, observed)
        going = length_T > enough
        if not going.any():
            break
        length = float(length_T.max())
        settled, last = length < min(_NEAR, _SHRINK * last), length
        if going.sum() < _FEW * len(going):
            # Most frames are done: go on with the others alone.
            finished.append((rows[~going], state[~going]))
            rows, observed = rows[going], observed[going]
            factors = (factors[0][going], factors[1][going])
            state, lin, cost_T = look(state[going])
    finished.append((rows, state))
    order = torch.cat([rows for rows, _ in finished]).argsort()
    return State.join([part for _, part in finished])[order]


def fit_shared(
    rest_3K: Tensor,
    basis_C3K: Tensor,
    shared_basis_I3K: Tensor,
    observed: Observed,
    start: State,
    options: FitOptions,
) -> Tensor:
    """Return the coefficients (I,) that frames share, fitted together with what each has alone."""
    num_frames, num_own = len(start.shift_T3), len(basis_C3K)
    both = torch.cat([basis_C3K, shared_basis_I3K])

    def look(at: State) -> tuple[State, Linearised, Tensor]:
        shape_T3K = shape_of(rest_3K, both, at.coefficients_TC)
        lin = linearise(observed, shape_T3K, at, options)
        own_TC, shared_I = at.coefficients_TC[:, :num_own], at.coefficients_TC[0, num_own:]
        prior = own_TC.square().sum() + shared_I.square().sum()
        return at, lin, lin.loss_T.sum() + options.prior * prior

    # What is shared is carried in every row and stays equal there.
    zeros_TI = rest_3K.new_zeros(num_frames, len(shared_basis_I3K))
    state, lin, cost = look(
        replace(start, coefficients_TC=torch.cat([start.coefficients_TC, zeros_TI], -1))
    )
    enough = _enough(options, rest_3K)
    reduced, last, settled = None, torch.inf, False
    for _ in range(_MAX_STEPS):
        if reduced is None or not settled:
            matrix = normal_matrix(lin, state, both, options.prior)
            reduced = _Reduced(matrix, 6 + num_own, options.prior)
        slope = gradient(lin, state, both, options.prior)
        change = reduced.step(slope, state.coefficients_TC[0, num_own:])
        state, lin, cost = _descend(state, change, cost, look)
        length = float(_step_length(slope, change, observed).max())
        if length <= enough:
            break
        settled, last = length < min(_NEAR, _SHRINK * last), length
    return state.coefficients_TC[0, num_own:]


def _descend(
    state: State,
    change_TN: Tensor,
    cost: Tensor,
    look: Callable[[State], tuple[State, Linearised, Tensor]],
) -> tuple[State, Linearised, Tensor]:
    """Return what `look` sees after a step, halved where the cost, (T,) or one for all, rises."""
    share = torch.ones_like(cost)
    # Near the minimum the cost only differs by rounding.
    bound = cost * (1 + 1e-5)
    seen = look(moved(state, change_TN))
    for halving in range(_HALVINGS):
        worse = ~(seen[2] <= bound)
        if not worse.any():
            break
        # When no part of the step helps (it may not even be finite), stay.
        last = halving == _HALVINGS - 1
        share = torch.where(worse, torch.zeros_like(share) if last else share / 2, share)
        step_TN = torch.where(share[..., None] > 0, share[..., None] * change_TN, 0.0)
        seen = look(moved(state, step_TN))
    return seen


class _Reduced:
    """Joint normal equations with what belongs to single frames eliminated (Schur complement)."""

    def __init__(self, matrix_TNN: Tensor, num_own: int, prior: float) -> None:
        self.num_own, self.prior = num_own, prior
        self.coupling = matrix_TNN[:, :num_own, num_own:]
        self.factors = torch.linalg.lu_factor(matrix_TNN[:, :num_own, :num_own])
        self.solved = torch.linalg.lu_solve(*self.factors, self.coupling)
        shared = (matrix_TNN[:, num_own:, num_own:] - self.coupling.mT @ self.solved).sum(0)
        # Every frame's block holds the prior on what is shared; it counts once.
        extra = prior * (len(matrix_TNN) - 1)
        self.curvature = shared - extra * torch.eye(len(shared)).to(shared)

    def step(self, slope_TN: Tensor, shared_I: Tensor) -> Tensor:
        """Return the Newton step (T, N): each frame's own unknowns, then the shared ones."""
        own_T = torch.linalg.lu_solve(*self.factors, slope_TN[:, : self.num_own, None])
        pull = slope_TN[:, self.num_own :] - (self.coupling.mT @ own_T)[..., 0]
        extra = self.prior * (len(slope_TN) - 1)
        shared_change = -torch.linalg.solve(self.curvature, pull.sum(0) - extra * shared_I)
        own_change = -own_T[..., 0] - self.solved @ shared_change
        return torch.cat([own_change, shared_change.expand(len(own_change), -1)], -1)


def _enough(options: FitOptions, like: Tensor) -> float:
    # In float64 one wants the minimum itself, not a fit as good as the noise allows.
    part = _NOISE_PART * options.prior**0.5 if like.dtype == torch.float32 else 0.0
    return max(_ROUNDING[like.dtype], part)


def _step_length(slope_TN: Tensor, change_TN: Tensor, observed: Observed) -> Tensor:
    """Return how far a step moves each frame's points, by root mean square, (T,).

    In Newton's step -slope . change is the squared movement, prior included.
    """
    squared_T = -(slope_TN * change_TN).sum(-1) / observed.weights_TK.sum(-1)
    return squared_T.abs().sqrt()
