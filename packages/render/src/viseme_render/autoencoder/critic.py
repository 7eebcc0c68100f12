"""The critic of patches that an autoencoder may be trained against (Isola et al. 2017)."""

from collections.abc import Iterator

from torch import Tensor, nn

_LEAK = 0.2
_WIDEST = 8
"""Doublings of the width end at this many times the first."""
_GROUP = 8
"""Channels that are normalised together."""


class PatchCritic(nn.Module):
    """Says of each patch of pictures how real it looks.

    Normalised within each picture rather than over the batch as the published one: what it says of
    a picture must not depend on the others, nor on how many processes share them.

    Args:
        width: Channels of the first layer.
        layers: Halvings.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.net = nn.Sequential(*_layers(width, layers))

    def forward(self, pictures_B3HW: Tensor) -> Tensor:
        """Return a number for each patch, (B, 1, h, w): positive is real."""
        return self.net(pictures_B3HW)


def _layers(width: int, layers: int) -> Iterator[nn.Module]:
    yield nn.Conv2d(3, width, 4, stride=2, padding=1)
    yield nn.LeakyReLU(_LEAK)
    given = width
    for number in range(1, layers + 1):
        made = width * min(2**number, _WIDEST)
        stride = 2 if number < layers else 1
        yield nn.Conv2d(given, made, 4, stride=stride, padding=1, bias=False)
        yield nn.GroupNorm(max(1, made // _GROUP), made)
        yield nn.LeakyReLU(_LEAK)
        given = made
    yield nn.Conv2d(given, 1, 4, padding=1)
