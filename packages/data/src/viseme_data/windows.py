"""Cutting windows out of a clip's tensors: clamped at its ends, with masks for what is padding."""

import torch
from torch import Tensor


def frame_numbers(start: int, frames: int, num_frames: int) -> tuple[Tensor, Tensor]:
    """Return which frame of the clip stands at each place of a window, and where it is real.

    Args:
        start: First frame; may lie before the clip.
        frames: Length of the window.
        num_frames: Length of the clip.

    Returns:
        Frame numbers, int64 (frames,), the clip's first and last repeated beyond its ends; and a
        mask, bool (frames,), False there.
    """
    wanted = torch.arange(start, start + frames)
    numbers = wanted.clamp(0, num_frames - 1)
    return numbers, wanted == numbers


def elsewhere(inside: range, start: int, frames: int) -> Tensor:
    """Return the frames of a range outside a window, int64; the whole range if none is.

    Args:
        inside: Frames to choose from.
        start: First frame of the window.
        frames: Its length.
    """
    window = range(start, start + frames)
    outside = [frame for frame in inside if frame not in window]
    return torch.tensor(outside or list(inside))


def to_float_frames(pictures_T3HW: Tensor) -> Tensor:
    """Return uint8 pictures as float32 in [-1, 1]."""
    return pictures_T3HW.float().div_(127.5).sub_(1.0)
