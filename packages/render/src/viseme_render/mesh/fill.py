"""Pictures continued beyond what is known of them, and softened."""

import torch
import torch.nn.functional as F
from torch import Tensor

_LEVELS = 6
BLOCK_PX = 2 ** (_LEVELS - 1)
"""Side of the largest blocks that a picture is averaged over."""
BLUR_VARIANCE = 0.5
"""Variance, in square pixels, that `blurred` adds each time."""
_PROBE_TIMES = 4


def continued(picture_3hw: Tensor, share_hw: Tensor) -> Tensor:
    """Return a picture in which what is not known continues what is, ever more smoothly.

    Args:
        picture_3hw: Any values.
        share_hw: How far each pixel is known, in [0, 1].
    """
    weight_11hw = share_hw[None, None] ** 2
    level_13hw = picture_3hw[None] * weight_11hw
    stack = []
    for _ in range(_LEVELS):
        stack.append((level_13hw, weight_11hw))
        if min(weight_11hw.shape[-2:]) < 2:
            break
        level_13hw = F.avg_pool2d(level_13hw, 2, ceil_mode=True, count_include_pad=False)
        weight_11hw = F.avg_pool2d(weight_11hw, 2, ceil_mode=True, count_include_pad=False)
    level_13hw, weight_11hw = stack.pop()
    filled_13hw = level_13hw / weight_11hw.clamp_min(1e-6)
    while stack:
        level_13hw, weight_11hw = stack.pop()
        coarse_13hw = F.interpolate(filled_13hw, weight_11hw.shape[-2:], mode="bilinear")
        # A pixel that is half known is known: only its neighbours' colour is mixed in it.
        known_11hw = (4 * weight_11hw).clamp(0, 1)
        filled_13hw = torch.lerp(coarse_13hw, level_13hw / weight_11hw.clamp_min(1e-6), known_11hw)
    return filled_13hw[0]


def blurred(values_TChw: Tensor, times: int = 1) -> Tensor:
    """Return values averaged over neighbours by binomial weights, so many times over."""
    for _ in range(times):
        padded = F.pad(values_TChw, (1, 1, 1, 1), mode="replicate")
        wide = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
        values_TChw = (wide[..., :-2, :] + 2 * wide[..., 1:-1, :] + wide[..., 2:, :]) / 16
    return values_TChw


def blur_of(picture_3hw: Tensor) -> Tensor:
    """Return the variance, in square pixels, of the blur that the edges of a picture have, ().

    Steps that are blurred by a variance s have gradients whose energy goes as 1 / sqrt(s); what is
    left of it after a blur that is known tells s. Noise and texture make a picture look sharper.
    """
    grey_11hw = picture_3hw.mean(0)[None, None]
    before, after = (
        _gradient_energy(values) for values in (grey_11hw, blurred(grey_11hw, _PROBE_TIMES))
    )
    kept = (after / before.clamp_min(1e-9)).square().clamp(max=0.99)
    return _PROBE_TIMES * BLUR_VARIANCE * kept / (1 - kept)


def _gradient_energy(values_11hw: Tensor) -> Tensor:
    across, down = values_11hw.diff(dim=-1), values_11hw.diff(dim=-2)
    return across.square().sum() + down.square().sum()
