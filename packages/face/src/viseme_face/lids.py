"""Lids: what part of an eye they leave open, and the lashes along their edge.

The mesh's own skin is the lid; its edge is the eye's contour. An upper lid has a rim and lashes
that hide a little more of the eye than the contour says, so an eye whose contour has nearly closed
is closed.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from viseme_face.coverage import Window, cover_outline, distance_to_line

# Both over the distance of the eye's corners.
_RIM = 0.015
_LASH = 0.05


class Lids(NamedTuple):
    """One eye between its lids, in a window."""

    opening_Thw: Tensor
    """Share of each pixel that shows the eyeball."""
    lash_Thw: Tensor
    """Share that the lashes and the dark of the upper lid's edge cover."""
    shade_Thw: Tensor
    """Light that reaches the eyeball below the upper lid, from 0 to 1."""


def draw_lids(outline_TK2: Tensor, window: Window, *, lashes: float = 1.0) -> Lids:
    """Return what the lids show and hide.

    Args:
        outline_TK2: Contour of the eye in pixels, its 16 points ordered as `layouts.RIGHT_EYE` or
            `LEFT_EYE`: one corner, upper lid from left to right, the other corner, lower lid.
        window: Window around the eye.
        lashes: Thickness of the lashes, 1 for bare ones.
    """
    width_T = (outline_TK2[:, 0] - outline_TK2[:, 8]).norm(dim=-1)
    share_9 = torch.linspace(0, torch.pi, 9, device=outline_TK2.device).sin()
    # Down the face, not down the picture: across the line between the corners.
    along_T2 = (outline_TK2[:, 8] - outline_TK2[:, 0]) / width_T[:, None].clamp_min(1e-6)
    down_T2 = torch.stack([-along_T2[:, 1], along_T2[:, 0]], -1)
    rim_T92 = (_RIM * width_T[:, None] * share_9)[..., None] * down_T2[:, None]
    upper_T92 = outline_TK2[:, :9] + rim_T92
    covered = cover_outline(torch.cat([upper_T92, outline_TK2[:, 9:]], 1), window)

    distance_Thw, position_Thw = distance_to_line(outline_TK2[:, :9] + rim_T92 / 2, window)
    # Thin at the inner corner; which end that is differs between the eyes, so both taper alike.
    thickness_Thw = _LASH * lashes * (0.35 + 0.65 * (position_Thw * (torch.pi / 8)).sin())
    half_Thw = (thickness_Thw * width_T[:, None, None] / 2).clamp_min(0.35)
    lash_Thw = (half_Thw - distance_Thw + 0.5).clamp(0, 1)
    below_Thw = distance_Thw / (0.14 * width_T[:, None, None])
    return Lids(covered.share_Thw, lash_Thw, 1 - 0.6 * torch.exp(-(below_Thw**2)))
