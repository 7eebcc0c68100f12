"""Cutting windows out of a clip's tensors: clamped at its ends, padded, coefficients around frames.

Letters: T frames, C coefficients, W frames of one coefficient window.
"""

import torch
from torch import Tensor

from viseme_core.types import CropBox
from viseme_data.segments import COEFFICIENT_REACH

COEFFICIENT_WINDOW = 2 * COEFFICIENT_REACH + 1
"""Frames of a coefficient window (PIRender): 13 to either side and the frame itself."""
NUM_COEFFICIENTS = 73
"""Numbers per frame of it: 64 of expression, 6 of pose, 3 of the crop."""

_NORMAL_SIDE_PX = 256.0


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


def crop_numbers(crop: CropBox) -> Tensor:
    """Return PIRender's three crop numbers, float32 (3,).

    Its own are scale and shift between a picture and the aligned face that was fitted. Here every
    frame is fitted in the crop that is drawn, so that none of them moves a pixel; they say how
    coarse the source was and where in it the face lay: 256 / side, and the centre in sides from
    the source's top left corner.
    """
    return torch.tensor([_NORMAL_SIDE_PX / crop.side, crop.cx / crop.side, crop.cy / crop.side])


def coefficients(expression_TC: Tensor, pose_T6: Tensor, crop: CropBox) -> Tensor:
    """Return what drives PIRender, (T, 73): expression, pose, and the crop's numbers repeated."""
    crop_T3 = crop_numbers(crop).to(pose_T6).expand(len(pose_T6), 3)
    return torch.cat([expression_TC, pose_T6, crop_T3], -1)


def coefficient_windows(coefficients_TC: Tensor, frames: Tensor) -> Tensor:
    """Return the 27 rows around each frame, (len(frames), 27, C), replicated beyond the ends.

    Args:
        coefficients_TC: Rows of successive frames, (T, C).
        frames: Rows to centre on, int64.
    """
    around = torch.arange(-COEFFICIENT_REACH, COEFFICIENT_REACH + 1)
    rows = (frames[:, None] + around).clamp(0, len(coefficients_TC) - 1)
    return coefficients_TC[rows]


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
