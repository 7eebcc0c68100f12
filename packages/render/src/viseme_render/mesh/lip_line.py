"""The dark line along which lips meet, for a portrait that shows them apart and so has none."""

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_face.coverage import Layer, distance_to_line, window_around
from viseme_face.layouts import LIP_INNER, LIP_RINGS
from viseme_render.mesh.fill import blurred

# Points from one corner of the mouth to the other, along either lip.
_ALONG = len(LIP_INNER) // 2
# Half the line's thickness over the mouth's width, and the share of the lips that it covers.
_HALF = 0.012
_SHARE = 0.7
# How dark it is, of the lips' own colour in sRGB.
_SHADE = 0.4
# Lips that are farther apart than this, over the mouth's width, have a mouth between them instead.
_GAP = 0.04


class LipLine:
    """A line in the colour of the lips' own shade.

    Args:
        picture_3HW: The portrait, sRGB from 0 to 1.
        screen_K2: Its `mp478` points in pixels.
        blurs: How many times a line must be blurred to be as soft as the portrait is.
    """

    def __init__(self, picture_3HW: Tensor, screen_K2: Tensor, blurs: int) -> None:
        self._size = picture_3HW.shape[-1]
        self._blurs = blurs
        # Between the lips' outer and inner edges, where neither skin nor teeth are.
        middle_L2 = screen_K2[[*LIP_RINGS[1], *LIP_RINGS[2]]] * (2 / self._size) - 1
        lips_3L = F.grid_sample(picture_3HW[None], middle_L2[None, None], align_corners=False)
        self._color_3 = _SHADE * lips_3L[0, :, 0].median(-1).values

    def layer(self, screen_TK2: Tensor) -> Layer:
        """Return the line, the fainter the farther apart the lips are.

        Args:
            screen_TK2: `mp478` points of every frame in pixels.
        """
        outline_TK2 = screen_TK2[:, list(LIP_INNER)]
        upper_TK2 = outline_TK2[:, : _ALONG + 1]
        lower_TK2 = torch.cat([outline_TK2[:, :1], outline_TK2[:, _ALONG:].flip(1)], 1)
        width_T = (outline_TK2[:, 0] - outline_TK2[:, _ALONG]).norm(dim=-1).clamp_min(1e-3)
        gap_T = (upper_TK2 - lower_TK2).norm(dim=-1).amax(-1) / width_T
        window = window_around(outline_TK2, 2 + self._blurs // 2, self._size)
        distance_Thw, position_Thw = distance_to_line((upper_TK2 + lower_TK2) / 2, window)
        taper_Thw = 0.4 + 0.6 * (position_Thw * (torch.pi / _ALONG)).sin()
        half_Thw = (_HALF * width_T[:, None, None] * taper_Thw).clamp_min(0.5)
        share_T = _SHARE * (1 - gap_T / _GAP).clamp(0, 1)
        alpha_Thw = (half_Thw - distance_Thw + 0.5).clamp(0, 1) * share_T[:, None, None]
        alpha_Thw = blurred(alpha_Thw[:, None], self._blurs)[:, 0]
        color_T3hw = self._color_3[:, None, None].expand(len(alpha_Thw), -1, *alpha_Thw.shape[1:])
        return Layer(window, color_T3hw, alpha_Thw)
