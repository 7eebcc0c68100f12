"""How fast a head turns, and how far: the three angles of a fitted pose. Letters: T frames."""

import torch
from torch import Tensor

from viseme_core.types import FPS

_RANGE = (0.05, 0.95)


def head_speed(pose_TC: Tensor, *, fps: float = FPS) -> Tensor:
    """Return the mean speed of each angle in degrees per second, float64 (3,).

    Args:
        pose_TC: Poses of one clip, angles in radians first, (T, 6) or (T, 3).
        fps: Frames per second.

    Returns:
        NaN for less than two frames.
    """
    return pose_TC[:, :3].double().rad2deg().diff(dim=0).abs().mean(0) * fps


def head_range(pose_TC: Tensor) -> Tensor:
    """Return how far each angle goes in degrees, float64 (3,): 5th to 95th percentile.

    Args:
        pose_TC: As for `head_speed`.
    """
    degrees_T3 = pose_TC[:, :3].double().rad2deg()
    low_3, high_3 = degrees_T3.quantile(torch.tensor(_RANGE).double(), dim=0)
    return high_3 - low_3
