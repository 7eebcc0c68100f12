"""How much of each pixel a shape covers: closed outlines, lines, and the windows they are drawn in.

What lies inside the lips and the lids is small and its edge is what everybody looks at, so it is
drawn as layers with exact coverage instead of by triangles: an outline that has closed covers
nothing at all, and one that moves by a hundredth of a pixel changes the picture by as much.
"""

from typing import NamedTuple

import torch
from torch import Tensor

# Columns per pixel in which the height of an outline is measured exactly.
_COLUMNS = 3


class Window(NamedTuple):
    """A rectangle of pixels that moves with what is drawn in it, the same size in all frames."""

    left_T: Tensor
    """First column in every frame, int64."""
    top_T: Tensor
    """First row in every frame, int64."""
    height: int
    width: int

    @property
    def columns(self) -> Tensor:
        """Centres of the columns in pixels of the picture, (T, w)."""
        return self.left_T[:, None] + 0.5 + torch.arange(self.width, device=self.left_T.device)

    @property
    def rows(self) -> Tensor:
        """Centres of the rows in pixels of the picture, (T, h)."""
        return self.top_T[:, None] + 0.5 + torch.arange(self.height, device=self.top_T.device)

    def flat(self, size: int) -> Tensor:
        """Return the number of each pixel in a stack of T square pictures, shape (T, h, w)."""
        rows_Th = self.top_T[:, None] + torch.arange(self.height, device=self.top_T.device)
        columns_Tw = self.left_T[:, None] + torch.arange(self.width, device=self.left_T.device)
        frame_T = torch.arange(len(self.left_T), device=self.left_T.device)
        return (frame_T[:, None, None] * size + rows_Th[..., None]) * size + columns_Tw[:, None]


class Layer(NamedTuple):
    """Something to lay over pictures: linear colour, and how much of each pixel it covers."""

    window: Window
    color_T3hw: Tensor
    alpha_Thw: Tensor


class Covered(NamedTuple):
    """What an outline covers in a window."""

    share_Thw: Tensor
    """Share of each pixel inside the outline, in [0, 1]."""
    top_Tw: Tensor
    """Row of the outline's upper side in each column of the window; infinite beside it."""
    bottom_Tw: Tensor
    """Row of its lower side; minus infinity beside it."""


def window_around(points_TK2: Tensor, margin_px: float, size: int) -> Window:
    """Return a window that holds the points of every frame, moved inside the picture.

    Args:
        points_TK2: Points in pixels, shape (T, K, 2).
        margin_px: Room to leave around them.
        size: Side of the square picture.
    """
    low_T2 = (points_TK2.amin(1) - margin_px).floor().long()
    high_T2 = (points_TK2.amax(1) + margin_px).ceil().long()
    width, height = ((high_T2 - low_T2).amax(0).clamp(1, size)).tolist()
    left_T = low_T2[:, 0].clamp(min=0).clamp(max=size - width)
    top_T = low_T2[:, 1].clamp(min=0).clamp(max=size - height)
    return Window(left_T, top_T, height, width)


def cover_outline(points_TK2: Tensor, window: Window) -> Covered:
    """Return what a closed outline covers.

    Heights are exact in each of three columns per pixel. The outline runs to the right along its
    upper side and back along the lower one; where the sides have crossed it covers nothing.

    Args:
        points_TK2: Corners in pixels, shape (T, K, 2).
        window: Where to look.
    """
    ends_TK2 = points_TK2.roll(-1, 1)
    x0, y0 = points_TK2[:, :, None].unbind(-1)
    x1, y1 = ends_TK2[:, :, None].unbind(-1)
    steps = (torch.arange(_COLUMNS, device=points_TK2.device) + 0.5) / _COLUMNS - 0.5
    columns_T1n = (window.columns[..., None] + steps).flatten(1)[:, None]
    # Half-open, so that a corner between two sides is counted once.
    right_TKn = (x0 <= columns_T1n) & (columns_T1n < x1)
    left_TKn = (x1 <= columns_T1n) & (columns_T1n < x0)
    share_TKn = (columns_T1n - x0) / torch.where(x1 == x0, 1, x1 - x0)
    cross_TKn = y0 + share_TKn * (y1 - y0)

    sign_TKn = right_TKn.to(cross_TKn) - left_TKn.to(cross_TKn)
    depth_TKhn = window.rows[:, None, :, None] + 0.5 - cross_TKn[:, :, None]
    share_Thn = (depth_TKhn.clamp(0, 1) * sign_TKn[:, :, None]).sum(1)
    share_Thw = share_Thn.unflatten(-1, (-1, _COLUMNS)).clamp(0, 1).mean(-1)

    inf = torch.inf
    top_Tn = torch.where(right_TKn, cross_TKn, inf).amin(1)
    bottom_Tn = torch.where(left_TKn, cross_TKn, -inf).amax(1)
    return Covered(
        # What is left of a thousandth of a pixel is rounding.
        torch.where(share_Thw > 1e-3, share_Thw, 0),
        top_Tn.unflatten(-1, (-1, _COLUMNS)).amin(-1),
        bottom_Tn.unflatten(-1, (-1, _COLUMNS)).amax(-1),
    )


def distance_to_line(points_TK2: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Return how far each pixel is from an open line, and where along it the nearest point is.

    Args:
        points_TK2: Corners in pixels, shape (T, K, 2).
        window: Where to look.

    Returns:
        Distance in pixels and position from 0 at the first corner to K - 1 at the last, both
        (T, h, w).
    """
    start_TK2, side_TK2 = points_TK2[:, :-1], points_TK2.diff(dim=1)
    dx = window.columns[:, None, None] - start_TK2[..., 0, None, None]
    dy = window.rows[:, None, :, None] - start_TK2[..., 1, None, None]
    sx, sy = side_TK2[..., None, None].unbind(2)
    along_TKhw = ((dx * sx + dy * sy) / (sx**2 + sy**2).clamp_min(1e-12)).clamp(0, 1)
    square_TKhw = (dx - along_TKhw * sx) ** 2 + (dy - along_TKhw * sy) ** 2
    square_Thw, nearest_Thw = square_TKhw.min(1)
    position_Thw = along_TKhw.gather(1, nearest_Thw[:, None])[:, 0] + nearest_Thw
    return square_Thw.sqrt(), position_Thw


def lay_over(pictures_THWC: Tensor, layer: Layer) -> None:
    """Lay a layer over pictures, in place: a layer is small and a picture is large.

    Args:
        pictures_THWC: Linear light, square and contiguous; any number of channels that the layer's
            colour has too.
        layer: What to lay over them.
    """
    size, channels = pictures_THWC.shape[-2:]
    flat_NC = pictures_THWC.view(-1, channels)
    inside_N = layer.window.flat(size).flatten()
    color_NC = layer.color_T3hw.movedim(1, -1).reshape(-1, channels)
    mixed_NC = torch.lerp(flat_NC[inside_N], color_NC, layer.alpha_Thw.reshape(-1, 1))
    flat_NC.index_copy_(0, inside_N, mixed_NC)
