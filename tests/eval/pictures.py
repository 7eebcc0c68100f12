"""A real face with its 8-bit levels, and the same damaged."""

from collections.abc import Sequence

import numpy as np
import torch
from skimage.data import astronaut
from skimage.filters import gaussian
from torch import Tensor


def face(size: int = 128) -> Tensor:
    """Return the astronaut's face, 8-bit levels in [-1, 1], (1, 3, size, size)."""
    return as_frames(astronaut()[20 : 20 + size, 150 : 150 + size])


def noisy(frames: Tensor, amounts: Sequence[int]) -> Tensor:
    """Return one frame with noise of so many levels, a frame for each amount."""
    noise = torch.stack([torch.randn(frames.shape[1:]) * x for x in amounts])
    return ((frames + 1) * 127.5 + noise).round().clamp(0, 255) / 127.5 - 1


def blurred(picture: np.ndarray, deviation_px: float) -> np.ndarray:
    """Return a blurred 8-bit picture (H, W, 3)."""
    soft = gaussian(picture, deviation_px, channel_axis=2, preserve_range=True)
    return np.rint(soft).astype(np.uint8)


def as_frames(*pictures: np.ndarray) -> Tensor:
    """Return 8-bit pictures (H, W, 3) as frames (T, 3, H, W) in [-1, 1]."""
    levels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    return levels / 127.5 - 1


def as_picture(frame: Tensor) -> np.ndarray:
    """Return a frame (3, H, W) as an 8-bit picture (H, W, 3)."""
    return ((frame + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
