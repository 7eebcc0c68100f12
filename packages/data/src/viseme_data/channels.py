"""Channels of decoded sound: what they are, and how they become one or two."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

# How loud each speaker is in mono; the usual weights, and nothing of the bass effects. Speech in
# films comes from the centre.
_WEIGHTS = {"FC": 1.0, "FL": math.sqrt(0.5), "FR": math.sqrt(0.5), "LFE": 0.0, "LFE2": 0.0}
_OTHER_WEIGHT = 0.5
# Names of speakers end in the side that they stand on: front left is FL.
_LEFT, _RIGHT = "L", "R"
_OTHER_SIDE = {_LEFT: _RIGHT, _RIGHT: _LEFT}
_BASS = ("LFE", "LFE2")


def channels_of(frame: Any) -> tuple[np.ndarray, list[str]]:
    """Return a decoded frame's channels (C, S) with 1 as full scale, and their speakers' names."""
    samples_CS = frame.to_ndarray()
    names = [channel.name for channel in frame.layout.channels]
    if not frame.format.is_planar:
        samples_CS = samples_CS.reshape(-1, len(names)).T
    kind = samples_CS.dtype
    if np.issubdtype(kind, np.integer):
        scale = 2.0 ** (8 * kind.itemsize - 1)
        offset = scale if np.issubdtype(kind, np.unsignedinteger) else 0.0
        samples_CS = (samples_CS.astype(np.float64) - offset) / scale
    return samples_CS, names


def mixed(samples_CS: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return channels in mono, float32 (S,).

    Args:
        samples_CS: The channels.
        names: Their speakers.
    """
    weights_C = np.array([_WEIGHTS.get(name, _OTHER_WEIGHT) for name in names])
    if not weights_C.any():
        weights_C[:] = 1
    # Weights sum to one: the mix cannot clip, and two equal channels sound like one of them.
    return (weights_C / weights_C.sum() @ samples_CS).astype(np.float32)


def sided(samples_CS: np.ndarray, names: Sequence[str], count: int) -> np.ndarray:
    """Return channels as one or as left and right, float32 (count, S).

    Two channels stay as they are, more are mixed to the sides that they are heard on.

    Args:
        samples_CS: The channels.
        names: Their speakers.
        count: 1 or 2.
    """
    if count == 1 or len(names) == 1:
        return np.repeat(mixed(samples_CS, names)[None], count, 0)
    if len(names) == 2:
        return samples_CS.astype(np.float32)
    weights_2C = np.array([[_loudness(n, side) for n in names] for side in (_LEFT, _RIGHT)])
    if not weights_2C.any(1).all():
        return np.repeat(mixed(samples_CS, names)[None], 2, 0)
    return (weights_2C / weights_2C.sum(1, keepdims=True) @ samples_CS).astype(np.float32)


def _loudness(name: str, side: str) -> float:
    """Return how loud a speaker is heard on a side."""
    if name in _BASS or name.endswith(_OTHER_SIDE[side]):
        return 0.0
    return 1.0 if name == f"F{side}" else math.sqrt(0.5)
