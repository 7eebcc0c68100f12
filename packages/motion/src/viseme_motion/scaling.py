"""Coefficients and sound in units of their spread over the training data."""

import torch
from torch import Tensor, nn


class Scaler(nn.Module):
    """Shifts and divides the last dimension so that training data have mean 0 and deviation 1.

    Mean and deviation are buffers, saved with the weights. Until `set` is called it changes
    nothing.

    Args:
        dim: Width of the last dimension.
    """

    # A coefficient that never moves in the data must not be blown up at inference.
    SMALLEST = 1e-4

    mean: Tensor
    std: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    def set(self, mean: Tensor, std: Tensor) -> None:
        """Take over what was measured on training data."""
        self.mean.copy_(mean)
        self.std.copy_(std.clamp(min=self.SMALLEST))

    @property
    def is_set(self) -> bool:
        """Whether `set` was called, here or before it was saved."""
        return bool(self.mean.any() or (self.std != 1).any())

    def forward(self, values: Tensor) -> Tensor:
        """Return values in units of their spread."""
        return (values - self.mean) / self.std

    def undo(self, scaled: Tensor) -> Tensor:
        """Return values in their own units."""
        return scaled * self.std + self.mean


class RunningMoments:
    """Mean and deviation of many rows, added up in float64.

    Args:
        dim: Width of a row.
    """

    def __init__(self, dim: int) -> None:
        self._count = 0
        self._sum = torch.zeros(dim, dtype=torch.float64)
        self._squares = torch.zeros(dim, dtype=torch.float64)

    def add(self, rows_ND: Tensor) -> None:
        """Take in rows, shape (..., D)."""
        rows_ND = rows_ND.reshape(-1, rows_ND.shape[-1]).double()
        self._count += len(rows_ND)
        self._sum += rows_ND.sum(0)
        self._squares += rows_ND.square().sum(0)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and deviation, float32 (D,) each."""
        mean = self._sum / self._count
        variance = (self._squares / self._count - mean.square()).clamp(min=0)
        return mean.float(), variance.sqrt().float()
