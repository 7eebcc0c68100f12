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
    side = crops_T3HW.shape[-1]
    inside = window_side(side, zoom)
    part = slice((side - inside) // 2, (side + inside) // 2)
    over = resized(drawn_T3HW, inside)
    found = crops_T3HW.clone()
    if is_soft:
        share_THW = lower_face_mask(points_TK2, inside).to(over)
        over = torch.lerp(crops_T3HW[..., part, part], over, share_THW[:, None])
    found[..., part, part] = over
    return found
