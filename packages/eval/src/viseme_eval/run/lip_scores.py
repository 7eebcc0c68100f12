"""Figures of one generated motion against the clip whose sound it was made from.

Each is a pair, what is counted and out of how many, so that figures of many clips add up: a mean
over clips has ones below, a share has counts.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from viseme_core.types import FPS, Landmarks, Motion
from viseme_eval.functional.blinks import detect_blinks
from viseme_eval.functional.closures import closed_level, closes, closes_anywhere
from viseme_eval.functional.curves import curve_correlation, lag_correlation, spread_ratio
from viseme_eval.functional.landmark import eye_aspect_ratio_curve
from viseme_eval.functional.motion import high_frequency_share
from viseme_eval.functional.quiet import closing_frames, resting_frames
from viseme_eval.run.true_clips import TrueClip
from viseme_face import MorphableModel, lip_opening

MAX_LAG = 5
"""Frames either way in which the best lag is sought."""
LOOSE_SHARE = 0.2
"""A second level at which closures are counted, to see how much hangs on the first."""


class Share(NamedTuple):
    """What is counted, and out of how many."""

    top: float
    bottom: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Curves:
    """What a motion shows: the curves that are measured."""

    opening_T: Tensor
    """Opening of the lips, float64."""
    eyes_TE: Tensor | None = None
    """Eye aspect ratio of both eyes; None where the eyes are nobody's."""
    pose_TC: Tensor | None = None
    """Pose, angles first; None where the head is nobody's."""


def curves_of(motion: Motion, identity_I: Tensor, model: MorphableModel) -> Curves:
    """Return the curves of the mesh that a motion makes of a person.

    Args:
        motion: Motion of the face model.
        identity_I: Whose face it is put on.
        model: The face model.
    """
    points_TK3 = model.landmarks(identity_I, motion.expression, "mp478").double()
    return Curves(
        opening_T=lip_opening(points_TK3),
        eyes_TE=eye_aspect_ratio_curve(Landmarks(points_TK3[..., :2], "mp478")),
        pose_TC=motion.pose,
    )


def true_curves(one: TrueClip) -> Curves:
    """Return the curves of the picture's landmarks and of the fitted head."""
    eyes_TE = eye_aspect_ratio_curve(Landmarks(one.clip.landmarks_TK3[..., :2], "mp478"))
    return Curves(opening_T=one.opening_T, eyes_TE=eyes_TE, pose_TC=one.clip.motion.pose)


def lip_scores(made: Curves, one: TrueClip) -> dict[str, Share]:
    """Return the figures of a motion's lips and lids by name; what cannot be measured is left out.

    Args:
        made: Curves of the motion; beyond the clip's frames they are cut off.
        one: The clip.
    """
    num_frames = min(len(made.opening_T), one.clip.num_frames)
    made_T, true_T = made.opening_T[:num_frames], one.opening_T[:num_frames]
    at_lags = lag_correlation(made_T, true_T, max_lag=MAX_LAG)
    found = {
        "lag 0": Share(float(at_lags[MAX_LAG])),
        # The lag of a flat curve is no lag.
        "best lag": Share(float(at_lags.nan_to_num(-torch.inf).max())),
        "spread": Share(float(spread_ratio(made_T, true_T))),
        "above 8 Hz": Share(float(high_frequency_share(_filled(made_T)[:, None]))),
    }
    if one.is_speech_T is not None:
        found["lag 0 in speech"] = Share(float(_in_speech(made_T, true_T, one.is_speech_T)))
    found |= _closure_scores(made_T, true_T, one)
    found |= _pause_scores(made_T, one)
    if made.eyes_TE is not None:
        seconds = int((~made.eyes_TE.mean(1).isnan()).sum()) / FPS
        found["blinks/s"] = Share(len(detect_blinks(made.eyes_TE)), seconds)
    return {name: share for name, share in found.items() if abs(share.top) < float("inf")}


def shuffled_score(made: Curves, other: TrueClip) -> float:
    """Return the correlation at lag 0 with the lips of somebody who said something else."""
    num_frames = min(len(made.opening_T), other.clip.num_frames)
    return float(curve_correlation(made.opening_T[:num_frames], other.opening_T[:num_frames]))


def _filled(curve_T: Tensor) -> Tensor:
    """Return a curve with a straight line where it is not known: a spectrum has no gaps."""
    known = ~curve_T.isnan().numpy()
    if known.all() or not known.any():
        return curve_T
    at = np.arange(len(curve_T))
    return torch.from_numpy(np.interp(at, at[known], curve_T.numpy()[known]))


def _in_speech(made_T: Tensor, true_T: Tensor, is_speech_T: Tensor) -> Tensor:
    known_T = is_speech_T[: len(made_T)]
    return curve_correlation(made_T[known_T], true_T[known_T])


def _closure_scores(made_T: Tensor, true_T: Tensor, one: TrueClip) -> dict[str, Share]:
    if one.windows_N2 is None or one.is_speech_T is None or not len(one.windows_N2):
        return {}
    # Motion may end before its clip does.
    windows_N2 = one.windows_N2[one.windows_N2[:, 0] < len(made_T)].clamp(max=len(made_T))
    if not len(windows_N2):
        return {}
    loose = closed_level(true_T, share=LOOSE_SHARE)
    anywhere_N = closes_anywhere(made_T, windows_N2, one.level, one.is_speech_T[: len(made_T)])
    closed = int(closes(made_T, windows_N2, one.level).sum())
    return {
        "p b m closed": Share(closed, len(windows_N2)),
        "of the true": Share(closed, int(closes(true_T, windows_N2, one.level).sum())),
        "anywhere": Share(float(anywhere_N.nansum()), int((~anywhere_N.isnan()).sum())),
        "of the true, looser": Share(
            int(closes(made_T, windows_N2, loose).sum()),
            int(closes(true_T, windows_N2, loose).sum()),
        ),
    }


def _pause_scores(made_T: Tensor, one: TrueClip) -> dict[str, Share]:
    pauses_N2 = one.pauses_N2[one.pauses_N2[:, 1] <= len(made_T)]
    if not len(pauses_N2):
        return {}
    rests_T = resting_frames(pauses_N2, len(made_T))
    is_closed_T = made_T <= one.level
    return {
        "pauses closed": Share(
            int(closes(made_T, closing_frames(pauses_N2), one.level).sum()), len(pauses_N2)
        ),
        "stay closed": Share(int((is_closed_T & rests_T).sum()), int(rests_T.sum())),
    }
