"""The light on a portrait's mouth and eyes, and how colourful the picture is, read off its skin."""

from typing import NamedTuple

import torch
from torch import Tensor

from viseme_face.coverage import Window, cover_outline, window_around
from viseme_face.eyes import EYES
from viseme_face.layouts import AROUND_LIPS, LIP_OUTER
from viseme_face.light import to_linear

_LUMINANCE = (0.2126, 0.7152, 0.0722)
# Linear colour of middling skin and brightness of the white of eyes, under white light.
_SKIN = (0.50, 0.32, 0.24)
_WHITE_OF_EYES = 0.6
# Saturation of skin in an ordinary colour photograph, at least.
_COLOURFUL = 0.3
# Room around what is looked at, so that its borders are outside of it.
_ROOM_PX = 2


class PortraitLight(NamedTuple):
    """What a white thing at the mouth would look like, and how much colour to give the others."""

    white_3: Tensor
    """Linear RGB."""
    saturation: Tensor
    """From 0 in a grey picture to 1 in a colourful one."""

    def on(self, color_T3hw: Tensor) -> Tensor:
        """Return the linear colour that things take on in the picture."""
        grey_T1hw = luminance(color_T3hw, 1)
        return torch.lerp(grey_T1hw, color_T3hw, self.saturation) * self.white_3[:, None, None]


def luminance(linear_X: Tensor, dim: int) -> Tensor:
    """Return the brightness of linear colours, their axis kept as one entry."""
    shape = [1] * linear_X.ndim
    shape[dim] = 3
    return (linear_X * linear_X.new_tensor(_LUMINANCE).view(shape)).sum(dim, keepdim=True)


def light_of(picture_3HW: Tensor, source_K2: Tensor) -> PortraitLight:
    """Return the light of a portrait.

    Args:
        picture_3HW: The portrait, sRGB from 0 to 1.
        source_K2: Its `mp478` points in pixels.
    """
    size = picture_3HW.shape[-1]
    # Only what is looked at is turned into light: a clip has a new portrait in every picture.
    window = window_around(source_K2[None, list(AROUND_LIPS)], _ROOM_PX, size)
    around_hw = share_in(source_K2, AROUND_LIPS, window)
    skin_hw = (around_hw - share_in(source_K2, LIP_OUTER, window)).clamp(0, 1)
    linear_3hw = to_linear(cut_out(picture_3HW, window))
    skin_3 = (linear_3hw * skin_hw).sum((1, 2)) / skin_hw.sum().clamp_min(1e-3)
    high, low = skin_3.max(), skin_3.min()
    saturation = ((high - low) / high.clamp_min(1e-3) / _COLOURFUL).clamp(0, 1)
    albedo_3 = skin_3.new_tensor(_SKIN)
    bright = luminance(skin_3, 0) / luminance(albedo_3, 0)
    for ring, _ in EYES:
        window = window_around(source_K2[None, list(ring)], _ROOM_PX, size)
        eye_3hw = to_linear(cut_out(picture_3HW, window))
        inside_M = luminance(eye_3hw, 0)[0][share_in(source_K2, ring, window) > 0.9]
        # Dark skin in good light and fair skin in the dark look alike; the white of eyes does not.
        if len(inside_M) >= 8:
            bright = torch.maximum(bright, inside_M.quantile(0.85) / _WHITE_OF_EYES)
    cast_3 = skin_3 / albedo_3 / (luminance(skin_3, 0) / luminance(albedo_3, 0)).clamp_min(1e-3)
    # Half of what skin departs from middling is the skin's own.
    white_3 = bright.clamp(0.03, 1.0) * torch.lerp(torch.ones_like(cast_3), cast_3, saturation / 2)
    return PortraitLight(white_3, saturation)


def share_in(source_K2: Tensor, ring: tuple[int, ...], window: Window) -> Tensor:
    """Return the share of each pixel of a window of the portrait inside a ring of its mesh, (h, w).

    Args:
        source_K2: `mp478` points in pixels of the portrait.
        ring: Points of the ring.
        window: Where to look.
    """
    return cover_outline(source_K2[None, list(ring)], window).share_Thw[0]


def share_inside(source_K2: Tensor, ring: tuple[int, ...], size: int) -> Tensor:
    """Return the share of each pixel of the portrait inside a ring of its mesh, (H, W)."""
    window = window_around(source_K2[None, list(ring)], _ROOM_PX, size)
    share_HW = source_K2.new_zeros(size, size)
    cut_out(share_HW, window)[:] = share_in(source_K2, ring, window)
    return share_HW


def cut_out(picture_HW: Tensor, window: Window) -> Tensor:
    """Return the part of one picture (..., H, W) that a window shows; it shares its memory."""
    left, top = int(window.left_T), int(window.top_T)
    return picture_HW[..., top : top + window.height, left : left + window.width]
