"""From speech sounds to a moving mouth: every sound pulls at the mouth before and after its time.

The value of a channel is the mean of all sounds' targets weighted by their dominance, which is
flat over the middle of a sound and falls off to both sides (Cohen and Massaro, "Modeling
coarticulation in synthetic visual speech", 1993; their fall-off is exponential, ours Gaussian, so
that far sounds have no say). Lips and jaw reach different far: protrusion begins early. On top,
lips that must touch do: a mean of neighbours would leave /p/, /b/ and /m/ ajar.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from viseme_data.synthetic.phonemes import PAUSE, Phone, is_vowel
from viseme_data.synthetic.visemes import CHANNELS, VisemeTable

# Seconds over which a sound's pull rises before its middle and falls after it, by channel.
_RISE_SEC = (0.060, 0.045, 0.060, 0.090, 0.035, 0.035, 0.030)
_FALL_SEC = (0.060, 0.045, 0.060, 0.060, 0.030, 0.030, 0.030)
# Part of a sound in which its pull is full.
_PLATEAU = 0.3
# The slightest pull there is: of rest, where no sound is near.
_FLOOR = 1e-6
# A mouth begins to rest only in pauses longer than this, and rests fully after as much again.
_BRIDGED_SEC = 0.12
# In a pause lips stay parted for a while after speech, and part before it.
_LINGER_SEC, _PREPARE_SEC = 0.12, 0.16
# Lips that touch do so for at least this long, so that every closure is on a frame at 25 fps.
_MIN_CONTACT_SEC = 0.048
_CLOSING_SEC, _OPENING_SEC = 0.065, 0.05
_STRESS_SIZE = {0: 0.88, 1: 1.0, 2: 1.12}

_OPENING = CHANNELS.index("opening")
_TUCK = CHANNELS.index("tuck")
_SIZED = (CHANNELS.index("jaw"), _OPENING)


class MouthMotion(NamedTuple):
    """A mouth over time."""

    channels_TC: Tensor
    """Value per channel of `visemes.CHANNELS`."""
    contact_T: Tensor
    """How far the lips are closed by a sound that needs it: 1 is touching."""


def move_mouth(
    phones: Sequence[Phone], table: VisemeTable, times_T: Tensor, size_T: Tensor
) -> MouthMotion:
    """Return how a mouth moves that says these sounds.

    Args:
        phones: Sounds in order.
        table: Their mouth shapes.
        times_T: When to look, in seconds.
        size_T: How large movements of jaw and lips are at each time; 1 is usual.
    """
    names = tuple(phone.name for phone in phones)
    times_T = times_T.double()
    weights_CTP = pull(phones, table, times_T)
    targets_PC = table.targets(names)
    stress_P = torch.tensor([_size_of(phone) for phone in phones], dtype=torch.float64)
    for channel in _SIZED:
        targets_PC[:, channel] *= stress_P
    channels_TC = torch.einsum("ctp,pc->tc", weights_CTP, targets_PC)
    for channel in _SIZED:
        channels_TC[:, channel] *= size_T
    contact_T = _contact(phones, table, times_T)
    # Where a closure holds, nothing parts the lips.
    channels_TC[:, _OPENING] *= 1 - contact_T
    channels_TC[:, _TUCK] *= 1 - contact_T
    return MouthMotion(channels_TC, contact_T)


def pull(phones: Sequence[Phone], table: VisemeTable, times_T: Tensor) -> Tensor:
    """Return the share of every sound in the mouth's shape, (channels, T, P); shares add up to 1.

    Args:
        phones: Sounds in order.
        table: Their dominances.
        times_T: When, in seconds.
    """
    dominance_PC = table.dominances(tuple(phone.name for phone in phones))
    spans = [_plateau(phone) for phone in phones]
    start_P, end_P, strength_P = (
        torch.tensor(column, dtype=torch.float64) for column in zip(*spans, strict=True)
    )
    before_TP = (start_P - times_T[:, None]).clamp(min=0)
    after_TP = (times_T[:, None] - end_P).clamp(min=0)
    # Where no sound is near, pauses have it, and without a pause all alike.
    floor_P = torch.tensor([_FLOOR if phone.name == PAUSE else _FLOOR**2 for phone in phones])
    shares = []
    for channel, (rise, fall) in enumerate(zip(_RISE_SEC, _FALL_SEC, strict=True)):
        reach_TP = ((before_TP / rise).square() + (after_TP / fall).square()) / 2
        pull_TP = dominance_PC[:, channel] * strength_P * torch.exp(-reach_TP)
        pull_TP = pull_TP + floor_P
        shares.append(pull_TP / pull_TP.sum(-1, keepdim=True))
    return torch.stack(shares)


def _size_of(phone: Phone) -> float:
    return _STRESS_SIZE[phone.stress] if is_vowel(phone.name) else 1.0


def _plateau(phone: Phone) -> tuple[float, float, float]:
    """Return when a sound's pull is full, and how strong it is then."""
    length_sec = phone.end_sec - phone.start_sec
    if phone.name == PAUSE:
        strength = min(1.0, max(0.02, length_sec / _BRIDGED_SEC - 1))
        start_sec = phone.start_sec + min(_LINGER_SEC, length_sec / 3)
        end_sec = phone.end_sec - min(_PREPARE_SEC, length_sec / 3)
        return start_sec, end_sec, strength
    # A stop makes its shape while it is closed.
    end_sec = max(phone.release_sec, phone.start_sec + length_sec / 2)
    middle_sec = (phone.start_sec + end_sec) / 2
    half_sec = _PLATEAU / 2 * (end_sec - phone.start_sec)
    return middle_sec - half_sec, middle_sec + half_sec, 1.0


def _contact(phones: Sequence[Phone], table: VisemeTable, times_T: Tensor) -> Tensor:
    """Return how far closures have the lips closed at each time, (T,)."""
    contact_T = torch.zeros_like(times_T)
    for phone in phones:
        if not table.shapes[phone.name].contact:
            continue
        short_sec = max(0.0, _MIN_CONTACT_SEC - (phone.release_sec - phone.start_sec))
        start_sec, end_sec = phone.start_sec - short_sec / 2, phone.release_sec + short_sec / 2
        closing_T = 1 - (start_sec - times_T).clamp(min=0) / _CLOSING_SEC
        opening_T = 1 - (times_T - end_sec).clamp(min=0) / _OPENING_SEC
        contact_T = torch.maximum(contact_T, torch.minimum(closing_T, opening_T))
    # Slow at both ends, as muscles are.
    return contact_T.square() * (3 - 2 * contact_T)
