"""A drawn lower face back into its crop, through a Gaussian-smoothed mask of the face.

Letters: T frames, K landmarks, H W pixels.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_render.pirender.regions import face_mask
from viseme_render.talkformer.framing import resized, window_side

# The template's own jaw may reach lower than the one that is drawn over it.
_ROOM = 1.2
# Of the side of the part that is drawn.
_SOFT = 0.02


def lower_face_mask(points_TK2: Tensor, size: int) -> Tensor:
    """Return how far each pixel belongs to the lower half of a face, (T, size, size) in [0, 1].

    It is the hull of the landmarks with some room, its lower half, smoothed by a Gaussian.

    Args:
        points_TK2: Landmarks in [0, 1] of the picture.
        size: Side of the picture in pixels.
    """
    middle_T12 = (points_TK2.amin(1, keepdim=True) + points_TK2.amax(1, keepdim=True)) / 2
    mask_THW = face_mask(middle_T12 + _ROOM * (points_TK2 - middle_T12), size)
    mask_THW[:, : size // 2] = 0
    return smoothed(mask_THW, _SOFT * size)


def smoothed(pictures_THW: Tensor, sigma_px: float) -> Tensor:
    """Return pictures under a Gaussian of a deviation in pixels, cut at three of them."""
    radius = max(1, math.ceil(3 * sigma_px))
    at = torch.arange(-radius, radius + 1, dtype=pictures_THW.dtype, device=pictures_THW.device)
    kernel = (-(at**2) / (2 * sigma_px**2)).exp()
    kernel = kernel / kernel.sum()
    found = pictures_THW[:, None]
    # Beyond the border the border goes on, or a mask would fade where a picture ends.
    found = F.pad(found, (radius,) * 4, mode="replicate")
    found = F.conv2d(F.conv2d(found, kernel[None, None, None]), kernel[None, None, :, None])
    return found[:, 0]


def laid_over(crops_T3HW: Tensor, drawn_T3HW: Tensor, zoom: float) -> Tensor:
    """Return crops with what was drawn of their middle in its place, with a hard edge.

    Args:
        crops_T3HW: Crops of the template.
        drawn_T3HW: Their middle, drawn anew in any size.
        zoom: How much of a crop was drawn, as `framed`.
    """
    part = _middle(crops_T3HW.shape[-1], zoom)
    found = crops_T3HW.clone()
    found[..., part, part] = resized(drawn_T3HW, part.stop - part.start)
    return found


def crop_share(points_TK2: Tensor, side: int, zoom: float) -> Tensor:
    """Return how far each pixel of a crop belongs to the lower face, (T, side, side) in [0, 1].

    Args:
        points_TK2: Landmarks in [0, 1] of what was drawn.
        side: Side of the crop in pixels.
        zoom: How much of it was drawn.
    """
    part = _middle(side, zoom)
    share_THW = points_TK2.new_zeros(len(points_TK2), side, side)
    share_THW[:, part, part] = lower_face_mask(points_TK2, part.stop - part.start).to(points_TK2)
    return share_THW


def blended(
    crops_T3HW: Tensor, drawn_T3HW: Tensor, points_TK2: Tensor, zoom: float, *, is_soft: bool = True
) -> Tensor:
    """Return crops with what was drawn of their middle laid over the lower face, (T, 3, H, W).

    Args:
        crops_T3HW: Crops of the template.
        drawn_T3HW: Their middle, drawn anew in any size.
        points_TK2: Landmarks in [0, 1] of what was drawn.
        zoom: How much of a crop was drawn, as `framed`.
        is_soft: Off, all that was drawn is laid over, with a hard edge.
    """
    over_T3HW = laid_over(crops_T3HW, drawn_T3HW, zoom)
    if not is_soft:
        return over_T3HW
    share_THW = crop_share(points_TK2, crops_T3HW.shape[-1], zoom).to(over_T3HW)
    return torch.lerp(crops_T3HW, over_T3HW, share_THW[:, None])


def _middle(side: int, zoom: float) -> slice:
    """Return which rows, and columns, of a crop are drawn."""
    inside = window_side(side, zoom)
    return slice((side - inside) // 2, (side + inside) // 2)
