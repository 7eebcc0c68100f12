"""Trunks of LPIPS (Zhang et al. 2018): torchvision's AlexNet, VGG-16 and SqueezeNet 1.1.

They read torchvision's files; their classifiers are left unread. The linear heads come with
torchmetrics: `viseme_eval.functional.perceptual.lpips_heads`. Letters: T frames, C channels,
h w pixels of features.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

# VGG-16's widths; 0 halves the size.
_VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)


class Trunk(nn.Module):
    """Layers whose responses at some depths are compared.

    Args:
        layers: The network's `features`.
        taps: Layers after which features are taken.
    """

    def __init__(self, layers: Sequence[nn.Module], taps: Sequence[int]) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers)
        self._taps = frozenset(taps)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return feature maps (T, C, h, w) of pictures as the file demands them, a tap each."""
        x, taken = pictures, []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self._taps:
                taken.append(x)
        return taken


def alexnet() -> Trunk:
    """Return AlexNet up to its last convolution; five taps, after each ReLU."""
    layers = [
        nn.Conv2d(3, 64, 11, 4, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    ]
    return Trunk(layers, (1, 4, 7, 9, 11))


def vgg16() -> Trunk:
    """Return VGG-16 up to its last convolution; five taps, before each halving."""
    layers: list[nn.Module] = []
    given = 3
    for width in _VGG16:
        if width:
            layers += [nn.Conv2d(given, width, 3, padding=1), nn.ReLU()]
            given = width
        else:
            layers.append(nn.MaxPool2d(2, 2))
    return Trunk(layers, (3, 8, 15, 22, 29))


def squeezenet() -> Trunk:
    """Return SqueezeNet 1.1 up to its last fire module; seven taps."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, 2), nn.ReLU(), _ceil_pool()]
    layers += [Fire(64, 16, 64), Fire(128, 16, 64), _ceil_pool()]
    layers += [Fire(128, 32, 128), Fire(256, 32, 128), _ceil_pool()]
    layers += [Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)]
    return Trunk(layers, (1, 4, 7, 9, 10, 11, 12))


class Fire(nn.Module):
    """Squeezes to few channels and expands by 1 x 1 and 3 x 3 side by side."""

    def __init__(self, given: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(given, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of `x`."""
        x = torch.relu(self.squeeze(x))
        return torch.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], 1))


def _ceil_pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, 2, ceil_mode=True)
