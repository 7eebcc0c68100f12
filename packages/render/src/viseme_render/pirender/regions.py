"""Where in a picture the face and the mouth are, by landmarks. Letters: X leading dimensions."""

import math

import torch
from torch import Tensor

from viseme_face.layouts import CHIN, LIP_SLICE, TALK131

_DIRECTIONS = 48
# Lips and the skin that moves with them, in widths of the mouth.
_MOUTH_RADIUS = 0.75
_CORNERS = (TALK131.index(61), TALK131.index(291))
_LIPS = [i for i in range(LIP_SLICE.start, LIP_SLICE.stop) if TALK131[i] != CHIN]


def face_mask(points_XK2: Tensor, size: int) -> Tensor:
    """Return 1 inside the convex hull of landmarks and 0 outside, (..., size, size).

    The hull is that of 48 tangents, less than a pixel larger than the points' own.

    Args:
        points_XK2: Landmarks in [0, 1], shape (..., K, 2).
        size: Side of the picture in pixels.
    """
    angles = torch.arange(_DIRECTIONS, dtype=points_XK2.dtype) * (2 * math.pi / _DIRECTIONS)
    normals_N2 = torch.stack([angles.cos(), angles.sin()], -1).to(points_XK2)
    reach_XN = (points_XK2 @ normals_N2.T).amax(-2)
    pixels_HW2 = _pixels(size, points_XK2)
    along_HWN = pixels_HW2 @ normals_N2.T
    return (along_HWN <= reach_XN[..., None, None, :]).all(-1).to(points_XK2)


def mouth_weight(points_XK2: Tensor, size: int) -> Tensor:
    """Return 1 at the middle of the mouth, falling smoothly to 0 around it, (..., size, size).

    Args:
        points_XK2: Landmarks `talk131` in [0, 1], shape (..., 131, 2).
        size: Side of the picture in pixels.
    """
    middle_X2 = points_XK2[..., _LIPS, :].mean(-2)
    right_X2, left_X2 = (points_XK2[..., i, :] for i in _CORNERS)
    radius_X = _MOUTH_RADIUS * (right_X2 - left_X2).norm(dim=-1).clamp(min=1 / size)
    away_XHW2 = _pixels(size, points_XK2) - middle_X2[..., None, None, :]
    return (-(away_XHW2.square().sum(-1)) / radius_X[..., None, None].square()).exp()


def _pixels(size: int, like: Tensor) -> Tensor:
    """Return the centres of pixels, (size, size, 2) in [0, 1]."""
    at = (torch.arange(size, device=like.device, dtype=like.dtype) + 0.5) / size
    return torch.stack([at.expand(size, -1), at[:, None].expand(-1, size)], -1)
