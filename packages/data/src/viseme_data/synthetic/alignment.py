"""When recordings make their sounds, found by saying the same words and comparing.

espeak-ng says the text and tells when each of its sounds begins. Dynamic time warping lays its
cepstra over those of the recording, and the times are carried along the path. That is right to a
tenth of a second or so; `sharpening` makes it sharp. Letters: S samples, N columns of the
recording, M columns of what espeak-ng says, C cepstra, P places of a path.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from viseme_core.audio import LogMelConfig, build_encoder
from viseme_core.types import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from viseme_data.synthetic.phonemes import Phone
from viseme_data.synthetic.sharpening import COLUMN_SEC, Spoken, sharpened
from viseme_data.synthetic.speech import Synthesizer, Voice

_BANDS = 80
_CEPSTRA = 13
# What is 50 dB below the loudest counts as silence, in units of the log-mel energies.
_RANGE = 1.25
# A slope is taken between so many columns before and after.
_SLOPE = 2
# Price of a step that only one of the two takes, as a share of the mean distance of columns: speech
# is faster or slower rather than stopped.
_HOLD_PRICE = 0.2
# Words a minute that espeak-ng speaks well.
_SLOWEST, _FASTEST = 90, 380
_MIN_SEC = 0.2


class Stretch(NamedTuple):
    """Words of a recording, and when they are said: from silence to silence."""

    start_sec: float
    end_sec: float
    text: str


def align(
    recordings: Sequence[tuple[Tensor, Sequence[Stretch]]], engine: Synthesizer, voice: Voice
) -> list[list[list[Phone]]]:
    """Return the sounds of every stretch of every recording, in the time of the recording.

    All recordings are aligned together: they teach each other what a sound is like.

    Args:
        recordings: Of each its samples, mono at 16 kHz, and what is said in it.
        engine: Says the same.
        voice: In which voice; its rate is fitted to each stretch.

    Raises:
        ValueError: If a stretch is not in its recording, or its text cannot be spoken.
    """
    spoken: list[Spoken] = []
    for audio_S, stretches in recordings:
        whole_NC = cepstra(audio_S)
        for stretch in stretches:
            piece_S = _cut(audio_S, stretch)
            # Speech around a stretch says best what is usual of the recording.
            first = round(stretch.start_sec / COLUMN_SEC)
            heard_NC = whole_NC[first : first + round(len(piece_S) / SAMPLE_RATE_HZ / COLUMN_SEC)]
            spoken.append(Spoken(heard_NC, _warped(piece_S, stretch.text, engine, voice)))
    sharp = iter(sharpened(spoken))
    return [
        [[phone.shifted(one.start_sec) for phone in next(sharp)] for one in stretches]
        for _, stretches in recordings
    ]


def _cut(audio_S: Tensor, stretch: Stretch) -> Tensor:
    total_sec = len(audio_S) / SAMPLE_RATE_HZ
    is_inside = stretch.start_sec >= 0 and stretch.end_sec <= total_sec + COLUMN_SEC
    if not is_inside or stretch.end_sec - stretch.start_sec < _MIN_SEC:
        raise ValueError(
            f"{stretch.text!r} is given from {stretch.start_sec:.2f} to {stretch.end_sec:.2f} s; "
            f"it must take {_MIN_SEC} s at least, and the recording ends at {total_sec:.2f} s"
        )
    first, last = (round(sec * SAMPLE_RATE_HZ) for sec in (stretch.start_sec, stretch.end_sec))
    return audio_S[first:last]


def _warped(piece_S: Tensor, text: str, engine: Synthesizer, voice: Voice) -> list[Phone]:
    """Return the sounds of a text in the time of the sound in which it is said."""
    spoken = engine.say(text, voice)
    rate = voice.words_per_minute * spoken.seconds / (len(piece_S) / SAMPLE_RATE_HZ)
    rate = round(min(max(rate, _SLOWEST), _FASTEST))
    spoken = engine.say(text, replace(voice, words_per_minute=rate))
    return carry(spoken.phones, warp(cepstra(piece_S), cepstra(spoken.samples_S)))


def cepstra(audio_S: Tensor) -> np.ndarray:
    """Return cepstra, their slopes and the slopes of these every 10 ms, (N, 39).

    Each has mean 0 and deviation 1 over the sound.
    """
    padded_S = torch.nn.functional.pad(audio_S, (0, -len(audio_S) % SAMPLES_PER_FRAME))
    bands_NB = build_encoder(LogMelConfig()).encode(padded_S).reshape(-1, _BANDS).double().numpy()
    bands_NB = bands_NB[: max(1, round(len(audio_S) / SAMPLE_RATE_HZ / COLUMN_SEC))]
    # The noise of a room is not what is said.
    bands_NB = np.maximum(bands_NB, bands_NB.max() - _RANGE)
    angle_BC = np.outer(np.arange(_BANDS) + 0.5, np.arange(_CEPSTRA)) * math.pi / _BANDS
    static_NC = bands_NB @ np.cos(angle_BC)
    slope_NC = _slope(static_NC)
    all_NC = np.concatenate([static_NC, slope_NC, _slope(slope_NC)], axis=1)
    return (all_NC - all_NC.mean(0)) / np.maximum(all_NC.std(0), 1e-6)


def _slope(values_NC: np.ndarray) -> np.ndarray:
    padded_NC = np.pad(values_NC, ((_SLOPE, _SLOPE), (0, 0)), mode="edge")
    return padded_NC[2 * _SLOPE :] - padded_NC[: -2 * _SLOPE]


def warp(heard_NC: np.ndarray, said_MC: np.ndarray) -> np.ndarray:
    """Return pairs of columns (n, m) that belong together, (P, 2), from both first to both last."""
    norms_NM = (heard_NC**2).sum(1)[:, None] + (said_MC**2).sum(1)
    cost_NM = np.sqrt(np.maximum(norms_NM - 2 * heard_NC @ said_MC.T, 0))
    hold = _HOLD_PRICE * float(cost_NM.mean())
    num, other = cost_NM.shape
    # One diagonal after the other, cell (n, m) at place n: each needs only the two before.
    total_DN = np.full((num + other + 1, num + 1), np.inf)
    step_DN = np.zeros((num + other - 1, num), np.int8)
    total_DN[0, 0] = 0
    for diagonal in range(num + other - 1):
        low, high = max(0, diagonal - other + 1), min(num, diagonal + 1)
        n = np.arange(low, high)
        # Row 0 of `total` is before the first cell, and so is column 0.
        both = total_DN[diagonal, n]
        one = total_DN[diagonal + 1, n] + hold
        same = total_DN[diagonal + 1, n + 1] + hold
        choices = np.stack([both, one, same])
        step_DN[diagonal, n] = choices.argmin(0)
        total_DN[diagonal + 2, n + 1] = choices.min(0) + cost_NM[n, diagonal - n]
    n, m = num - 1, other - 1
    path = [(n, m)]
    while n or m:
        step = step_DN[n + m, n]
        n, m = n - (step != 2), m - (step != 1)
        path.append((n, m))
    return np.array(path[::-1])


def carry(phones: Sequence[Phone], path_P2: np.ndarray) -> list[Phone]:
    """Return sounds of what was said in the time of what was heard.

    Args:
        phones: In the time of the second of the two.
        path_P2: What `warp` gave.
    """
    columns = np.arange(path_P2[-1, 1] + 1)
    first = np.searchsorted(path_P2[:, 1], columns)
    last = np.searchsorted(path_P2[:, 1], columns, side="right") - 1
    middle_sec = ((path_P2[first, 0] + path_P2[last, 0]) / 2 + 0.5) * COLUMN_SEC
    at_sec = (columns + 0.5) * COLUMN_SEC
    # What begins with the one begins with the other, and ends so.
    ends_sec = ((columns[-1] + 1) * COLUMN_SEC, (path_P2[-1, 0] + 1) * COLUMN_SEC)
    from_sec = np.concatenate([[0], at_sec, [max(ends_sec[0], phones[-1].end_sec)]])
    to_sec = np.concatenate([[0], middle_sec, [ends_sec[1]]])

    def moved(sec: float) -> float:
        return float(np.interp(sec, from_sec, to_sec))

    return [
        phone._replace(
            start_sec=moved(phone.start_sec),
            end_sec=moved(phone.end_sec),
            release_sec=moved(phone.release_sec),
        )
        for phone in phones
    ]
