"""Losses between pictures. Letters: B batch, C channels, H W pixels."""

from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Likeness(NamedTuple):
    """How unlike made and true pictures are."""

    content: Tensor
    """(), the perceptual loss."""
    style: Tensor
    """(), the style loss; 0 of a loss that has none."""


class PerceptualLoss(Protocol):
    """Tells how unlike pictures are."""

    def __call__(self, made_B3HW: Tensor, true_B3HW: Tensor, *, style: bool) -> Likeness:
        """Return content and, if asked for, style; gradients flow to what was made."""
        ...


class EdgeLoss:
    """The perceptual loss that needs no network: colours and edges at several sizes.

    At each size, the mean absolute difference of colours and that of the steps to the right and
    down neighbour; their mean over sizes.

    Args:
        scales: Sizes, each half of the one before.
    """

    def __init__(self, scales: int) -> None:
        self._scales = scales

    def __call__(self, made_B3HW: Tensor, true_B3HW: Tensor, *, style: bool) -> Likeness:
        """Return the loss; there is no style to it."""
        wrong = made_B3HW - true_B3HW
        total = wrong.new_zeros(())
        for scale in range(self._scales):
            # Differences are linear: the difference of smaller pictures is the smaller difference.
            wrong = F.avg_pool2d(wrong, 2) if scale else wrong
            steps = (wrong.diff(dim=-1), wrong.diff(dim=-2))
            total = total + wrong.abs().mean() + sum(step.abs().mean() for step in steps)
        return Likeness(total / self._scales, wrong.new_zeros(()))


def pixel_loss(made_B3HW: Tensor, true_B3HW: Tensor, weight_BHW: Tensor) -> Tensor:
    """Return the mean absolute difference, each pixel counted by its weight, ()."""
    return ((made_B3HW - true_B3HW).abs().mean(1) * weight_BHW).mean()


def gram(features_BChw: Tensor) -> Tensor:
    """Return how channels go together: F F^T / (C h w), (B, C, C)."""
    flat_BCX = features_BChw.flatten(2)
    return torch.bmm(flat_BCX, flat_BCX.mT) / flat_BCX[0].numel()


def network_likeness(made: list[Tensor], true: list[Tensor], *, style: bool) -> Likeness:
    """Return mean absolute differences of features and of their Gram matrices, added over layers.

    Args:
        made: Features (B, C, h, w) of made pictures, a layer each.
        true: Those of true pictures.
        style: Whether Gram matrices are wanted.
    """
    zero = made[0].new_zeros(())
    content = sum(((a - b).abs().mean() for a, b in zip(made, true, strict=True)), zero)
    if not style:
        return Likeness(content, zero)
    grams = ((gram(a) - gram(b)).abs().mean() for a, b in zip(made, true, strict=True))
    return Likeness(content, sum(grams, zero))
