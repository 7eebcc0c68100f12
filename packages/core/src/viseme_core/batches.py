"""Batches: NamedTuples of tensors, so that collation, pinning and device moves need no code.

`index_B` is the sample's index in its data set, the same whichever rank loads it: with the seed
and the step it decides every random draw of training (`viseme_core.draws`).
"""

from typing import NamedTuple

from torch import Tensor


class MotionBatch(NamedTuple):
    """Windows of motion with the sound they go with."""

    expression_BTC: Tensor
    """(B, T, 64)."""
    pose_BT6: Tensor
    """(B, T, 6)."""
    identity_BI: Tensor
    """(B, 80)."""
    audio_BTA: Tensor
    """(B, T, A) audio features at 25 Hz."""
    mask_BT: Tensor
    """(B, T) True where a frame is real, False where it is padding."""
    index_B: Tensor
    """(B,) int64."""


class LandmarkBatch(NamedTuple):
    """Windows for landmark completion."""

    mel_BTMW: Tensor
    """(B, T, 80, 16) mel windows, hop 200."""
    pose_BTK2: Tensor
    """(B, T, 74, 2) upper-face landmarks."""
    reference_BNK2: Tensor
    """(B, N, 131, 2) whole-face landmarks of N reference frames."""
    target_BTK2: Tensor
    """(B, T, 57, 2) lip and jaw landmarks to predict."""
    mask_BT: Tensor
    """(B, T) True where a frame is real."""
    index_B: Tensor
    """(B,) int64."""


class RenderBatch(NamedTuple):
    """Successive frames with what drives them."""

    frames_BT3HW: Tensor
    """(B, T, 3, H, W)."""
    reference_B3HW: Tensor
    """(B, 3, H, W) a frame from elsewhere in the clip."""
    motion_window_BTWC: Tensor
    """(B, T, 27, 73) coefficients around each frame."""
    landmarks_BTK2: Tensor
    """(B, T, 131, 2)."""
    previous_B23HW: Tensor
    """(B, 2, 3, H, W) the two frames before the first."""
    index_B: Tensor
    """(B,) int64."""


class JointBatch(NamedTuple):
    """The same window for landmark completion and for the renderer."""

    landmark: LandmarkBatch
    render: RenderBatch


class PairBatch(NamedTuple):
    """Windows that tell speakers apart: two of one speaker, one of another."""

    anchor: MotionBatch
    positive: MotionBatch
    """The anchor's speaker, from another clip where there is one."""
    negative: MotionBatch
    """Another speaker."""
