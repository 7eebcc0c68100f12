"""From crops to the pictures that the network sees: their middle, in its size, and back.

Letters: X leading dimensions, K landmarks, H W pixels.
"""

import torch.nn.functional as F
from torch import Tensor


def window_side(side: int, zoom: float) -> int:
    """Return how many pixels of a crop's side are drawn; as many are left out at either end."""
    margin = int((side - side / zoom) / 2)
    return side - 2 * margin


def framed(pictures_X3HW: Tensor, size: int, zoom: float) -> Tensor:
    """Return the middle of square crops in another size, (..., 3, size, size).

    Args:
        pictures_X3HW: Crops in [-1, 1].
        size: Side in pixels.
        zoom: Only the middle 1 / zoom is seen.

    Raises:
        ValueError: If they are not square.
    """
    height, width = pictures_X3HW.shape[-2:]
    if height != width:
        raise ValueError(f"crops must be square, got {height} x {width}; crop them by a CropBox")
    inside = window_side(height, zoom)
    margin = (height - inside) // 2
    middle = pictures_X3HW[..., margin : margin + inside, margin : margin + inside]
    return resized(middle, size)


def resized(pictures_X3HW: Tensor, size: int) -> Tensor:
    """Return square pictures of another size, (..., 3, size, size); smaller ones are smoothed."""
    if pictures_X3HW.shape[-1] == size:
        return pictures_X3HW
    leading = pictures_X3HW.shape[:-3]
    flat = pictures_X3HW.reshape(-1, *pictures_X3HW.shape[-3:])
    made = F.interpolate(flat, (size, size), mode="bilinear", align_corners=False, antialias=True)
    return made.reshape(*leading, *made.shape[1:])


def framed_points(points_XK2: Tensor, side: int, zoom: float) -> Tensor:
    """Return landmarks in [0, 1] of crops as landmarks in [0, 1] of what `framed` shows of them.

    Args:
        points_XK2: Landmarks of crops.
        side: Side of the crops in pixels.
        zoom: As `framed`.
    """
    return (points_XK2 - 0.5) * (side / window_side(side, zoom)) + 0.5
