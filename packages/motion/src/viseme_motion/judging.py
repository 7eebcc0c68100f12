"""Sync and head motion of generated motion, as a judge that took no part in training sees them.

Letters: T frames, A audio-feature width, L lags.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from viseme_motion.experts import LipExpert

MAX_LAG = 15
"""Lags in frames to either side that a judge looks at, as SyncNet does."""


def sync_scores(
    judge: LipExpert, expression_TC: Tensor, identity_I: Tensor, audio_TA: Tensor
) -> dict[str, Tensor]:
    """Return how well lips fit the sound.

    Args:
        judge: A lip expert other than the one that training listened to.
        expression_TC: Expression in raw units.
        identity_I: Whose face it is.
        audio_TA: Audio features.

    Returns:
        `sync_confidence`, the highest mean cosine over lags less the median, as SyncNet's
        confidence; `sync_accuracy`, 1 where that lag is at most one frame, else 0; NaN where the
        sample is too short to be shifted.
    """
    if len(expression_TC) < judge.config.window + MAX_LAG:
        undefined = torch.tensor(float("nan"))
        return {"sync_confidence": undefined, "sync_accuracy": undefined}
    seen = judge.see(identity_I[None], expression_TC[None])
    curve_L = judge.lag_curve(seen, judge.audio_scale(audio_TA[None]), MAX_LAG)[0]
    best = int(curve_L.argmax())
    return {
        "sync_confidence": curve_L[best] - curve_L.median(),
        "sync_accuracy": torch.tensor(float(abs(best - MAX_LAG) <= 1)),
    }


def head_scores(found_T6: Tensor, true_T6: Tensor) -> dict[str, Tensor]:
    """Return how much generated and true heads turn: deviation of the angles over time, degrees."""
    return {
        name: torch.rad2deg(pose_T6[:, :3].std(0)).mean()
        for name, pose_T6 in (("head_diversity", found_T6), ("true_head_diversity", true_T6))
    }


def choose_shift(clips: Sequence[str]) -> int:
    """Return by how much to roll a batch's sounds so that samples hear a sound that is not theirs.

    Neighbours in a batch are often of one clip, whose voice and sentence go on. As many samples as
    possible hear another clip; where that leaves a choice, the nearest to half of the batch.

    Args:
        clips: Clip of each sample.

    Returns:
        The shift for `torch.roll`, not 0 unless there is one sample only.
    """
    size = len(clips)

    def merit(shift: int) -> tuple[int, int]:
        others = sum(clips[i] != clips[i - shift] for i in range(size))
        return others, -abs(2 * shift - size)

    return max(range(1, size), key=merit, default=0)
