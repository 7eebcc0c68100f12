"""Samples of which a part is known: frames of the window before, the region around a mask.

Before every call of the network the known part is put in its place at the noise level of the step,
so that the network fits the rest to it. At the end it stands in the result as it was given.

The rest follows the known part only in part: for two numbers of correlation 0.9, one of them known,
the other goes 70 % of its way with fresh noise in every step (`ddpm`, `ddim` with eta 1) and 50 %
without. A network that is given the known part as a condition does better.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from viseme_core.diffusion.process import DiffusionConfig, DiffusionProcess

Constraint = Callable[[Tensor, Tensor | None], Tensor]
"""Returns a sample (B, ...) as it should go on, given it and its step t (B,); None is clean."""


def keep_known(
    known: Tensor, is_known: Tensor, noise: Tensor, process: DiffusionConfig
) -> Constraint:
    """Return a constraint for `sample` that holds the known part of every sample.

    Args:
        known: Clean values (B, ...); those where `is_known` is False are never used.
        is_known: True where a value is known; any shape that broadcasts to that of `known`, such
            as (B, T, 1) for frames.
        noise: Noise that the known part is given, shaped like `known`: the one that the sample
            starts from, so that known and unknown parts begin as one draw.
        process: Schedule that the network was trained with.
    """
    shape = known.shape
    if noise.shape != shape:
        raise ValueError(
            f"keep_known.noise must have the shape of known {tuple(shape)}, got "
            f"{tuple(noise.shape)}"
        )
    # Broadcasting fails on some shapes and grows on others; both would surprise later.
    if is_known.dtype != torch.bool or not _broadcasts(is_known.shape, shape):
        raise ValueError(
            f"keep_known.is_known must be boolean and broadcast to {tuple(shape)}, got "
            f"{is_known.dtype} of shape {tuple(is_known.shape)}"
        )
    diffusion = DiffusionProcess(process)

    def constrain(sample: Tensor, step_B: Tensor | None) -> Tensor:
        at_step = known.to(sample)
        if step_B is not None:
            at_step = diffusion.add_noise(at_step, noise.to(sample), step_B)
        return torch.where(is_known.to(sample.device), at_step, sample)

    return constrain


def _broadcasts(shape: torch.Size, to: torch.Size) -> bool:
    try:
        return torch.broadcast_shapes(shape, to) == to
    except RuntimeError:
        return False
