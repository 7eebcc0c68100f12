"""Two curves over time compared: correlation, the lag between them, how far each spreads.

Used on lip opening, eye aspect ratio and pose. Positive lags: the generated curve comes later. A
frame that is NaN in either curve is left out.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from viseme_core.shapes import check_shape

MAX_LAG = 15
"""Frames either way in which a lag is sought, 0.6 s."""
# Two points always lie on a line.
_MIN_FRAMES = 3
# A curve spreads if its deviation is more than this part of its size: a constant of float32 turned
# to doubles, or one that was scaled, keeps rounding errors that correlate with anything.
_CONSTANT = 1e-9


class Lag(NamedTuple):
    """Where two curves fit best; 0-dimensional float64 tensors."""

    frames: Tensor
    """By how many frames the generated curve comes later."""
    correlation: Tensor
    """Correlation there."""


def curve_correlation(generated_T: Tensor, reference_T: Tensor) -> Tensor:
    """Return Pearson's correlation of two curves, -1 to 1.

    Args:
        generated_T: Curve of the generated clip, shape (T,).
        reference_T: Curve of the real clip at the same frames.

    Returns:
        0-dimensional float64; NaN where a curve is constant or fewer than three frames are known.
    """
    _check_pair(generated_T, reference_T)
    return _correlation(generated_T, reference_T)


def lag_correlation(generated_T: Tensor, reference_T: Tensor, *, max_lag: int = MAX_LAG) -> Tensor:
    """Return the correlation at each lag, float64 of shape (2 n + 1,).

    Entry n + k compares the generated curve at frame t with the reference at frame t - k. Lags that
    leave less than half of the clip are NaN: on few frames some lag always fits.

    Args:
        generated_T: Curve of the generated clip, shape (T,).
        reference_T: Curve of the real clip at the same frames.
        max_lag: Frames n either way.
    """
    _check_pair(generated_T, reference_T)
    if max_lag < 0:
        raise ValueError(f"max_lag must be at least 0 frames, got {max_lag}")
    values = []
    for lag in range(-max_lag, max_lag + 1):
        size = len(generated_T) - abs(lag)
        if 2 * size < len(generated_T):
            values.append(torch.full((), torch.nan, dtype=torch.float64))
            continue
        later, earlier = max(lag, 0), max(-lag, 0)
        values.append(
            _correlation(generated_T[later : later + size], reference_T[earlier : earlier + size])
        )
    return torch.stack([value.to(generated_T.device) for value in values])


def best_lag(generated_T: Tensor, reference_T: Tensor, *, max_lag: int = MAX_LAG) -> Lag:
    """Return the lag of the largest correlation, and that correlation.

    Args:
        generated_T: Curve of the generated clip, shape (T,).
        reference_T: Curve of the real clip at the same frames.
        max_lag: Frames n either way.

    Returns:
        Both NaN where no lag has a correlation.
    """
    values_L = lag_correlation(generated_T, reference_T, max_lag=max_lag)
    known_L = ~values_L.isnan()
    correlation, where = values_L.masked_fill(~known_L, -torch.inf).max(0)
    is_known = known_L.any()
    return Lag(
        frames=torch.where(is_known, (where - max_lag).double(), torch.nan),
        correlation=torch.where(is_known, correlation, torch.nan),
    )


def spread_ratio(generated_T: Tensor, reference_T: Tensor) -> Tensor:
    """Return the deviation of the generated curve over that of the real one.

    1 where both move as much, less where the generated one is timid, 0 where it does not move.

    Args:
        generated_T: Curve of the generated clip, shape (T,).
        reference_T: Curve of the real clip at the same frames.

    Returns:
        0-dimensional float64; NaN where the real curve is constant or fewer than three frames are
        known.
    """
    _check_pair(generated_T, reference_T)
    g, r = _known(generated_T, reference_T)
    if len(g) < _MIN_FRAMES or _is_constant(r):
        return torch.full((), torch.nan, dtype=torch.float64, device=generated_T.device)
    return g.std(correction=0) / r.std(correction=0)


def _correlation(a_T: Tensor, b_T: Tensor) -> Tensor:
    a, b = _known(a_T, b_T)
    if len(a) < _MIN_FRAMES or _is_constant(a) or _is_constant(b):
        return torch.full((), torch.nan, dtype=torch.float64, device=a_T.device)
    a, b = a - a.mean(), b - b.mean()
    return ((a * b).sum() / (a.norm() * b.norm())).clamp(-1, 1)


def _known(a_T: Tensor, b_T: Tensor) -> tuple[Tensor, Tensor]:
    both = ~(a_T.isnan() | b_T.isnan())
    return a_T[both].double(), b_T[both].double()


def _is_constant(values_T: Tensor) -> bool:
    return bool(values_T.std(correction=0) <= _CONSTANT * values_T.abs().max())


def _check_pair(generated_T: Tensor, reference_T: Tensor) -> None:
    check_shape(generated_T, "T", name="generated_T")
    check_shape(reference_T, "T", name="reference_T")
    if len(generated_T) != len(reference_T):
        raise ValueError(
            f"generated_T and reference_T must have the same frames, got {len(generated_T)} and "
            f"{len(reference_T)}; cut both to the shorter one"
        )
