"""Batches of the sync network."""

from typing import NamedTuple

from torch import Tensor


class SyncBatch(NamedTuple):
    """Windows of a face with the sound they go with."""

    points_BTK3: Tensor
    """(B, T, 131, 3) landmarks `talk131`."""
    audio_BTA: Tensor
    """(B, T, A) audio features at 25 Hz."""
    mask_BT: Tensor
    """(B, T) True where a frame is real, False where it is padding."""
    index_B: Tensor
    """(B,) int64."""
