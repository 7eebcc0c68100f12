"""Faces moved onto each other, and boxes around them.

Letters: B batch, T frames, R references, K landmarks, J other landmarks of the same face.
"""

from typing import NamedTuple

import torch
from torch import Tensor


def carry(source_XK2: Tensor, target_XK2: Tensor, moved_XJ2: Tensor) -> Tensor:
    """Return points moved as the rotation, scale and shift that best take one set to another.

    Least squares, in closed form: with the points as complex numbers around their means, source a
    and target b, the turn and stretch is sum(conj(a) b) / sum(|a|^2).

    Args:
        source_XK2: Points, shape (..., K, 2).
        target_XK2: Where they should come to lie, of a shape that broadcasts with it.
        moved_XJ2: Points that move along with the source, shape (..., J, 2).

    Returns:
        Shape (..., J, 2).
    """
    source_X12 = source_XK2.mean(-2, keepdim=True)
    target_X12 = target_XK2.mean(-2, keepdim=True)
    ax, ay = (source_XK2 - source_X12).unbind(-1)
    bx, by = (target_XK2 - target_X12).unbind(-1)
    # Points that all lie on one another have no size to be turned by.
    size = (ax.square() + ay.square()).sum(-1).clamp(min=1e-12)
    cos = ((ax * bx + ay * by).sum(-1) / size)[..., None]
    sin = ((ax * by - ay * bx).sum(-1) / size)[..., None]
    x, y = (moved_XJ2 - source_X12).unbind(-1)
    return torch.stack([cos * x - sin * y, sin * x + cos * y], -1) + target_X12


def carry_references(
    reference_BRK2: Tensor, reference_pose_BRK2: Tensor, pose_BTK2: Tensor
) -> Tensor:
    """Return the mean of the references' lips and jaws as they would lie in each frame.

    Args:
        reference_BRK2: Lips and jaws of the references, shape (B, R, J, 2).
        reference_pose_BRK2: Their upper faces, shape (B, R, K, 2).
        pose_BTK2: Upper face of each frame, shape (B, T, K, 2).

    Returns:
        Shape (B, T, J, 2).
    """
    carried_BTRJ2 = carry(
        reference_pose_BRK2[:, None], pose_BTK2[:, :, None], reference_BRK2[:, None]
    )
    return carried_BTRJ2.mean(2)


class Boxes(NamedTuple):
    """Upright boxes, in which coordinates run from 0 to 1 to the right and down."""

    low_X12: Tensor
    """Corner nearest to (0, 0), shape (..., 1, 2)."""
    size_X12: Tensor
    """Width and height."""

    def to_box(self, points_XK2: Tensor) -> Tensor:
        """Return points in coordinates of their box."""
        return (points_XK2 - self.low_X12) / self.size_X12

    def from_box(self, points_XK2: Tensor) -> Tensor:
        """Return points of which coordinates in their box are given."""
        return points_XK2 * self.size_X12 + self.low_X12


def boxes_around(points_XK2: Tensor, margin: float) -> Boxes:
    """Return the box around each set of points.

    Args:
        points_XK2: Points, shape (..., K, 2).
        margin: Room on each side, as a part of the width and height of the points.
    """
    low_X12 = points_XK2.amin(-2, keepdim=True)
    # A face has a size; points that lie on one another would divide by it.
    side_X12 = (points_XK2.amax(-2, keepdim=True) - low_X12).clamp(min=1e-6)
    return Boxes(low_X12 - margin * side_X12, (1 + 2 * margin) * side_X12)
