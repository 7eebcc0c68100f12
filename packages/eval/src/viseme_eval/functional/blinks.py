"""Blinks of an eye-aspect-ratio curve: when they are, and how many a second.

A blink is a dip that the curve falls into and comes out of again within a fraction of a second. The
morphological closing of the curve, which fills every such dip, is how open the eye would have been
without: it follows lids that lower with the gaze, squint or drift, so that only the dip counts.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_core.types import FPS

MIN_DEPTH = 0.35
"""Share of the way from open to shut that counts. In twelve minutes of real clips dips were either
noise and glances, up to 0.25, or blinks, from 0.4: few lay between."""
MAX_SEC = 0.6
"""Longest dip that is a blink; eyes that stay shut longer are closed, not blinking."""
MIN_SEC = 1.0
"""A clip with less than this of known curve has no rate: people blink every two to four seconds."""

# Gaps of this many frames without a face are bridged; longer ones part the clip.
_MAX_GAP = 3
# Where eyes are narrow, as in laughter, a dip counts against this part of the open eye at least.
_LEAST_LEVEL = 0.6
# A dip of noise: curves of 10,000 frames reach 3.5 deviations of the smoothed noise both ways.
_NOISE_DEVIATIONS = 4.5
# A lid takes five frames down and up again; a dip of one frame is a slip of the landmarks.
_LEAST_FRAMES = 2


def detect_blinks(ratio_TE: Tensor, *, fps: float = FPS, min_depth: float = MIN_DEPTH) -> Tensor:
    """Return the frames at which blinks are deepest, int64 of shape (blinks,), in order.

    The curve, mean of both eyes, is smoothed over three frames (1/4, 1/2, 1/4) and compared with
    its closing over 0.6 s. depth = (closing - curve) / max(closing, 0.6 open), open being the
    closing's median. A dip that reaches `min_depth`, or 4.5 deviations of the curve's noise if that
    is more, is one blink until it has risen to half of that. A blink whose deepest frame is the
    first or last of a clip is not counted: cut in two, a clip then counts no blink twice.

    Args:
        ratio_TE: Eye aspect ratio of both eyes (T, 2) or their mean (T,); NaN where not known.
        fps: Frames per second.
        min_depth: Share of the way from open to shut, 0 to 1.
    """
    curve_T = _one_curve(ratio_TE)
    found = [
        start + frame
        for start, piece_T in _known_pieces(curve_T)
        for frame in _dips(piece_T, fps, min_depth)
    ]
    return torch.tensor(found, dtype=torch.int64, device=ratio_TE.device)


def blink_rate(ratio_TE: Tensor, *, fps: float = FPS, min_depth: float = MIN_DEPTH) -> Tensor:
    """Return blinks per second (DisentTalk Tables I, II and IV).

    Number of blinks over the time in which the eyes are seen. People blink 0.28 to 0.45 times a
    second in conversation; DisentTalk measures about 0.2 on HDTF and does not say how.

    Args:
        ratio_TE: Eye aspect ratio of both eyes (T, 2) or their mean (T,); NaN where not known.
        fps: Frames per second.
        min_depth: Share of the way from open to shut, 0 to 1.

    Returns:
        0-dimensional float64; NaN where eyes are seen for less than a second.
    """
    seconds = int((~_one_curve(ratio_TE).isnan()).sum()) / fps
    rate = torch.full((), torch.nan, dtype=torch.float64, device=ratio_TE.device)
    if seconds >= MIN_SEC:
        rate.fill_(len(detect_blinks(ratio_TE, fps=fps, min_depth=min_depth)) / seconds)
    return rate


def _one_curve(ratio_TE: Tensor) -> Tensor:
    if ratio_TE.ndim == 1:
        return ratio_TE.double()
    if ratio_TE.ndim == 2 and ratio_TE.shape[1] == 2:
        return ratio_TE.double().nanmean(dim=1)
    raise ValueError(
        f"an eye aspect ratio must have shape (T,) or (T, 2), got {tuple(ratio_TE.shape)}"
    )


def _known_pieces(curve_T: Tensor) -> list[tuple[int, Tensor]]:
    """Return the pieces between long gaps and where each begins; short gaps are drawn straight."""
    frames = (~curve_T.isnan()).nonzero()[:, 0].tolist()
    pieces: list[tuple[int, Tensor]] = []
    begin = 0
    for number in range(1, len(frames) + 1):
        is_end = number == len(frames)
        if is_end or frames[number] - frames[number - 1] > _MAX_GAP + 1:
            first, last = frames[begin], frames[number - 1]
            pieces.append((first, _bridge(curve_T[first : last + 1])))
            begin = number
    return pieces


def _bridge(piece_T: Tensor) -> Tensor:
    known = ~piece_T.isnan()
    if bool(known.all()):
        return piece_T
    times = torch.arange(len(piece_T), device=piece_T.device)
    at = times[known]
    # The first and last frame of a piece are known: every frame lies between two that are.
    after = torch.searchsorted(at, times).clamp(1, len(at) - 1)
    left, right = at[after - 1], at[after]
    part = (times - left) / (right - left)
    return torch.lerp(piece_T[left], piece_T[right], part.double())


def _dips(curve_T: Tensor, fps: float, min_depth: float) -> list[int]:
    """Return the deepest frame of every dip of a curve without gaps."""
    if len(curve_T) < 3:
        return []
    smooth_T = F.pad(curve_T[None], (1, 1), mode="replicate")[0].unfold(0, 3, 1) @ (
        curve_T.new_tensor([0.25, 0.5, 0.25])
    )
    level_T = _closing(smooth_T, 2 * round(MAX_SEC * fps / 2) + 1)
    open_level = level_T.median()
    if not float(open_level) > 0:
        return []
    unit_T = torch.maximum(level_T, _LEAST_LEVEL * open_level)
    depth_T = (level_T - smooth_T) / unit_T
    # Second differences of white noise have six times its variance, and leave out what is slow; the
    # median leaves out the blinks.
    noise = 1.4826 * curve_T.diff(n=2).abs().median() / 6**0.5 / open_level
    least = max(min_depth, _NOISE_DEVIATIONS * float(noise))
    is_dip_T = depth_T > least / 2
    raw_dip_T = (level_T - curve_T) / unit_T > least / 2
    found = []
    for first, last in _runs(is_dip_T):
        dip = slice(first, last + 1)
        deepest = first + int(depth_T[dip].argmax())
        is_deep = float(depth_T[deepest]) >= least
        lasts = int(raw_dip_T[dip].sum()) >= _LEAST_FRAMES
        if is_deep and lasts and 0 < deepest < len(curve_T) - 1:
            found.append(deepest)
    return found


def _closing(curve_T: Tensor, width: int) -> Tensor:
    """Return the least curve that is above this one and has no dip narrower than `width`."""
    # Max-pooling pads with minus infinity, so that nothing outside the clip counts either time.
    highest = F.max_pool1d(curve_T[None], width, stride=1, padding=width // 2)
    return -F.max_pool1d(-highest, width, stride=1, padding=width // 2)[0]


def _runs(is_in_T: Tensor) -> list[tuple[int, int]]:
    """Return first and last frame of every stretch of True."""
    edges = F.pad(is_in_T.to(torch.int8), (1, 1)).diff()
    first, last = (edges == 1).nonzero()[:, 0], (edges == -1).nonzero()[:, 0] - 1
    return list(zip(first.tolist(), last.tolist(), strict=True))
