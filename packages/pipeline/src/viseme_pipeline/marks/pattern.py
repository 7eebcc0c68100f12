"""The keyed pattern: what the watermark adds, and what the detector looks for.

The mark is a smooth picture that turns slowly. Two fields P and Q, waves of few cycles per picture
with weights drawn from a key, are mixed as

    mark(t) = cos(2 pi t / PERIOD) P + sin(2 pi t / PERIOD) Q

so that its strength is the same at any time, that what stands still in a film cancels when the
detector listens at this one frequency, and that a film cut anywhere differs by a phase only. The
waves are counted per picture, not per pixel: scaling changes nothing.

The weights are complex Gaussian numbers, hence a direction that is uniform on the sphere. That is
what makes the bound on false detections exact: see `detection.py`.
"""

import hashlib
from functools import lru_cache

import numpy as np

GRID = 64
"""Cells per side of the grid on which mark and detector work, whatever the picture's size."""
PERIOD = 12
"""Frames in which the pattern comes round. Slower, what moves drowns it; faster, H.264 does."""
BAND = (3, 20)
"""Half cycles per picture, from and to. Below lie light and faces, above what H.264 removes."""

KEY = b"viseme watermark 1"
"""Public, as the detector is: the mark tells honest people, it does not withstand an adversary."""

_orders = np.hypot(*np.meshgrid(np.arange(BAND[1] + 1), np.arange(BAND[1] + 1), indexing="ij"))
_IN_BAND = (_orders >= BAND[0]) & (_orders <= BAND[1])

NUM_WAVES = int(_IN_BAND.sum())
"""Waves in the band, N."""
ORDERS_N = _orders[_IN_BAND]
"""Half cycles per picture of each wave, shape (N,)."""


@lru_cache(maxsize=8)
def draw_key(key: bytes = KEY) -> np.ndarray:
    """Return the complex Gaussian weights of a key, shape (N,), mean square 1.

    They come from SHAKE-256, not from a library's generator, whose numbers may change.
    """
    raw = hashlib.shake_256(key).digest(16 * NUM_WAVES)
    words = np.frombuffer(raw, "<u8").reshape(2, NUM_WAVES) >> np.uint64(11)
    uniform_2N = (words.astype(np.float64) + 0.5) / 2.0**53
    # Box and Muller's way to a normal pair is the polar form of a complex Gaussian.
    weights_N = np.sqrt(-np.log(uniform_2N[0])) * np.exp(2j * np.pi * uniform_2N[1])
    weights_N.setflags(write=False)
    return weights_N


def waves(at: np.ndarray) -> np.ndarray:
    """Return cosines of every order at places of the picture (0 to 1), shape (len(at), K).

    All are equally strong, order 0, the constant, included.
    """
    cosines_GK = np.cos(np.pi * at[:, None] * np.arange(BAND[1] + 1))
    cosines_GK[:, 0] *= np.sqrt(0.5)
    return cosines_GK.astype(np.float32)


def centres(start: float = 0.0, length: float = 1.0) -> np.ndarray:
    """Return where the middles of the grid's cells lie if it covers a part of the picture."""
    return start + length * (np.arange(GRID) + 0.5) / GRID


@lru_cache(maxsize=2)
def draw_patterns(key: bytes = KEY) -> np.ndarray:
    """Return the mark at each frame of a period, float32 (PERIOD, GRID, GRID), mean square 1."""
    weights_KK = np.zeros(_IN_BAND.shape, complex)
    weights_KK[_IN_BAND] = draw_key(key)
    basis_GK = waves(centres()).astype(np.float64)
    field_GG = basis_GK @ weights_KK @ basis_GK.T
    field_GG *= np.sqrt(2 / np.mean(np.abs(field_GG) ** 2))
    turn_T = np.exp(-2j * np.pi * np.arange(PERIOD) / PERIOD)
    patterns_TGG = (field_GG * turn_T[:, None, None]).real.astype(np.float32)
    patterns_TGG.setflags(write=False)
    return patterns_TGG


def project(maps_WGG: np.ndarray, rows_GK: np.ndarray, columns_GK: np.ndarray) -> np.ndarray:
    """Return the band's waves in maps on the grid, shape (W, N).

    Args:
        maps_WGG: Complex or real, shape (W, GRID, GRID).
        rows_GK: `waves` at the height of each row of the map.
        columns_GK: `waves` at the place of each column.
    """
    return (rows_GK.T @ maps_WGG @ columns_GK)[:, _IN_BAND]
