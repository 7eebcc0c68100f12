"""How well a sync network tells right sounds from shifted ones, and finds known offsets.

Letters: T rows of a stream, or frames; D width; S shifts, or samples of sound.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_core.draws import Draws
from viseme_core.types import SAMPLES_PER_FRAME
from viseme_eval.functional.sync import MAX_OFFSET, cosine_offset
from viseme_eval.syncnet.config import SHIFTS
from viseme_eval.syncnet.network import LandmarkSyncNetwork

SECOND = 25
"""Frames of the longer of the two lengths at which accuracy is reported."""


class Verdicts(NamedTuple):
    """How often the right sound was nearer than a shifted one, by the size of the shift."""

    right_S: Tensor
    """Pairs told right, float64."""
    total_S: Tensor
    """Pairs, float64."""

    @property
    def accuracy(self) -> Tensor:
        """Share of all pairs; NaN where there is none."""
        return self.right_S.sum() / self.total_S.sum()

    @property
    def by_shift(self) -> Tensor:
        """Share by size of the shift, (S,)."""
        return self.right_S / self.total_S


def judge(
    visual_TD: Tensor,
    audio_TD: Tensor,
    *,
    rows: int = 1,
    shifts: Iterable[int] = range(SHIFTS[0], SHIFTS[1] + 1),
) -> Verdicts:
    """Return verdicts over every stretch of a clip and every shift, either way.

    A stretch is `rows` successive rows; its mean cosine with its own sound must be above that with
    the sound a shift earlier or later. A tie is half right.

    Args:
        visual_TD: Embeddings of the picture.
        audio_TD: Embeddings of the sound of the same frames.
        rows: Rows that are judged together.
        shifts: Sizes of the shifts in frames.
    """
    seen_TD, heard_TD = (F.normalize(each.double(), dim=-1) for each in (visual_TD, audio_TD))
    own_T = (seen_TD * heard_TD).sum(-1)
    right, total = [], []
    for size in shifts:
        right_sum, count = seen_TD.new_zeros(()), 0
        num = max(0, len(seen_TD) - size)
        for here, there in ((slice(size, None), slice(0, num)), (slice(0, num), slice(size, None))):
            margin_T = own_T[here] - (seen_TD[here] * heard_TD[there]).sum(-1)
            if len(margin_T) < rows:
                continue
            margin_T = margin_T.unfold(0, rows, 1).mean(-1)
            right_sum = right_sum + (margin_T.sign() + 1).sum() / 2
            count += len(margin_T)
        right.append(right_sum)
        total.append(seen_TD.new_tensor(count))
    return Verdicts(torch.stack(right), torch.stack(total))


def add_up(verdicts: Iterable[Verdicts]) -> Verdicts:
    """Return the verdicts of several clips, over the same shifts, together."""
    right, total = zip(*verdicts, strict=True)
    return Verdicts(torch.stack(right).sum(0), torch.stack(total).sum(0))


def rows_of_a_second(window: int) -> int:
    """Return how many rows of a stream cover a second."""
    return max(1, SECOND - window + 1)


class ClipScore(NamedTuple):
    """What a network makes of one clip."""

    window: Verdicts
    """On single windows."""
    second: Verdicts
    """On stretches of a second."""
    errors: tuple[float, ...]
    """Found less known offset in frames, one for each known offset; NaN where the clip was too
    short for that."""


def score_clip(
    network: LandmarkSyncNetwork, points_TK3: Tensor, audio_S: Tensor, offsets: Sequence[int]
) -> ClipScore:
    """Return how a network fares on a clip that is in sync.

    Args:
        network: What judges.
        points_TK3: Landmarks `mp478`.
        audio_S: 16 kHz mono, 640 samples for each frame.
        offsets: Known offsets in frames, -15 to 15, that the clip is given one after the other.
    """
    seen_TD, heard_TD = network.embed(points_TK3, audio_S)
    second = rows_of_a_second(network.window)
    errors = []
    for known in offsets:
        shifted = with_offset(points_TK3, audio_S, known)
        found = torch.tensor(torch.nan)
        if len(shifted[0]) >= network.window:
            found = cosine_offset(*network.embed(*shifted)).offset
        errors.append(float(found) - known)
    return ClipScore(
        window=judge(seen_TD, heard_TD),
        second=judge(seen_TD, heard_TD, rows=second),
        errors=tuple(errors),
    )


def with_offset(points_TK3: Tensor, audio_S: Tensor, offset: int) -> tuple[Tensor, Tensor]:
    """Return a clip whose mouth comes `offset` frames later than its sound, shorter by as many."""
    num = len(points_TK3) - abs(offset)
    first_sample = max(0, offset) * SAMPLES_PER_FRAME
    first_frame = max(0, -offset)
    return (
        points_TK3[first_frame : first_frame + max(0, num)],
        audio_S[first_sample : first_sample + max(0, num) * SAMPLES_PER_FRAME],
    )


def draw_offsets(number: int, count: int) -> list[int]:
    """Return known offsets for a clip by its number, evenly drawn from -15 to 15."""
    drawn = Draws(0, 0, [number]).integers("syncnet/offsets", 2 * MAX_OFFSET + 1, count)
    return (drawn[0] - MAX_OFFSET).tolist()
