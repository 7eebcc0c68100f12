"""Smoothing over time that shifts nothing and leaves blinks and lip closures as deep as they are.

Each signal is fitted by a quartic over the eleven frames around each frame (Savitzky-Golay), which
keeps what is slower than 3 Hz. What the quartic misses is noise where it is as small as the
signal's noise, and movement where it is larger: movement is put back. The noise is measured on
fourth differences, in which it weighs more than eight times and movement hardly at all.
"""

import torch
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_face.layouts import LEFT_EYE, LEFT_IRIS, LIP_RINGS, RIGHT_EYE, RIGHT_IRIS

WINDOW = 11
_DEGREE = 4
# What the quartic misses is put back by half where it is this many times the noise.
_KEEP_FROM = 6.0
# Binomial weights of a fourth difference: white noise of deviation 1 comes out as sqrt(70).
_FOURTH_GAIN = 70**0.5
# Median of |x| of a normal variable.
_MEDIAN_NORMAL = 0.6745
# Lips, lids and irises: what moves as fast as noise does, and what the data is for. Assuming less
# noise there keeps fast speech: on real clips lip opening then correlates 0.998 with what it was
# (median), and 0.988 without.
_LIVELY = (*sum(LIP_RINGS, ()), *RIGHT_EYE, *LEFT_EYE, *RIGHT_IRIS, *LEFT_IRIS)
_LIVELY_NOISE = 0.3
# A frame in which half the points jump away and back by this many times the noise is a slip.
_SLIP = 8.0


def smooth(values_TX: Tensor, *, noise: Tensor | None = None, strength: float = 1.0) -> Tensor:
    """Return signals without their noise, in their own time.

    Args:
        values_TX: Signals, shape (T, ...), finite.
        noise: Standard deviation of their noise, any shape that broadcasts against one frame.
            By default each signal's own, by `noise_of`.
        strength: Scale of the noise that is assumed; 0 changes nothing.

    Raises:
        ValueError: If a value is not finite or the strength is negative.
    """
    if not values_TX.isfinite().all():
        raise ValueError("values_TX holds NaN or infinity; interpolate the missing frames first")
    if strength < 0:
        raise ValueError(f"strength must be at least 0, got {strength}")
    window = min(WINDOW, len(values_TX) - (len(values_TX) + 1) % 2)
    if window <= _DEGREE or strength == 0:
        return values_TX.clone()
    values = values_TX.double()
    level = (noise_of(values) if noise is None else noise.double()) * (strength * _KEEP_FROM)
    fitted = _fit_quartics(values, window)
    missed = values - fitted
    power = missed.square()
    # 0 / 0 where there is neither noise nor anything missed.
    keep = power / (power + level.square()).clamp_min(torch.finfo(values.dtype).tiny)
    return (fitted + keep * missed).to(values_TX)


def smooth_landmarks(points_TKD: Tensor, *, strength: float = 1.0) -> Tensor:
    """Return a face's landmarks without jitter and without frames that jump away and back.

    The jitter is taken from all points at once, by their median: most of a face's points are stiff,
    so that fast lips are not taken for noise. Of lips, lids and irises less is taken away.

    Args:
        points_TKD: Landmarks `mp478`, (T, 478, 2 or 3), in any unit.
        strength: Scale of the jitter that is assumed; 0 changes nothing.
    """
    if strength == 0:
        return points_TKD.clone()
    check_shape(points_TKD, "T 478 D", name="points_TKD")
    noise_D = jitter_of(points_TKD)
    noise_KD = noise_D.repeat(points_TKD.shape[1], 1)
    noise_KD[list(_LIVELY)] *= _LIVELY_NOISE
    return smooth(_without_slips(points_TKD, noise_D), noise=noise_KD, strength=strength)


def noise_of(values_TX: Tensor) -> Tensor:
    """Return the standard deviation of the white noise in signals (T, ...), shape (...).

    0 for fewer than five frames, which show none.
    """
    if len(values_TX) < 5:
        return torch.zeros_like(values_TX[0])
    fourth = values_TX.diff(n=4, dim=0)
    return fourth.abs().median(0).values / (_MEDIAN_NORMAL * _FOURTH_GAIN)


def jitter_of(points_TKD: Tensor) -> Tensor:
    """Return the jitter of a face's landmarks, (D,): the median of all points' noise."""
    return noise_of(points_TKD).median(0).values


def _fit_quartics(values_TX: Tensor, window: int) -> Tensor:
    """Return the value at each frame of the quartic through the frames around it."""
    half = window // 2
    offsets = torch.arange(-half, half + 1, dtype=values_TX.dtype, device=values_TX.device)
    powers_WP = torch.stack([offsets**power for power in range(_DEGREE + 1)], 1)
    # Row i of the hat matrix gives the quartic's value at place i of its window.
    hat_WW = powers_WP @ torch.linalg.pinv(powers_WP)
    flat_TX = values_TX.flatten(1)
    # Sums over shifted views, in place: a window's worth of copies would be eleven times the clip.
    fitted_TX = torch.empty_like(flat_TX)
    middle_TX = fitted_TX[half : len(flat_TX) - half]
    weights = hat_WW[half].tolist()
    torch.mul(flat_TX[: len(middle_TX)], weights[0], out=middle_TX)
    for i in range(1, window):
        middle_TX.add_(flat_TX[i : i + len(middle_TX)], alpha=weights[i])
    fitted_TX[:half] = hat_WW[:half] @ flat_TX[:window]
    fitted_TX[len(flat_TX) - half :] = hat_WW[half + 1 :] @ flat_TX[-window:]
    return fitted_TX.reshape(values_TX.shape)


def _without_slips(points_TKD: Tensor, noise_D: Tensor) -> Tensor:
    """Return landmarks with single frames replaced in which the whole face jumps away and back."""
    if len(points_TKD) < 3:
        return points_TKD
    between = (points_TKD[:-2] + points_TKD[2:]) / 2
    away_T = (points_TKD[1:-1] - between).norm(dim=-1).median(-1).values
    # Neighbours that disagree as much are a fast move, not a slip.
    apart_T = (points_TKD[2:] - points_TKD[:-2]).norm(dim=-1).median(-1).values
    is_slip_T = (away_T > _SLIP * noise_D.norm()) & (away_T > 2 * apart_T)
    fixed = points_TKD.clone()
    fixed[1:-1][is_slip_T] = between[is_slip_T]
    return fixed
