"""Perceptual losses through feature networks that viseme_eval finds and loads."""

import os
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from viseme_core.frozen import Frozen
from viseme_eval.networks.loading import load_strictly, read_state
from viseme_eval.networks.registry import ENVIRONMENT, load_network
from viseme_eval.networks.trunks import Trunk
from viseme_render.pirender.config import Features
from viseme_render.pirender.losses import EdgeLoss, Likeness, PerceptualLoss, network_likeness

VGG19_FILE = "vgg19-dcbb9e9d.pth"
"""torchvision's file of VGG-19, at download.pytorch.org/models."""

# Widths of VGG-19 as far as relu_5_1; 0 halves the size.
_WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512)
# relu_1_1, relu_2_1, relu_3_1, relu_4_1, relu_5_1.
_TAPS = (1, 6, 11, 20, 29)
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PerceptualConfig(Protocol):
    """What of a loss's settings a perceptual loss is built from."""

    @property
    def features(self) -> Features:
        """What it looks through."""
        ...

    @property
    def weights(self) -> str | None:
        """File of the feature network, or its folder."""
        ...

    @property
    def scales(self) -> int:
        """Sizes that it looks at."""
        ...


class VGG19Features(nn.Module):
    """Feature maps of VGG-19 after the first convolution of each size (Simonyan and Zisserman)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        given = 3
        for width in _WIDTHS:
            if width:
                layers += [nn.Conv2d(given, width, 3, padding=1), nn.ReLU()]
                given = width
            else:
                layers.append(nn.MaxPool2d(2, 2))
        self.trunk = Trunk(layers, _TAPS)

    def forward(self, pictures_B3HW: Tensor) -> list[Tensor]:
        """Return five feature maps of pictures in [-1, 1]."""
        mean, deviation = (
            pictures_B3HW.new_tensor(values)[:, None, None] for values in (_MEAN, _DEVIATION)
        )
        return self.trunk(((pictures_B3HW + 1) / 2 - mean) / deviation)


class NetworkLoss:
    """Perceptual and style loss through a frozen network, at several sizes.

    As in PIRender, content is added over sizes, and style is that of the full size.

    Args:
        network: From pictures in [-1, 1] to feature maps, a layer each.
        scales: Sizes, each half of the one before.
    """

    def __init__(self, network: nn.Module, scales: int) -> None:
        self._network = Frozen(network)
        self._scales = scales

    def __call__(self, made_B3HW: Tensor, true_B3HW: Tensor, *, style: bool) -> Likeness:
        """Return content and, if asked for, style."""
        network = self._network.on(made_B3HW)
        content = made_B3HW.new_zeros(())
        found_style = content
        for scale in range(self._scales):
            if scale:
                made_B3HW, true_B3HW = (F.avg_pool2d(x, 2) for x in (made_B3HW, true_B3HW))
            with torch.no_grad():
                wanted = network(true_B3HW)
            found = network_likeness(network(made_B3HW), wanted, style=style and not scale)
            content = content + found.content
            found_style = found_style + found.style
        return Likeness(content, found_style)


def build_perceptual(config: PerceptualConfig, *, where: str = "pirender.loss") -> PerceptualLoss:
    """Return the perceptual loss that a config names.

    Args:
        config: Which one.
        where: Key of these settings below `model.config`, for errors.

    Raises:
        ValueError: If its weights are not here; the message says which and where to put them.
        ImportError: If it needs a package that is not installed.
    """
    if config.features == "pixels":
        return EdgeLoss(config.scales)
    if config.features == "vgg19":
        return NetworkLoss(_vgg19(config.weights, where), config.scales)
    try:
        network = load_network(config.features, config.weights)
    except ValueError as error:
        raise ValueError(_asked(config.features, str(error), where)) from error
    return NetworkLoss(network, config.scales)


def _vgg19(given: str | None, where: str) -> VGG19Features:
    path = _find(given, where)
    with torch.device("meta"):
        network = VGG19Features()
    state = read_state(path)
    kept = {name: value for name, value in state.items() if _is_kept(name)}
    load_strictly(network.trunk, kept, path)
    return network


def _is_kept(name: str) -> bool:
    # What lies deeper than relu_5_1, and the classifier, are not looked at.
    part, _, rest = name.partition(".")
    return part == "features" and int(rest.partition(".")[0]) <= _TAPS[-1]


def _find(given: str | None, where: str) -> Path:
    if given is not None and Path(given).is_file():
        return Path(given)
    folders = [given] if given else os.environ.get(ENVIRONMENT, "").split(os.pathsep)
    for folder in folders:
        if folder and (Path(folder) / VGG19_FILE).is_file():
            return Path(folder) / VGG19_FILE
    why = f"put torchvision's {VGG19_FILE} into {folders[0] or 'it'}"
    raise ValueError(_asked("vgg19", why, where))


def _asked(name: str, why: str, where: str) -> str:
    return (
        f"{where}.features is {name!r}, and its weights are not here ({why}): name the file by "
        f"model.config.{where}.weights or set ${ENVIRONMENT} to its folder, or train with "
        f"features: pixels and no style, which need none"
    )
