"""The face at rest, as one frame of it shows: what a model is told of the person it moves.

A voice hardly says whether its owner smiles or how wide the mouth is when it rests; one frame does.
In training it is any frame of the sample that a window was cut from, in use the portrait.

Letters: B batch, T frames, C expression coefficients, P = C + 1.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from viseme_core.batches import MotionBatch
from viseme_core.draws import Draws
from viseme_core.types import NUM_EXPRESSION

PORTRAIT_DIM = NUM_EXPRESSION + 1
SHOWN = 0.8
"""Share of training samples that are shown a portrait; the rest learn to do without."""


class CutSample(NamedTuple):
    """A window of each training sample, and a frame of it."""

    batch: MotionBatch
    """Windows of one length."""
    portrait_BC: Tensor
    """Expression of the frame, in raw units; NaN where none is shown."""


def cut_samples(batch: MotionBatch, length: int, draws: Draws) -> CutSample:
    """Return a window of each sample and the expression of a random frame.

    Args:
        batch: Samples; padding is at their ends.
        length: Frames of a window; shorter samples are left whole.
        draws: Where windows begin, which frames are shown and to whom.
    """
    device = batch.mask_BT.device
    real_B = batch.mask_BT.sum(1)
    rows_B = torch.arange(len(real_B), device=device)
    shown_B = (draws.uniform("portrait/frame").to(device) * real_B).long()
    is_shown_B = draws.chance("portrait/is_shown", SHOWN).to(device)
    portrait_BC = batch.expression_BTC[rows_B, shown_B]
    portrait_BC = torch.where(is_shown_B[:, None], portrait_BC, torch.nan)
    length = min(length, batch.mask_BT.shape[1])
    spare_B = (real_B - length).clamp(min=0)
    first_B = (draws.uniform("window/first").to(device) * (spare_B + 1)).long()
    frames_BT = first_B[:, None] + torch.arange(length, device=device)
    cut = {
        name: getattr(batch, name)[rows_B[:, None], frames_BT]
        for name in ("expression_BTC", "pose_BT6", "audio_BTA", "mask_BT")
    }
    return CutSample(batch._replace(**cut), portrait_BC)


def describe(portrait_BC: Tensor) -> Tensor:
    """Return what a network is given (B, P): the expression and 1, or zeros where there is none.

    Args:
        portrait_BC: Expression in units of its spread; NaN where nothing is shown.
    """
    is_shown_B1 = portrait_BC.isfinite().all(-1, keepdim=True)
    shown_BC = torch.where(is_shown_B1, portrait_BC, 0.0)
    return torch.cat([shown_BC, is_shown_B1.to(portrait_BC)], -1)


def nobody(num_voices: int, like: Tensor) -> Tensor:
    """Return portraits (B, C) that show nothing, of the type and device of `like`."""
    return like.new_full((num_voices, NUM_EXPRESSION), torch.nan)
