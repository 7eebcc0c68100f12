"""What drives a coefficient renderer: 73 numbers a frame, in windows of 27 frames (PIRender).

Letters: T frames, C coefficients.
"""

import torch
from torch import Tensor

from viseme_core.types import CropBox

COEFFICIENT_REACH = 13
"""Frames to either side of its own that a coefficient window holds."""
COEFFICIENT_WINDOW = 2 * COEFFICIENT_REACH + 1
"""Frames of a coefficient window (PIRender): its own and 13 to either side."""
NUM_COEFFICIENTS = 73
"""Numbers per frame of it: 64 of expression, 6 of pose, 3 of the crop."""

_NORMAL_SIDE_PX = 256.0


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
