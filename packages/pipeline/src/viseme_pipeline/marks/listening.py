"""From a film to what is heard in it at the watermark's one frequency.

Every two seconds of frames become one complex picture on the grid: how strongly, and with which
phase, each cell swings with the mark's period. Nothing here knows the key.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from viseme_pipeline.marks.pattern import GRID, ORDERS_N, PERIOD

WINDOW = 50
"""Frames of a window, two seconds."""
MIN_WINDOW = 25
"""The last window may be shorter, down to this; what is left of a film after that is not used."""

# Brightness that drifts is no mark: a parabola is taken out of every cell.
_DRIFT_ORDER = 2
# Noise is what swings at frequencies beside the mark's: this many cycles per window away.
_BESIDE_CYCLES = 1.5
_NEIGHBOURHOOD = (3, 3)
# Floors of the noise: a share of the picture's mean, and rounding to whole grey levels.
_FLOOR_SHARE = 0.02
_FLOOR_LEVELS = 0.02
# Waves of about the same length whose strength is made equal.
_EQUAL_ORDERS = 41
_BY_ORDER = np.argsort(ORDERS_N, kind="stable")
# Where nothing swings at all, nothing is divided by nothing.
_TINY = 1e-30


@dataclass(frozen=True, eq=False)
class Window:
    """What swings with the mark's period in some successive frames."""

    start: int
    """Number of the first frame."""
    num_frames: int
    swing_GG: np.ndarray
    """Complex, shape (GRID, GRID), in multiples of the noise around each cell."""


def listen(frames: Iterable[np.ndarray]) -> Iterator[Window]:
    """Yield one window after the other of a film.

    Args:
        frames: uint8 RGB of shape (H, W, 3), 25 per second. One window is held at a time.
    """
    start, heard = 0, []
    for frame_HW3 in frames:
        heard.append(shrink(frame_HW3))
        if len(heard) == WINDOW:
            yield hear(np.stack(heard), start)
            start, heard = start + WINDOW, []
    if len(heard) >= MIN_WINDOW:
        yield hear(np.stack(heard), start)


def equalise(waves_WN: np.ndarray) -> np.ndarray:
    """Return waves divided by how strong those of like length are: none shall drown the others."""
    half = _EQUAL_ORDERS // 2
    power_WN = np.abs(waves_WN[:, _BY_ORDER]).astype(np.float64) ** 2
    sums_WN = np.cumsum(np.pad(power_WN, ((0, 0), (half + 1, half)), mode="reflect"), axis=1)
    mean_WN = (sums_WN[:, _EQUAL_ORDERS:] - sums_WN[:, :-_EQUAL_ORDERS]) / _EQUAL_ORDERS
    equal_WN = np.empty_like(waves_WN)
    equal_WN[:, _BY_ORDER] = waves_WN[:, _BY_ORDER] / np.sqrt(np.maximum(mean_WN, _TINY))
    return equal_WN


def shrink(frame_HW3: np.ndarray) -> np.ndarray:
    """Return luma on the grid, float32 (GRID, GRID), not rounded."""
    luma_HW = cv2.cvtColor(np.ascontiguousarray(frame_HW3), cv2.COLOR_RGB2GRAY)
    return cv2.resize(luma_HW.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)


def hear(luma_TGG: np.ndarray, start: int) -> Window:
    """Return what swings with the mark's period in a window.

    Args:
        luma_TGG: Frames as of `shrink`, shape (T, GRID, GRID).
        start: Number of the first of them in the film.
    """
    num_frames = len(luma_TGG)
    flat_TX = luma_TGG.reshape(num_frames, -1)
    swing_X, *beside_X = (
        _tuning(num_frames, cycles) @ flat_TX for cycles in (0, -_BESIDE_CYCLES, _BESIDE_CYCLES)
    )
    # The film's own clock, so that windows of one film add up.
    swing_GG = (swing_X * np.exp(2j * np.pi * start / PERIOD)).reshape(GRID, GRID)
    noise_X = np.sum([np.abs(beside) ** 2 for beside in beside_X], axis=0)
    noise_GG = cv2.blur(noise_X.reshape(GRID, GRID).astype(np.float32), _NEIGHBOURHOOD)
    floor = _FLOOR_SHARE * noise_GG.mean() + _FLOOR_LEVELS * num_frames
    return Window(start, num_frames, (swing_GG / np.sqrt(noise_GG + floor)).astype(np.complex64))


@lru_cache(maxsize=64)
def _tuning(num_frames: int, cycles: float) -> np.ndarray:
    """Return weights of frames that listen `cycles` per window beside the mark's frequency."""
    time_T = np.arange(num_frames)
    tone_T = np.exp(2j * np.pi * (1 / PERIOD + cycles / num_frames) * time_T)
    middle_T = (time_T - time_T.mean()) / num_frames
    drift_TD, _ = np.linalg.qr(np.stack([middle_T**n for n in range(_DRIFT_ORDER + 1)], axis=1))
    return (tone_T - drift_TD @ (drift_TD.T @ tone_T)).astype(np.complex64)
