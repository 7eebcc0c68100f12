"""What landmarks of many people teach: expectation maximisation with a prior.

Each round fits everybody with what is known so far and counts, beside the coefficients that were
found, the errors they may have: what one frontal photograph leaves open does not shrink. People's
covariance is drawn to the prior's by Ledoit and Wolf's rule (J. Multivariate Analysis 88, 2004),
that of expressions, whose frames are no independent samples, by a fixed share. Everybody's mirror
image counts as well.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from viseme_data.face_model.estimate import Directions, Estimate, Noise, estimate
from viseme_data.face_model.prior import Knowledge, neutral, without_rigid
from viseme_data.face_model.shapes import Rows
from viseme_face.layouts import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS

MIN_PEOPLE = 8
"""Fewer people say nothing about how people differ."""
# Frames of a person from which their expressions vary.
_MIN_FRAMES = 5


@dataclass(frozen=True)
class Learned:
    """Knowledge after all rounds, and how it came about."""

    knowledge: Knowledge
    prior_share: tuple[float, float]
    """Part of the covariance of people that is the prior's: symmetric, asymmetric."""
    misfit: float
    """Median over the people of the last round's misfit."""
    num_moving: int
    """People with enough frames to learn expressions from."""


def learn(
    prior: Knowledge,
    people: Sequence[Tensor],
    *,
    rounds: int,
    noise: Noise,
    expression_prior: float,
    report: Callable[[int, Sequence[Estimate]], None] = lambda *_: None,
) -> Learned:
    """Return what people teach beyond the prior.

    Args:
        prior: Where to start, and what to be drawn to.
        people: Frames (F, 478, 3) of each person, in [0, 1] of a crop, with relative depth.
        rounds: How often everybody is fitted.
        noise: How exact landmarks are.
        expression_prior: Part of the covariance of expressions that is the prior's.
        report: Called after each round's fits.

    Raises:
        ValueError: If there are too few people, or nobody moves.
    """
    check_people(people)
    with one_thread():
        return _learn(prior, people, rounds, noise, expression_prior, report)


def _learn(
    prior: Knowledge,
    people: Sequence[Tensor],
    rounds: int,
    noise: Noise,
    expression_prior: float,
    report: Callable[[int, Sequence[Estimate]], None],
) -> Learned:
    now, shares, fits = prior, (1.0, 1.0), list[Estimate]()
    for turn in range(rounds):
        known = Directions(now.mean_V3, now.identity.rows_NV3, now.expression.rows_NV3)
        fits = [estimate(known, points_FK3, noise) for points_FK3 in people]
        report(turn, fits)
        identity_turn = _turn(prior.identity, now.identity)
        expression_turn = _turn(prior.expression, now.expression)
        identity_II, mean_I, shares = _identity_covariance(
            fits, identity_turn, prior.identity.is_even_N
        )
        expression_EE = _expression_covariance(fits, expression_turn, expression_prior)
        shift_V3 = torch.tensordot(mean_I, prior.identity.rows_NV3, 1)
        eyes_V3 = _usual_expression(fits, now.expression)
        eyes_V3[~_near_eyes(prior.mesh.triangles_P3, len(eyes_V3))] = 0
        mean_V3 = neutral(now.mean_V3 + shift_V3 + eyes_V3, prior.mesh, prior.mirror_V)
        identity = prior.identity.mixed(identity_II)
        now = now._replace(
            mean_V3=mean_V3,
            identity=Rows(without_rigid(identity.rows_NV3, mean_V3), identity.is_even_N),
            expression=prior.expression.mixed(expression_EE),
        )
    moving = sum(len(fit.expression_FE) >= _MIN_FRAMES for fit in fits)
    misfit = float(torch.tensor([fit.misfit for fit in fits]).median())
    return Learned(now, shares, misfit, moving)


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread for a while: sums have one order whatever the number of cores.

    Several would gain nothing on matrices this small, and oneMKL's batched factorisation of more
    than about 150 rows fails in several threads (torch 2.11).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def check_people(people: Sequence[Tensor]) -> None:
    """Refuse too few people, and points that are not finite, by a sentence."""
    for number, points_FK3 in enumerate(people):
        if not points_FK3.isfinite().all():
            raise ValueError(
                f"the landmarks of person {number} hold NaN or infinity; leave out frames in "
                f"which the face was not found"
            )
    if len(people) < MIN_PEOPLE:
        raise ValueError(
            f"{len(people)} people are too few to learn from, at least {MIN_PEOPLE} are needed "
            f"(a hundred are good); add videos or portraits of others"
        )
    if not any(len(points_FK3) >= _MIN_FRAMES for points_FK3 in people):
        raise ValueError(
            f"nobody has {_MIN_FRAMES} frames: there are no expressions to learn from; add videos"
        )


def _usual_expression(fits: Sequence[Estimate], expression: Rows) -> Tensor:
    """Return the mean of people's mean expressions, (V, 3)."""
    mean_E = torch.stack([fit.expression_FE.mean(0) for fit in fits]).mean(0)
    return torch.tensordot(mean_E, expression.rows_NV3, 1)


def _near_eyes(triangles_P3: Tensor, num_vertices: int) -> Tensor:
    """Return which vertices belong to lids and irises, (V,): eyes at rest are as open as usual."""
    is_near_V = torch.zeros(num_vertices, dtype=torch.bool)
    is_near_V[[*RIGHT_EYE, *LEFT_EYE]] = True
    is_near_V[triangles_P3[is_near_V[triangles_P3].any(1)].flatten()] = True
    is_near_V[[*RIGHT_IRIS, *LEFT_IRIS]] = True
    return is_near_V


def _turn(prior: Rows, now: Rows) -> Tensor:
    """Return (M, N): what coefficients of the present rows are in those of the prior's."""
    flat = prior.rows_NV3.flatten(1)
    return now.rows_NV3.flatten(1) @ torch.linalg.pinv(flat)


def _identity_covariance(
    fits: Sequence[Estimate], turn_MI: Tensor, is_even_I: Tensor
) -> tuple[Tensor, Tensor, tuple[float, float]]:
    found_PI = torch.stack([fit.identity_I for fit in fits]) @ turn_MI
    mean_I = torch.where(is_even_I, found_PI.mean(0), 0.0)
    away_PI = found_PI - mean_I
    samples_PII = away_PI[:, :, None] * away_PI[:, None]
    for sample_II, fit in zip(samples_PII, fits, strict=True):
        sample_II += turn_MI.T @ fit.identity_error_II @ turn_MI
    covariance_II = torch.zeros_like(samples_PII[0])
    shares = []
    for even in (True, False):
        own = (is_even_I == even).nonzero()[:, 0]
        shrunk, share = shrink(samples_PII[:, own][:, :, own])
        covariance_II[own[:, None], own] = shrunk
        shares.append(share)
    return covariance_II, mean_I, (shares[0], shares[1])


def shrink(samples_PNN: Tensor) -> tuple[Tensor, float]:
    """Return the mean of samples of a covariance, drawn to a multiple of 1, and by which share.

    The share is Ledoit and Wolf's: of least expected squared error.
    """
    mean_NN = samples_PNN.mean(0)
    target_NN = mean_NN.trace() / len(mean_NN) * torch.eye(len(mean_NN)).to(mean_NN)
    error = (samples_PNN - mean_NN).square().sum() / len(samples_PNN) ** 2
    distance = (mean_NN - target_NN).square().sum()
    share = float((error / distance).clamp(0, 1)) if distance > 0 else 1.0
    return torch.lerp(mean_NN, target_NN, share), share


def _expression_covariance(fits: Sequence[Estimate], turn_ME: Tensor, prior_share: float) -> Tensor:
    samples = []
    for fit in fits:
        num = len(fit.expression_FE)
        if num >= _MIN_FRAMES:
            # A person's own mean may be a part of the face that was taken for an expression.
            away_FE = fit.expression_FE - fit.expression_FE.mean(0)
            found = away_FE.T @ away_FE / (num - 1) + fit.expression_error_EE
            samples.append(turn_ME.T @ found @ turn_ME)
    mean_EE = torch.stack(samples).mean(0)
    return torch.lerp(mean_EE, torch.eye(len(mean_EE)).to(mean_EE), prior_share)
