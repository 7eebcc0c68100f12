"""The warping network: flow from a portrait and a descriptor.

Letters: B batch, C channels, D descriptor, H W places of features, h w places of the flow.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from viseme_render.pirender.config import PIRenderNetConfig
from viseme_render.pirender.layers import SLOPE, PictureNorm, SteeredDown, SteeredUp, widths_of

# Flow starts out as none, nearly.
_FLOW_AT_START = 0.02


class _WarpEncoder(nn.Module):
    def __init__(self, given: int, widths: list[int], descriptor: int, kernel: int) -> None:
        super().__init__()
        self.input_layer = nn.Conv2d(given, widths[0], kernel, padding=kernel // 2)
        for number, (inner, outer) in enumerate(pairwise(widths)):
            self.add_module(f"encoder{number}", SteeredDown(inner, outer, descriptor))
        self._down = len(widths) - 1

    def forward(self, first_BCHW: Tensor, z_BD: Tensor) -> list[Tensor]:
        """Return features of every size, the largest first."""
        levels = [first_BCHW]
        for number in range(self._down):
            levels.append(self.get_submodule(f"encoder{number}")(levels[-1], z_BD))
        return levels


class _WarpDecoder(nn.Module):
    def __init__(self, widths: list[int], up: int, descriptor: int) -> None:
        super().__init__()
        down = len(widths) - 1
        self._numbers = range(down - 1, down - up - 1, -1)
        for number in self._numbers:
            # All but the deepest see the encoder's features beside those that come up.
            given = widths[number + 1] * (1 if number == down - 1 else 2)
            self.add_module(f"decoder{number}", SteeredUp(given, widths[number], descriptor))

    def forward(self, levels: list[Tensor], z_BD: Tensor) -> Tensor:
        """Return features of the flow's size, half of them the encoder's."""
        x_BCHW = levels[-1]
        for number in self._numbers:
            x_BCHW = self.get_submodule(f"decoder{number}")(x_BCHW, z_BD)
            beside = levels[number].expand(len(x_BCHW), -1, -1, -1)
            x_BCHW = torch.cat([x_BCHW, beside], 1)
        return x_BCHW


class _Hourglass(nn.Module):
    def __init__(self, config: PIRenderNetConfig, given: int, widths: list[int]) -> None:
        super().__init__()
        self.encoder = _WarpEncoder(given, widths, config.descriptor, config.kernel)
        self.decoder = _WarpDecoder(widths, config.warp_up, config.descriptor)


class WarpingNet(nn.Module):
    """Flow from a portrait and a descriptor.

    Args:
        config: Sizes.
        given: Channels of the portrait as the networks see it.
    """

    def __init__(self, config: PIRenderNetConfig, given: int) -> None:
        super().__init__()
        widths = widths_of(config.warp_width, config.warp_down, config.max_width)
        self.hourglass = _Hourglass(config, given, widths)
        width = 2 * widths[config.warp_down - config.warp_up]
        convolution = nn.Conv2d(width, 2, config.kernel, padding=config.kernel // 2)
        fan_in = convolution.weight[0].numel()
        nn.init.normal_(convolution.weight, std=_FLOW_AT_START / fan_in**0.5)
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)
        self.flow_out = nn.Sequential(PictureNorm(width), nn.LeakyReLU(SLOPE), convolution)

    def prepare(self, picture_BCHW: Tensor) -> Tensor:
        """Return a portrait's first features, which no motion changes."""
        return self.hourglass.encoder.input_layer(picture_BCHW)

    def forward(self, first_BCHW: Tensor, z_BD: Tensor) -> Tensor:
        """Return flow (B, 2, h, w) of first features and descriptors."""
        return self.flow_out(self.hourglass.decoder(self.hourglass.encoder(first_BCHW, z_BD), z_BD))
