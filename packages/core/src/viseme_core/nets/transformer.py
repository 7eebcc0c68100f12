"""The position-wise half of a transformer layer."""

from torch import nn


class FeedForward(nn.Sequential):
    """Two linear layers with GELU between, applied to every frame by itself.

    Args:
        dim: Width of input and result.
        expansion: Width between, as a multiple of `dim`.
    """

    def __init__(self, dim: int, expansion: int = 4) -> None:
        super().__init__(
            nn.Linear(dim, expansion * dim), nn.GELU(), nn.Linear(expansion * dim, dim)
        )
