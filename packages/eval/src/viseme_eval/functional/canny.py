"""Canny edges with the default settings of scikit-image, bit for bit, for batches.

Thresholds are absolute (0.1 and 0.2), whatever the unit of the pictures: in 8-bit levels nearly
every ridge of the gradient is an edge. That is how the `cpbd` package calls it. Ridges in drawn
pictures are full of ties, so every sum below is taken in scipy's order, in float64, and with
separate multiplications and additions (torch fuses `add` with `alpha`, which rounds once less).
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_LOW, _HIGH = 0.1, 0.2
# Four standard deviations of 1 px.
_RADIUS = 4


@torch.no_grad()
def canny_edges(pictures_THW: Tensor) -> Tensor:
    """Return edges as `skimage.feature.canny(picture)` finds them, bool (T, H, W).

    Canny 1986: Gaussian of 1 px with what lies outside left out, Sobel gradient, suppression of all
    that is no ridge of its magnitude, and of ridges below 0.2 not connected to others above.

    Args:
        pictures_THW: Float64 pictures of any range, at least 2 px high and wide.
    """
    smooth = _gaussian(pictures_THW) / _coverage(pictures_THW[0])
    down, right = _sobel(smooth, 1), _sobel(smooth, 2)
    magnitude = (down * down).add_(right * right).sqrt_()
    # scikit-image holds this threshold, and only this one, in single precision.
    ridges = _is_ridge(down, right, magnitude) & (magnitude >= float(np.float32(_LOW)))
    return _track(ridges, ridges & (magnitude >= _HIGH))


def _coverage(picture_HW: Tensor) -> Tensor:
    """Return which share of the Gaussian lies inside the picture."""
    return _gaussian(torch.ones_like(picture_HW)[None])[0] + torch.finfo(torch.float64).eps


def _gaussian(pictures_THW: Tensor) -> Tensor:
    """Return pictures smoothed along rows, then columns, zero outside."""
    offsets = np.arange(-_RADIUS, _RADIUS + 1)
    weights = np.exp(-0.5 * offsets**2)
    weights = (weights / weights.sum()).tolist()
    for axis in (1, 2):
        padding = (_RADIUS, _RADIUS) if axis == 2 else (0, 0, _RADIUS, _RADIUS)
        padded, size = F.pad(pictures_THW, padding), pictures_THW.shape[axis]
        pictures_THW = padded.narrow(axis, _RADIUS, size) * weights[_RADIUS]
        for k in range(_RADIUS):
            pair = padded.narrow(axis, k, size) + padded.narrow(axis, 2 * _RADIUS - k, size)
            pictures_THW.add_(pair.mul_(weights[k]))
    return pictures_THW


def _sobel(pictures_THW: Tensor, axis: int) -> Tensor:
    """Return the Sobel derivative along an axis, pictures replicated by one pixel."""
    padded = F.pad(pictures_THW[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    size, other = padded.shape[axis] - 2, 3 - axis
    change = padded.narrow(axis, 2, size) - padded.narrow(axis, 0, size)
    size = padded.shape[other] - 2
    sides = change.narrow(other, 0, size) + change.narrow(other, 2, size)
    return (change.narrow(other, 1, size) * 2).add_(sides)


def _is_ridge(down: Tensor, right: Tensor, magnitude: Tensor) -> Tensor:
    """Return where the magnitude is at least that on both sides along the gradient.

    What lies there is interpolated between the next pixel along the larger component and the
    diagonal one. The outermost pixels are no ridges.
    """
    inner = (..., slice(1, -1), slice(1, -1))
    here = magnitude[inner]
    size_down, size_right = down[inner].abs(), right[inner].abs()
    is_vertical = size_down > size_right
    larger = torch.maximum(size_down, size_right)
    share = torch.minimum(size_down, size_right) / larger
    rest = 1.0 - share
    # Zero counts as negative, as in scikit-image.
    is_main = (down[inner] > 0) == (right[inner] > 0)

    def beside(step_down: int, step_right: int) -> Tensor:
        height, width = magnitude.shape[-2:]
        return magnitude[
            ..., 1 + step_down : height - 1 + step_down, 1 + step_right : width - 1 + step_right
        ]

    ridge = torch.ones_like(is_main)
    for sign in (1, -1):
        diagonal = torch.where(is_main, beside(sign, sign), beside(-sign, sign))
        vertical = torch.where(is_main, beside(sign, 0), beside(-sign, 0))
        straight = torch.where(is_vertical, vertical, beside(0, sign))
        ridge &= (diagonal.mul_(share)).add_(straight.mul_(rest)) <= here
    return F.pad(ridge, (1, 1, 1, 1))


def _track(weak: Tensor, strong: Tensor) -> Tensor:
    """Return the weak edges that strong ones reach in steps to any of eight neighbours."""
    found = strong
    # Only pictures with weak pixels left can still change.
    active = (weak & ~found).flatten(1).any(1).nonzero()[:, 0]
    found = found.clone()
    while len(active):
        before = found[active]
        wide = F.max_pool2d(before[:, None].float(), 3, stride=1, padding=1)[:, 0] > 0
        after = wide & weak[active]
        found[active] = after
        active = active[(after != before).flatten(1).any(1)]
    return found
