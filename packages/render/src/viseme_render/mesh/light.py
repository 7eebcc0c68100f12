"""The light on a portrait's mouth and eyes, and how colourful the picture is, read off its skin."""

from typing import NamedTuple

import torch
from torch import Tensor

from viseme_face.coverage import Window, cover_outline
from viseme_face.eyes import EYES
from viseme_face.layouts import AROUND_LIPS, LIP_OUTER
from viseme_face.light import to_linear

_LUMINANCE = (0.2126, 0.7152, 0.0722)
# Linear colour of middling skin and brightness of the white of eyes, under white light.
_SKIN = (0.50, 0.32, 0.24)
_WHITE_OF_EYES = 0.6
# Saturation of skin in an ordinary colour photograph, at least.
_COLOURFUL = 0.3


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
    linear_3HW = to_linear(picture_3HW)
    around_HW = share_inside(source_K2, AROUND_LIPS, picture_3HW.shape[-1])
    lips_HW = share_inside(source_K2, LIP_OUTER, picture_3HW.shape[-1])
    skin_HW = (around_HW - lips_HW).clamp(0, 1)
    skin_3 = (linear_3HW * skin_HW).sum((1, 2)) / skin_HW.sum().clamp_min(1e-3)
    high, low = skin_3.max(), skin_3.min()
    saturation = ((high - low) / high.clamp_min(1e-3) / _COLOURFUL).clamp(0, 1)
    albedo_3 = skin_3.new_tensor(_SKIN)
    bright = luminance(skin_3, 0) / luminance(albedo_3, 0)
    for ring, _ in EYES:
        eye_HW = share_inside(source_K2, ring, picture_3HW.shape[-1])
        inside_M = luminance(linear_3HW, 0)[0][eye_HW > 0.9]
        # Dark skin in good light and fair skin in the dark look alike; the white of eyes does not.
        if len(inside_M) >= 8:
            bright = torch.maximum(bright, inside_M.quantile(0.85) / _WHITE_OF_EYES)
    cast_3 = skin_3 / albedo_3 / (luminance(skin_3, 0) / luminance(albedo_3, 0)).clamp_min(1e-3)
    # Half of what skin departs from middling is the skin's own.
    white_3 = bright.clamp(0.03, 1.0) * torch.lerp(torch.ones_like(cast_3), cast_3, saturation / 2)
    return PortraitLight(white_3, saturation)


def share_inside(source_K2: Tensor, ring: tuple[int, ...], size: int) -> Tensor:
    """Return the share of each pixel of the portrait inside a ring of its mesh, (H, W)."""
    zero = torch.zeros(1, dtype=torch.long, device=source_K2.device)
    return cover_outline(source_K2[None, list(ring)], Window(zero, zero, size, size)).share_Thw[0]
