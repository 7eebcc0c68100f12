"""The editing network: what is painted over a warped portrait.

Letters: B batch, C channels, D descriptor, H W places of features.
"""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from viseme_render.pirender.config import PIRenderNetConfig
from viseme_render.pirender.layers import Plain, SteeredResiduals, widths_of


class _EditEncoder(nn.Module):
    def __init__(self, given: int, widths: list[int], kernel: int) -> None:
        super().__init__()
        self.first = Plain(given, widths[0], kernel)
        for number, (inner, outer) in enumerate(pairwise(widths)):
            self.add_module(f"down{number}", Plain(inner, outer))
        self._down = len(widths) - 1

    @property
    def convolution(self) -> nn.Conv2d:
        """The first convolution, over the portrait and the warped portrait."""
        first = self.first.model[0]
        assert isinstance(first, nn.Conv2d)
        return first

    def forward(self, mixed_BCHW: Tensor) -> list[Tensor]:
        """Return features of every size, the largest first, from the first convolution's."""
        levels = [self.first.model[1:](mixed_BCHW)]
        for number in range(self._down):
            x_BCHW = self.get_submodule(f"down{number}")(levels[-1])
            levels.append(F.avg_pool2d(x_BCHW, 2))
        return levels


class _Last(nn.Module):
    def __init__(self, given: int, made: int, kernel: int) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Conv2d(given, made, kernel, padding=kernel // 2))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return what is painted, before it is squashed."""
        return self.model(x_BCHW)


class _EditDecoder(nn.Module):
    def __init__(self, config: PIRenderNetConfig, made: int, widths: list[int]) -> None:
        super().__init__()
        blocks, descriptor = config.edit_blocks, config.descriptor
        self._numbers = range(len(widths) - 2, -1, -1)
        for number in self._numbers:
            inner, outer = widths[number + 1], widths[number]
            self.add_module(f"up{number}", Plain(inner, outer))
            self.add_module(f"res{number}", SteeredResiduals(blocks, inner, descriptor))
            self.add_module(f"jump{number}", Plain(outer, outer))
        self.final = nn.Module()
        self.final = _Last(widths[0], made, config.kernel)

    def forward(self, levels: list[Tensor], z_BD: Tensor) -> Tensor:
        """Return the last convolution's response, of full size."""
        x_BCHW = levels[-1]
        for number in self._numbers:
            x_BCHW = self.get_submodule(f"res{number}")(x_BCHW, z_BD)
            x_BCHW = self.get_submodule(f"up{number}")(F.interpolate(x_BCHW, scale_factor=2))
            x_BCHW = x_BCHW + self.get_submodule(f"jump{number}")(levels[number])
        return self.final(x_BCHW)


class EditingNet(nn.Module):
    """What is painted over a warped portrait.

    Args:
        config: Sizes.
        given: Channels of a picture as the networks see it.
    """

    def __init__(self, config: PIRenderNetConfig, given: int) -> None:
        super().__init__()
        widths = widths_of(config.edit_width, config.edit_down, config.max_width)
        self._given = given
        made = given + config.patch**2 if config.blend else given
        self.encoder = _EditEncoder(2 * given, widths, config.kernel)
        self.decoder = _EditDecoder(config, made, widths)

    def prepare(self, picture_BCHW: Tensor) -> Tensor:
        """Return a portrait's share of the first convolution, which no motion changes."""
        first = self.encoder.convolution
        weight = first.weight[:, : self._given]
        return F.conv2d(picture_BCHW, weight, first.bias, padding=first.padding)

    def forward(self, share_BCHW: Tensor, warped_BCHW: Tensor, z_BD: Tensor) -> Tensor:
        """Return what is painted, before it is squashed, from the portrait's share."""
        first = self.encoder.convolution
        weight = first.weight[:, self._given :]
        mixed_BCHW = share_BCHW + F.conv2d(warped_BCHW, weight, padding=first.padding)
        return self.decoder(self.encoder(mixed_BCHW), z_BD)
