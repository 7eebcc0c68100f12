"""Pauses of a voice, by its loudness, and what lips do in them. Letters: S samples, T frames."""

import torch
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_core.types import SAMPLES_PER_FRAME

QUIET_DB = 25.0
"""So far below a clip's loud frames nobody speaks: hisses are as faint, but shorter than pauses."""
PAUSE_FRAMES = 8
"""Frames that a pause has at least: 0.3 s."""
CLOSE_FRAMES = 5
"""Frames that lips have to close in, 0.2 s."""
OPEN_FRAMES = 4
"""Frames before the end of a pause in which lips may open again, 0.16 s: people's do, ahead of the
sound."""
# Loud frames are those at this rank: clicks are louder.
_LOUD = 0.95
_LEAST_DB = -120.0


def frame_levels(samples_S: Tensor, num_frames: int) -> Tensor:
    """Return how loud each frame is in decibels of full scale, float64 (T,), not below -120.

    Args:
        samples_S: Mono at 16 kHz; what is missing at the end is silence.
        num_frames: Frames at 25 per second.
    """
    check_shape(samples_S, "S", name="samples_S")
    whole_S = torch.zeros(num_frames * SAMPLES_PER_FRAME, dtype=torch.float64)
    given_S = samples_S[: len(whole_S)]
    whole_S[: len(given_S)] = given_S.double()
    power_T = whole_S.reshape(num_frames, -1).square().mean(1)
    return (10 * power_T.clamp(min=1e-30).log10()).clamp(min=_LEAST_DB)


def find_pauses(
    levels_T: Tensor, *, quiet_db: float = QUIET_DB, least_frames: int = PAUSE_FRAMES
) -> Tensor:
    """Return the pauses of a voice, int64 (N, 2): first frame, and the one after the last.

    Stretches of frames that are all `quiet_db` below the loud ones, the 95th percentile.

    Args:
        levels_T: What `frame_levels` gave.
        quiet_db: Decibels.
        least_frames: A shorter stretch is no pause.
    """
    check_shape(levels_T, "T", name="levels_T")
    if not len(levels_T):
        return torch.zeros(0, 2, dtype=torch.int64)
    is_quiet_T = levels_T < levels_T.quantile(_LOUD) - quiet_db
    step_T = torch.nn.functional.pad(is_quiet_T.long(), (1, 1)).diff()
    pauses_N2 = torch.stack([(step_T == 1).nonzero()[:, 0], (step_T == -1).nonzero()[:, 0]], 1)
    return pauses_N2[pauses_N2[:, 1] - pauses_N2[:, 0] >= least_frames]


def closing_frames(pauses_N2: Tensor) -> Tensor:
    """Return the frames of each pause in one of which lips should be closed, int64 (N, 2)."""
    first_N = pauses_N2[:, 0]
    return torch.stack([first_N, first_N + CLOSE_FRAMES + 1], 1)


def resting_frames(pauses_N2: Tensor, num_frames: int) -> Tensor:
    """Return the frames at which lips should rest closed, bool (T,).

    From 0.2 s after a pause begins; not in its last 0.16 s, unless the clip ends with it.

    Args:
        pauses_N2: What `find_pauses` gave.
        num_frames: Frames of the clip.
    """
    rests_T = torch.zeros(num_frames, dtype=torch.bool)
    for first, stop in pauses_N2.tolist():
        rests_T[first + CLOSE_FRAMES : stop - (OPEN_FRAMES if stop < num_frames else 0)] = True
    return rests_T
