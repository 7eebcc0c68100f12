"""What autoencoders are trained on."""

from typing import NamedTuple

from torch import Tensor


class PictureBatch(NamedTuple):
    """Pictures of clips."""

    frames_BT3HW: Tensor
    """(B, T, 3, H, W) in [-1, 1], those of a row from one clip."""
    index_B: Tensor
    """(B,) int64."""
