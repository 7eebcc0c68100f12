"""PIRender's networks together, under the names of the public checkpoint (Ren et al., ICCV 2021).

Letters: B batch, W frames of a window, C coefficients, D descriptor, H W pixels, h w places of the
flow.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from viseme_core.shapes import check_shape
from viseme_face.driving import COEFFICIENT_WINDOW, NUM_COEFFICIENTS
from viseme_render.pirender.config import PIRenderNetConfig
from viseme_render.pirender.editing import EditingNet
from viseme_render.pirender.flow import warp
from viseme_render.pirender.mapping import MappingNet
from viseme_render.pirender.warping import WarpingNet

COLOURS = 3
# A blend starts out as the warped portrait, nearly.
_MASK_AT_START = -2.0


class Prepared(NamedTuple):
    """What the networks need of a portrait whatever the motion: its constant work."""

    picture_B3HW: Tensor
    """The portrait."""
    warping_BCHW: Tensor
    """Its first features in the warping network."""
    editing_BCHW: Tensor
    """Its share of the editing network's first convolution."""


class Rendered(NamedTuple):
    """What the networks make of a portrait and coefficients."""

    picture_B3HW: Tensor
    """The finished picture; the warped one where editing was left out."""
    warped_B3HW: Tensor
    """The warped portrait."""
    flow_B2hw: Tensor
    """Flow in places of its own, to the right and down."""
    paint_B3HW: Tensor
    """What the editing network painted."""
    mask_B1HW: Tensor
    """How far it covers the warped portrait, 0 to 1."""


class PIRenderNet(nn.Module):
    """A portrait in the motion that windows of coefficients say.

    Args:
        config: Sizes and kind.
    """

    def __init__(self, config: PIRenderNetConfig) -> None:
        super().__init__()
        self.config = config
        heard = NUM_COEFFICIENTS * (2 if config.knows_reference else 1)
        given = COLOURS * config.patch**2
        self.mapping_net = MappingNet(
            heard, config.descriptor, config.mapping_layers, is_direct=config.knows_reference
        )
        # The spelling is that of public files.
        self.warpping_net = WarpingNet(config, given)
        self.editing_net = EditingNet(config, given)

    def prepare(self, picture_B3HW: Tensor) -> Prepared:
        """Return what portraits (B, 3, size, size) in [-1, 1] need whatever the motion."""
        size = self.config.size
        check_shape(picture_B3HW, f"B 3 {size} {size}", name="reference")
        seen_BCHW = self._as_seen(picture_B3HW)
        return Prepared(
            picture_B3HW, self.warpping_net.prepare(seen_BCHW), self.editing_net.prepare(seen_BCHW)
        )

    def describe(self, window_BWC: Tensor, own_BC: Tensor | None = None) -> Tensor:
        """Return descriptors (B, D).

        Args:
            window_BWC: Coefficients around each frame.
            own_BC: The portrait's own, where the networks are told; 1 portrait or B.
        """
        check_shape(window_BWC, f"B {COEFFICIENT_WINDOW} {NUM_COEFFICIENTS}", name="motion_window")
        if self.config.knows_reference:
            if own_BC is None:
                raise ValueError("this PIRender must be told the reference's own coefficients")
            window_BWC = torch.cat([window_BWC, window_BWC - own_BC[:, None]], -1)
        return self.mapping_net(window_BWC)

    def forward(self, prepared: Prepared, z_BD: Tensor, *, edit: bool = True) -> Rendered:
        """Return pictures for descriptors; one portrait serves any number of them.

        Args:
            prepared: The portrait, 1 or B.
            z_BD: Descriptors.
            edit: False leaves the editing network out: the picture is the warped one.
        """
        flow_B2hw = self.warpping_net(prepared.warping_BCHW, z_BD)
        picture_B3HW = prepared.picture_B3HW.expand(len(z_BD), -1, -1, -1)
        warped_B3HW = warp(picture_B3HW, flow_B2hw, self.config.grid)
        if not edit:
            none_B1HW = torch.zeros_like(warped_B3HW[:, :1])
            return Rendered(warped_B3HW, warped_B3HW, flow_B2hw, warped_B3HW, none_B1HW)
        seen_BCHW = self._as_seen(warped_B3HW)
        made_BCHW = self.editing_net(prepared.editing_BCHW, seen_BCHW, z_BD)
        made_BCHW = F.pixel_shuffle(made_BCHW, self.config.patch)
        paint_B3HW = made_BCHW[:, :COLOURS].tanh()
        if not self.config.blend:
            mask_B1HW = torch.ones_like(paint_B3HW[:, :1])
            return Rendered(paint_B3HW, warped_B3HW, flow_B2hw, paint_B3HW, mask_B1HW)
        mask_B1HW = (made_BCHW[:, COLOURS:] + _MASK_AT_START).sigmoid()
        picture_B3HW = torch.lerp(warped_B3HW, paint_B3HW, mask_B1HW)
        return Rendered(picture_B3HW, warped_B3HW, flow_B2hw, paint_B3HW, mask_B1HW)

    def _as_seen(self, picture_B3HW: Tensor) -> Tensor:
        return F.pixel_unshuffle(picture_B3HW, self.config.patch)
