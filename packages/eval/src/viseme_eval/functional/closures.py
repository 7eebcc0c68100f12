"""Whether lips close when a sound needs them closed: p, b and m.

Closed is a question of level, and one level serves the true lips and the generated ones, that of
the true: a mouth that mumbles would else be closed whenever it opens least. Since a mouth that
never opens closes for every p, the share of closures says something only beside the share that
windows as long have anywhere in the speech. Letters: T frames, N windows.
"""

import torch
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_core.types import FPS

CLOSED_SHARE = 0.1
"""Part of the way from a clip's nearly least opening to its nearly greatest up to which lips count
as closed. Of 273 p, b and m in 39 real clips 0.89 are closed so, and 0.91 at any part up to 0.25:
a higher level finds more closed lips where nothing asks for them, 0.48 instead of 0.34."""
_LEAST, _GREATEST = 0.05, 0.95
SLACK_FRAMES = 1
"""Frames that a window reaches beyond its sound: times of sounds are right to some 20 ms, and
pictures come every 40."""


def closed_level(opening_T: Tensor, *, share: float = CLOSED_SHARE) -> Tensor:
    """Return the opening up to which lips of a clip count as closed, 0-dimensional float64.

    low + share (high - low) with the 5th and the 95th percentile.

    Args:
        opening_T: Opening of the true lips; NaN where it is not known.
        share: Part of the way.
    """
    check_shape(opening_T, "T", name="opening_T")
    ends_2 = opening_T.new_tensor([_LEAST, _GREATEST], dtype=torch.float64)
    low, high = torch.nanquantile(opening_T.double(), ends_2)
    return low + share * (high - low)


def closure_windows(
    spans_N2: Tensor, num_frames: int, *, fps: float = FPS, slack: int = SLACK_FRAMES
) -> Tensor:
    """Return the frames in which lips may close for each sound, int64 (N, 2): first, after last.

    Those that its closure touches, and `slack` more either way; as many of them as the clip has.

    Args:
        spans_N2: When each closure begins and ends, in seconds.
        num_frames: Frames of the clip; closures outside it are left out.
        fps: Frames per second.
        slack: Frames more at either end.
    """
    check_shape(spans_N2, "N 2", name="spans_N2")
    # Times are sums of decimals: a closure that ends with a frame does not touch the next.
    start_N = (spans_N2[:, 0].double() * fps + 1e-6).floor().long()
    stop_N = (spans_N2[:, 1].double() * fps - 1e-6).ceil().long()
    is_inside_N = (start_N < num_frames) & (stop_N > 0)
    windows_N2 = torch.stack([start_N - slack, stop_N + slack], 1)[is_inside_N]
    return windows_N2.clamp(0, num_frames)


def closes(opening_T: Tensor, windows_N2: Tensor, level: Tensor) -> Tensor:
    """Return whether lips are closed at some frame of each window, bool (N,).

    Args:
        opening_T: Opening of the lips; NaN counts as open.
        windows_N2: What `closure_windows` gave.
        level: What `closed_level` gave of the true lips.
    """
    is_closed_T = opening_T <= level
    found = [bool(is_closed_T[first:stop].any()) for first, stop in windows_N2.tolist()]
    return torch.tensor(found, dtype=torch.bool)


def closes_anywhere(
    opening_T: Tensor, windows_N2: Tensor, level: Tensor, is_speech_T: Tensor
) -> Tensor:
    """Return the share of windows as long as each that have closed lips, float64 (N,).

    Every such window whose middle is speech: what the expectation of a window at random would be.

    Args:
        opening_T: Opening of the lips.
        windows_N2: Windows, of which the lengths count.
        level: What counts as closed.
        is_speech_T: Frames in which somebody speaks.

    Returns:
        NaN for a window longer than the clip, or where there is no speech.
    """
    is_closed_T = opening_T <= level
    known: dict[int, Tensor] = {}
    for length in set((windows_N2[:, 1] - windows_N2[:, 0]).tolist()):
        if length > len(opening_T):
            known[length] = torch.tensor(torch.nan, dtype=torch.float64)
            continue
        any_closed_W = is_closed_T.unfold(0, length, 1).any(1)
        middle = length // 2
        is_said_W = is_speech_T[middle : middle + len(any_closed_W)]
        known[length] = any_closed_W[is_said_W].double().mean()
    shares = [known[stop - first] for first, stop in windows_N2.tolist()]
    return torch.stack(shares) if shares else torch.zeros(0, dtype=torch.float64)
