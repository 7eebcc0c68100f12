"""Parts of PIRender's networks. Letters: B batch, C channels, D descriptor, H W pixels.

Names of parts and parameters are those of the public checkpoint, which numbers them by their place
in sequences; that is why what has no parameters stands in sequences too.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.1
"""Slope of the leaky ReLU for negative values."""
HIDDEN = 128
"""Width between descriptor and the scales of an adaptive norm."""


def widths_of(width: int, halvings: int, most: int) -> list[int]:
    """Return the channels at every size, the largest size first: doubled up to the most."""
    return [min(width * 2**number, most) for number in range(halvings + 1)]


class AdaptiveNorm(nn.Module):
    """Each channel freed of its mean and spread over the picture; the descriptor gives new ones.

    (1 + gamma(z)) (x - mean) / sqrt(variance + 1e-5) + beta(z)

    Args:
        channels: Channels of what is normed.
        descriptor: Width of z.
    """

    def __init__(self, channels: int, descriptor: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Linear(descriptor, HIDDEN), nn.ReLU())
        self.mlp_gamma = nn.Linear(HIDDEN, channels)
        self.mlp_beta = nn.Linear(HIDDEN, channels)

    def forward(self, x_BCHW: Tensor, z_BD: Tensor) -> Tensor:
        """Return the normed features; one picture (B = 1) serves any number of descriptors."""
        hidden_BD = self.mlp_shared(z_BD)
        gamma_BC, beta_BC = self.mlp_gamma(hidden_BD), self.mlp_beta(hidden_BD)
        normed_BCHW = F.instance_norm(x_BCHW)
        return normed_BCHW * (1 + gamma_BC)[..., None, None] + beta_BC[..., None, None]


class PictureNorm(nn.Module):
    """A picture freed of its mean and spread over channels and places; scale and shift by channel.

    Args:
        channels: Channels of what is normed.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the normed features."""
        return F.group_norm(x_BCHW, 1, self.weight.flatten(), self.bias.flatten())


class SteeredDown(nn.Module):
    """Halves the picture's size; adaptive norms before both convolutions.

    Args:
        given: Channels of its input.
        width: Channels of its output.
        descriptor: Width of z.
    """

    def __init__(self, given: int, width: int, descriptor: int) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(given, width, 4, stride=2, padding=1)
        self.conv_1 = nn.Conv2d(width, width, 3, padding=1)
        self.norm_0 = AdaptiveNorm(given, descriptor)
        self.norm_1 = AdaptiveNorm(width, descriptor)

    def forward(self, x_BCHW: Tensor, z_BD: Tensor) -> Tensor:
        """Return features of half the size; one picture serves any number of descriptors."""
        x_BCHW = self.conv_0(_leaky(self.norm_0(x_BCHW, z_BD)))
        return self.conv_1(_leaky(self.norm_1(x_BCHW, z_BD)))


class SteeredUp(nn.Module):
    """Doubles the picture's size, along a path of two convolutions and a shorter one of one.

    Args:
        given: Channels of its input.
        width: Channels of its output.
        descriptor: Width of z.
    """

    def __init__(self, given: int, width: int, descriptor: int) -> None:
        super().__init__()
        double: dict[str, Any] = {"stride": 2, "padding": 1, "output_padding": 1}
        self.conv_0 = nn.Conv2d(given, width, 3, padding=1)
        self.conv_1 = nn.ConvTranspose2d(width, width, 3, **double)
        self.conv_s = nn.ConvTranspose2d(given, width, 3, **double)
        self.norm_0 = AdaptiveNorm(given, descriptor)
        self.norm_1 = AdaptiveNorm(width, descriptor)
        self.norm_s = AdaptiveNorm(given, descriptor)

    def forward(self, x_BCHW: Tensor, z_BD: Tensor) -> Tensor:
        """Return features of twice the size."""
        long_BCHW = self.conv_0(_leaky(self.norm_0(x_BCHW, z_BD)))
        long_BCHW = self.conv_1(_leaky(self.norm_1(long_BCHW, z_BD)))
        return long_BCHW + self.conv_s(_leaky(self.norm_s(x_BCHW, z_BD)))


class SteeredResidual(nn.Module):
    """Adds a convolution's steered response to what came in.

    The public network has two convolutions here and throws the first one's response away: the
    second sees the input again. Files hold the first one's weights, which nothing reads and nothing
    trains.

    Args:
        width: Channels.
        descriptor: Width of z.
    """

    def __init__(self, width: int, descriptor: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1).requires_grad_(False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.norm1 = AdaptiveNorm(width, descriptor).requires_grad_(False)
        self.norm2 = AdaptiveNorm(width, descriptor)

    def forward(self, x_BCHW: Tensor, z_BD: Tensor) -> Tensor:
        """Return features of the same size."""
        return x_BCHW + self.norm2(self.conv2(x_BCHW), z_BD)


class SteeredResiduals(nn.Module):
    """Several of them, one after the other.

    Args:
        count: How many.
        width: Channels.
        descriptor: Width of z.
    """

    def __init__(self, count: int, width: int, descriptor: int) -> None:
        super().__init__()
        for number in range(count):
            self.add_module(f"res{number}", SteeredResidual(width, descriptor))

    def forward(self, x_BCHW: Tensor, z_BD: Tensor) -> Tensor:
        """Return features of the same size."""
        for block in self.children():
            x_BCHW = block(x_BCHW, z_BD)
        return x_BCHW


class Plain(nn.Module):
    """A convolution, a norm over the picture, a leaky ReLU.

    Args:
        given: Channels of its input.
        width: Channels of its output.
        kernel: Side of the kernel, odd.
    """

    def __init__(self, given: int, width: int, kernel: int = 3) -> None:
        super().__init__()
        convolution = nn.Conv2d(given, width, kernel, padding=kernel // 2)
        self.model = nn.Sequential(convolution, PictureNorm(width), nn.LeakyReLU(SLOPE))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return features of the same size."""
        return self.model(x_BCHW)


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)
