"""What PIRender is trained on. Letters as in `viseme_core.shapes`."""

from typing import NamedTuple

from torch import Tensor


class PIRenderBatch(NamedTuple):
    """Frames of one person with what drives them, and a portrait from the same clip."""

    frames_BT3HW: Tensor
    """(B, T, 3, H, W) pictures to make, in [-1, 1]; in training from anywhere in the clip."""
    reference_B3HW: Tensor
    """(B, 3, H, W) the portrait."""
    motion_window_BTWC: Tensor
    """(B, T, 27, 73) coefficients around each frame."""
    landmarks_BTK2: Tensor
    """(B, T, 131, 2) landmarks of each frame, `talk131` in [0, 1]."""
    own_motion_BC: Tensor
    """(B, 73) the portrait's own coefficients."""
    own_landmarks_BK2: Tensor
    """(B, 131, 2) the portrait's own landmarks."""
    index_B: Tensor
    """(B,) int64."""
