"""Pixels side by side become channels, and channels pixels: exactly, and without weights."""

from einops import rearrange
from torch import Tensor, nn


def pack(frames_B3HW: Tensor, side: int) -> Tensor:
    """Return squares of pixels as one place each, (B, 3 side^2, H / side, W / side).

    Of each square row by row, the colours of a pixel together.
    """
    return rearrange(frames_B3HW, "B c (h p) (w q) -> B (p q c) h w", p=side, q=side)


def unpack(packed_BCHW: Tensor, side: int) -> Tensor:
    """Return the pixels that `pack` put together, (B, 3, H side, W side)."""
    return rearrange(packed_BCHW, "B (p q c) h w -> B c (h p) (w q)", p=side, q=side)


class PixelPacking(nn.Module):
    """The autoencoder that has nothing to learn: its latents are the pixels.

    Args:
        side: Pixels to a side of a place.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def encode(self, frames_B3HW: Tensor) -> Tensor:
        """Return (B, 3 side^2, H / side, W / side)."""
        return pack(frames_B3HW, self.side)

    def decode(self, latents_BZhw: Tensor) -> Tensor:
        """Return (B, 3, H, W)."""
        return unpack(latents_BZhw, self.side)
