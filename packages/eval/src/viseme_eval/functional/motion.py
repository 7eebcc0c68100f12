"""How much a head moves, and how much of any movement is jitter.

Letters: T frames, C features.
"""

import torch
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_core.types import FPS

JITTER_HZ = 8.0
"""People move faces and heads below this; what is above is mostly noise."""
# Curves, or points, that are worked on at a time.
_CURVES = 8
# Fewer frames do not part 8 Hz from slower movement.
_MIN_SPECTRUM = 16


def motion_diversity(features_TC: Tensor) -> Tensor:
    """Return how much head-motion features vary within a clip: their mean standard deviation.

    1/C sum_c std_t(x_tc), deviations over T. SadTalker and FD2Talk (Table 1, Diversity) take
    features of frames from Hopenet, and do not say which: with its three angles the unit is the
    degree, with its embedding there is none, and numbers of the two cannot be compared.

    Args:
        features_TC: Head-motion features of one clip, shape (T, C).

    Returns:
        0-dimensional float64; 0 for a head that does not move; NaN for less than two frames.
    """
    check_shape(features_TC, "T C", name="features_TC")
    if len(features_TC) < 2:
        return torch.full((), torch.nan, dtype=torch.float64, device=features_TC.device)
    return features_TC.double().std(dim=0, correction=0).mean()


def pose_diversity(pose_TC: Tensor) -> Tensor:
    """Return the mean standard deviation of a fitted head's three angles, in degrees.

    `motion_diversity` of (rx, ry, rz), the variant that needs no network.

    Args:
        pose_TC: Poses of one clip, radians first, shape (T, 6) or (T, 3).

    Returns:
        0-dimensional float64; NaN for less than two frames.
    """
    return motion_diversity(pose_TC[:, :3].double().rad2deg())


def high_frequency_share(
    curves_TC: Tensor, *, fps: float = FPS, cutoff_hz: float = JITTER_HZ
) -> Tensor:
    """Return the share of a motion's power above 8 Hz: temporal jitter, 0 to 1.

    sum_(f > cutoff) P(f) / sum_(f > 0) P(f), P the periodogram (Hann window) of the curves less
    their straight trend, added up over curves. White noise at 25 fps has about a third.

    Args:
        curves_TC: Landmarks, coefficients or other curves in like units, shape (T, C).
        fps: Frames per second.
        cutoff_hz: What counts as jitter.

    Returns:
        0-dimensional float64; NaN for less than 16 frames and for curves that do not move.
    """
    check_shape(curves_TC, "T C", name="curves_TC")
    undefined = torch.full((), torch.nan, dtype=torch.float64, device=curves_TC.device)
    num = len(curves_TC)
    if num < _MIN_SPECTRUM:
        return undefined
    time_T = torch.arange(num, dtype=torch.float64, device=curves_TC.device)
    time_T = time_T - time_T.mean()
    taper_T = torch.hann_window(num, periodic=False, dtype=torch.float64, device=curves_TC.device)
    power_F = torch.zeros(num // 2, dtype=torch.float64, device=curves_TC.device)
    moves, size = [], []
    # Few at a time: ten minutes of all landmarks in double precision are a hundred megabytes.
    for some_TC in curves_TC.split(_CURVES, dim=1):
        some_TC = some_TC.double()
        moving_TC = some_TC - some_TC.mean(0)
        # The jump from a drifting curve's end to its beginning would look like jitter.
        slope_C = time_T @ moving_TC / time_T.square().sum()
        moving_TC = moving_TC - time_T[:, None] * slope_C
        moves.append(moving_TC.abs().max())
        size.append(some_TC.abs().max())
        spectrum_FC = torch.fft.rfft(moving_TC * taper_T[:, None], dim=0)
        power_F = power_F + spectrum_FC.abs().square().sum(1)[1:]
    # What is left of a constant or a line is rounding, which is white.
    if bool(max(moves) <= 1e-9 * max(size)):
        return undefined
    hertz_F = torch.fft.rfftfreq(num, 1 / fps, device=curves_TC.device)[1:]
    return power_F[hertz_F > cutoff_hz].sum() / power_F.sum()


def third_difference(points_TKD: Tensor) -> Tensor:
    """Return the mean length of third differences over time: jerk, in units per frame cubed.

    1/(T-3) 1/K sum_t sum_k || x_(t+3) - 3 x_(t+2) + 3 x_(t+1) - x_t ||_2.

    Args:
        points_TKD: Points or vectors over time, shape (T, K, D); give single curves as D = 1.

    Returns:
        0-dimensional float64 in the points' unit; NaN for less than four frames.
    """
    check_shape(points_TKD, "T K D", name="points_TKD")
    lengths = [
        some.double().diff(n=3, dim=0).norm(dim=-1).sum()
        for some in points_TKD.split(_CURVES, dim=1)
    ]
    num = max(0, len(points_TKD) - 3) * points_TKD.shape[1]
    return torch.stack(lengths).sum() / num
