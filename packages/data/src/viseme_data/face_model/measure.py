"""How well a face model shows people that it was not made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor

from viseme_core.types import Landmarks
from viseme_data.coefficients import eye_distance, fit_motion, fitted_points
from viseme_face import MorphableModel
from viseme_face.layouts import eye_aspect_ratio, lip_opening

# Shorter clips say nothing about movement.
_MIN_FRAMES = 25


@dataclass(frozen=True)
class Measures:
    """Medians over clips, unless said otherwise; NaN where no clip could tell."""

    clips: int
    portraits: int
    clip_error: float
    """Median distance of fitted and given landmarks over that of the outer eye corners."""
    portrait_error: float
    """The same on single pictures."""
    worst_error: float
    """The largest of both."""
    lip_correlation: float
    """Of the opening of the lips, fitted with given."""
    lid_correlation: float
    """Of the opening of the eyes."""
    identity_drift: float
    """Distance of the faces found in the two halves of a clip over that of two people, by root
    mean square over the vertices."""
    identity_rms: float
    """Of the identity coefficients of all, in deviations."""
    expression_rms: float
    """Of the expression coefficients of all frames, in deviations."""
    expression_peak: float
    """Largest of a clip's expression coefficients, in deviations."""


def measure(model: MorphableModel, clips: Sequence[Landmarks]) -> Measures:
    """Return how a model does on clips, and on portraits, which are clips of one frame.

    Everything is fitted as preparation fits it.
    """
    errors, portrait_errors, lips, lids, drifts, peaks = [], [], [], [], [], []
    identities, squares = [], []
    for clip in clips:
        fitted = fit_motion(model, clip)
        given_TK2 = fitted.landmarks.points_TKD[..., :2]
        found_TK2 = fitted_points(model, fitted.motion)
        off_TK = (found_TK2 - given_TK2).norm(dim=-1) / eye_distance(given_TK2)[:, None]
        expression_TE = fitted.motion.expression / model.expression_std_E
        identities.append(fitted.motion.identity / model.identity_std_I)
        squares.append(expression_TE.square().mean())
        if clip.num_frames == 1:
            portrait_errors.append(off_TK.median())
            continue
        errors.append(off_TK.median())
        peaks.append(expression_TE.abs().max())
        if clip.num_frames >= _MIN_FRAMES:
            lips.append(_correlation(lip_opening(found_TK2), lip_opening(given_TK2)))
            both = [eye_aspect_ratio(points).mean(-1) for points in (found_TK2, given_TK2)]
            lids.append(_correlation(*both))
            drifts.append(_drift(model, clip))
    return Measures(
        clips=len(errors),
        portraits=len(portrait_errors),
        clip_error=_median(errors),
        portrait_error=_median(portrait_errors),
        worst_error=float(torch.stack([*errors, *portrait_errors]).max()),
        lip_correlation=_median(lips),
        lid_correlation=_median(lids),
        # One person alone is not apart from anybody.
        identity_drift=_median(drifts) / (_apart(model, torch.stack(identities)) or nan),
        identity_rms=float(torch.stack(identities).square().mean().sqrt()),
        expression_rms=float(torch.stack(squares).mean().sqrt()),
        expression_peak=_median(peaks),
    )


def _drift(model: MorphableModel, clip: Landmarks) -> Tensor:
    """Return the root mean square distance of the faces that both halves of a clip show."""
    half = clip.num_frames // 2
    points_TKD = clip.points_TKD
    faces = []
    for part in (points_TKD[:half], points_TKD[half:]):
        identity = fit_motion(model, Landmarks(part, "mp478")).motion.identity
        faces.append(torch.tensordot(identity, model.identity_basis_IV3, 1))
    return (faces[0] - faces[1]).square().sum(-1).mean().sqrt()


def _apart(model: MorphableModel, identity_PI: Tensor) -> float:
    """Return the root mean square distance of two of the faces."""
    away_PI = (identity_PI - identity_PI.mean(0)) * model.identity_std_I
    faces_PV3 = torch.tensordot(away_PI, model.identity_basis_IV3, 1)
    return float((2 * faces_PV3.square().sum(-1).mean()).sqrt())


def _correlation(one_T: Tensor, other_T: Tensor) -> Tensor:
    return torch.corrcoef(torch.stack([one_T, other_T]))[0, 1]


def _median(values: Sequence[Tensor]) -> float:
    return float(torch.stack(list(values)).nanmedian()) if values else float("nan")
