"""Warping a picture by flow. Letters: B batch, H W pixels, h w places of the flow, K points."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Grid = Literal["centres", "corners"]


def sampling_grid(flow_B2hw: Tensor, size: int, grid: Grid = "centres") -> Tensor:
    """Return where each pixel looks, x and y, (B, 2, size, size), -1 and 1 being the borders.

    Args:
        flow_B2hw: How far to the right and down each place looks, in places of the flow; square.
        size: Side of the picture; a coarser flow is enlarged bilinearly.
        grid: With `centres`, places are the centres of equal cells, and flow 0 keeps every pixel.
            With `corners` (PIRender), the first and the last place lie on the borders, and pixels
            between them.
    """
    places = flow_B2hw.shape[-1]
    if grid == "centres":
        return _still(size, grid, flow_B2hw) + _enlarged(flow_B2hw * (2 / places), size)
    return _enlarged(_still(places, grid, flow_B2hw) + flow_B2hw * (2 / (places - 1)), size)


def warp(pictures_BCHW: Tensor, flow_B2hw: Tensor, grid: Grid = "centres") -> Tensor:
    """Return square pictures looked up where a flow says, bilinearly, (B, C, H, W).

    Args:
        pictures_BCHW: Pictures, of any size.
        flow_B2hw: As for `sampling_grid`.
        grid: As for `sampling_grid`. Beyond the border `centres` repeats it, `corners` has 0.
    """
    where_B2HW = sampling_grid(flow_B2hw, pictures_BCHW.shape[-1], grid)
    padding = "border" if grid == "centres" else "zeros"
    return F.grid_sample(
        pictures_BCHW, where_B2HW.permute(0, 2, 3, 1), padding_mode=padding, align_corners=False
    )


def landmark_error(
    flow_B2hw: Tensor, points_BK2: Tensor, source_BK2: Tensor, grid: Grid = "centres"
) -> Tensor:
    """Return how far a flow misses where landmarks come from, mean over axes, points and batch.

    Args:
        flow_B2hw: As for `sampling_grid`.
        points_BK2: Landmarks of the picture to make, in [0, 1].
        source_BK2: The same landmarks in the picture that is warped.
        grid: As for `sampling_grid`.

    Returns:
        Mean distance in units of the picture's side, (); landmarks outside of it count as 0.
    """
    where_B2hw = sampling_grid(flow_B2hw, flow_B2hw.shape[-1], grid)
    here_BK12 = (2 * points_BK2 - 1)[:, :, None]
    looked_B2K1 = F.grid_sample(where_B2hw, here_BK12, padding_mode="border", align_corners=False)
    looked_BK2 = (looked_B2K1[..., 0].mT + 1) / 2
    is_inside_BK = ((points_BK2 > 0) & (points_BK2 < 1)).all(-1)
    return ((looked_BK2 - source_BK2).abs().mean(-1) * is_inside_BK).mean()


def _enlarged(maps_B2hw: Tensor, size: int) -> Tensor:
    if maps_B2hw.shape[-1] == size:
        return maps_B2hw
    return F.interpolate(maps_B2hw, (size, size), mode="bilinear", align_corners=False)


def _still(size: int, grid: Grid, like: Tensor) -> Tensor:
    """Return the place of every pixel of a square picture, (2, size, size)."""
    numbers = torch.arange(size, device=like.device, dtype=like.dtype)
    at = (2 * numbers + 1) / size - 1 if grid == "centres" else 2 * numbers / (size - 1) - 1
    return torch.stack([at.expand(size, -1), at[:, None].expand(-1, size)])
