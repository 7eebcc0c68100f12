"""Means over real frames, the same however a batch is spread over processes."""

import torch
from torch import Tensor, nn

# A coefficient that moves nothing, or never moved in the data, still counts a little.
SMALLEST_MOVE = 1e-3


def frame_mean(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Return the mean over each sample's real frames, then over samples.

    Samples count alike whatever their length: a mean over all frames of a batch would depend on
    which samples share it. A sample without real frames counts as zero.
    """
    weight_BT = mask_BT.to(values_BT)
    return ((values_BT * weight_BT).sum(1) / weight_BT.sum(1).clamp(min=1)).mean()


def squared_error(
    predicted_BTC: Tensor, target_BTC: Tensor, mask_BT: Tensor, weight: Tensor | float = 1.0
) -> Tensor:
    """Return the squared error, averaged over channels, real frames and samples.

    Args:
        predicted_BTC: What a network says.
        target_BTC: What it should say.
        mask_BT: Frames that count.
        weight: Weight of each squared error, of a shape that goes with theirs.
    """
    error_BTC = (predicted_BTC - target_BTC).square() * weight
    return frame_mean(error_BTC.mean(-1), mask_BT)


class Importance(nn.Module):
    """Weights of squared errors, given in units of the training data's spread.

    Nothing of it is saved: only training needs it.

    Args:
        dim: Number of coefficients.
    """

    moves_C: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("moves_C", torch.ones(dim), persistent=False)
        self.power = 0.0

    def set(self, moves_C: Tensor, power: float) -> None:
        """Count errors by what they move of the face.

        Args:
            moves_C: How far one unit of each coefficient moves it.
            power: At 0 all errors count alike; at 1 in proportion to the movement.
        """
        self.moves_C.copy_(moves_C)
        self.power = power

    def forward(self, std_C: Tensor) -> Tensor:
        """Return the weights (C,), of mean 1, for coefficients of this spread."""
        weight_C = (self.moves_C * std_C).clamp(min=SMALLEST_MOVE).pow(2 * self.power)
        return weight_C / weight_C.mean()
