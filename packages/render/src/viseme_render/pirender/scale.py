"""Coefficients in units of their own spread."""

import torch
from torch import Tensor, nn

from viseme_face.driving import NUM_COEFFICIENTS

# Spread of a coefficient that never moved: rounding, and no motion at all.
_STILL = 1e-6


class CoefficientScale(nn.Module):
    """Takes the mean off coefficients and divides by their deviation; changes nothing until set.

    A coefficient that never moved in the training data says nothing to a network that never saw it
    move: it is 0 from then on.
    """

    mean: Tensor
    factor: Tensor
    was_set: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(NUM_COEFFICIENTS))
        self.register_buffer("factor", torch.ones(NUM_COEFFICIENTS))
        self.register_buffer("was_set", torch.tensor(False))

    @property
    def is_set(self) -> bool:
        """Whether mean and deviation are known."""
        return bool(self.was_set)

    def set(self, mean_C: Tensor, deviation_C: Tensor) -> None:
        """Take over the training data's mean and deviation, (73,) each."""
        moves_C = deviation_C > _STILL
        self.mean.copy_(mean_C)
        self.factor.copy_(torch.where(moves_C, 1 / deviation_C.clamp(min=_STILL), 0.0))
        self.was_set.fill_(True)

    def forward(self, rows_XC: Tensor) -> Tensor:
        """Return scaled coefficients (..., 73)."""
        return (rows_XC - self.mean) * self.factor
