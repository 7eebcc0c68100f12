"""Classifier-free guidance: both predictions in one batched pass.

DisentTalk Eq. 9: eps* = s eps(x, A) + (1 - s) eps(x, null). Clean and velocity predictions are
affine in eps at a given x and t, and the two weights sum to one, so the same line guides them.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor


class Denoiser(Protocol):
    """A network that predicts the target of its process from x_t, t and named conditions."""

    def __call__(self, noisy: Tensor, step_B: Tensor, **condition: Tensor) -> Tensor:
        """Return the prediction, shaped like `noisy`."""
        ...


def predict_guided(
    denoiser: Denoiser,
    noisy: Tensor,
    step_B: Tensor,
    condition: Mapping[str, Tensor],
    null: Mapping[str, Tensor],
    scale: float,
) -> Tensor:
    """Return the prediction at the given guidance scale.

    Args:
        denoiser: Network to ask.
        noisy: x_t, shape (B, ...).
        step_B: t.
        condition: What the prediction depends on, each (B, ...).
        null: Replacements of the conditions to be guided by, same shapes; a condition that is
            absent here stays as it is in both halves.
        scale: 1 is the plain conditional prediction and costs one pass; 0 the unconditional one.
    """
    if scale == 1.0:
        return denoiser(noisy, step_B, **condition)
    if not null:
        raise ValueError(
            f"guidance_scale {scale} needs a null condition, but this model gave none; use 1.0"
        )
    unknown = sorted(set(null) - set(condition))
    if unknown:
        raise ValueError(f"null holds {unknown}, which are no conditions of this model")
    if scale == 0.0:
        return denoiser(noisy, step_B, **{**condition, **null})
    both = {name: torch.cat([value, null.get(name, value)]) for name, value in condition.items()}
    prediction = denoiser(torch.cat([noisy, noisy]), torch.cat([step_B, step_B]), **both)
    with_condition, without = prediction.chunk(2)
    return scale * with_condition + (1 - scale) * without
