"""What speech does to a head: loudness and pitch per frame, and the movement that follows them.

Heads of speakers rise and fall with pitch and nod on stressed syllables (Munhall et al., "Visual
prosody and speech intelligibility", 2004: most of the variance of pitch is in the movement of the
head), on top of a slow sway that has nothing to do with what is said.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from viseme_core.draws import Draws
from viseme_core.types import FPS, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from viseme_data.synthetic.noise import smooth_noise, smoothed
from viseme_data.synthetic.phonemes import Phone, is_vowel

# Loudness below this is no speech; voices of the same loudness differ by less than the range.
_FLOOR_DB, _RANGE_DB = -50.0, 35.0
_LOW_HZ, _HIGH_HZ = 65.0, 420.0
_PITCH_WINDOW = 1024
# How much of a window must repeat after one period for it to be voiced, and how much of its power
# must lie where voices have most of it: the hiss of an /s/ repeats by chance.
_VOICED, _LOW_SHARE = 0.5, 0.5
_VOICE_HZ = 1200
_VOICED_LOUDNESS = 0.35
_MAX_OCTAVES = 0.7
# A nod goes down fast and comes back slowly; it begins a little before the vowel it stresses.
_NOD_DOWN_SEC, _NOD_BACK_SEC, _NOD_LEAD_SEC = 0.14, 0.32, 0.08
# Where the neck carries the head, in model units from the middle of the face.
_NECK = (0.0, -0.9, -0.9)
_LIMIT = (0.26, 0.45, 0.24)


class Prosody(NamedTuple):
    """How a voice sounds over time, one value per frame."""

    loudness_T: Tensor
    """0 is silence, 1 the loudest speech of the clip."""
    pitch_T: Tensor
    """Pitch in octaves above the clip's median; bridged where there is no voice."""
    voiced_T: Tensor
    """Where there is a voice, bool."""


@dataclass(frozen=True, kw_only=True)
class HeadStyle:
    """How much a person's head moves."""

    sway_rad: tuple[float, float, float] = (0.028, 0.07, 0.055)
    """Deviation of the slow sway about x, y and z."""
    nod_rad: float = 0.05
    """Size of a nod on a strong stress."""
    beat_rad: float = 0.055
    """How far it dips with every syllable, by their loudness."""
    lift_rad: float = 0.09
    """How far the head lifts with an octave of pitch."""
    lean_rad: float = 0.04
    """How far it turns and tilts while a phrase is loud."""
    nod_share: float = 0.5
    """Share of the stressed syllables that are nodded."""


def measure(audio_S: Tensor) -> Prosody:
    """Return the prosody of 16 kHz sound whose length is whole frames."""
    num = len(audio_S) // SAMPLES_PER_FRAME
    power_T = audio_S[: num * SAMPLES_PER_FRAME].reshape(num, -1).double().square().mean(1)
    level_T = 10 * power_T.clamp_min(1e-12).log10()
    top_db = max(float(level_T.max()), _FLOOR_DB + _RANGE_DB)
    loudness_T = ((level_T - (top_db - _RANGE_DB)) / _RANGE_DB).clamp(0, 1)
    pitch_hz_T, voiced_T = _pitch(audio_S, num)
    voiced_T = voiced_T & (loudness_T > _VOICED_LOUDNESS)
    return Prosody(loudness_T, _octaves(pitch_hz_T, voiced_T), voiced_T)


def speech_size(prosody: Prosody) -> Tensor:
    """Return how large the mouth's movements are, (T,): 1 is usual, louder speech is larger."""
    loud_T = smoothed(prosody.loudness_T, 0.16 * FPS)
    is_speech_T = loud_T > 0.2
    middle = loud_T[is_speech_T].mean() if is_speech_T.any() else loud_T.mean()
    return (1 + 0.9 * (loud_T - middle)).clamp(0.6, 1.35)


def move_head(
    draws: Draws, prosody: Prosody, phones: Sequence[Phone], style: HeadStyle, size: float = 1.0
) -> Tensor:
    """Return the head's turn in every frame, (T, 3): rx, ry, rz in radians.

    Args:
        draws: Draws of one clip.
        prosody: Of its sound.
        phones: Its sounds; stressed vowels are nodded.
        style: The person's.
        size: How lively it is; 1 is usual.
    """
    num = len(prosody.loudness_T)
    sway_T3 = smooth_noise(draws, "head/sway", num, FPS, 5.0, 3) * torch.tensor(style.sway_rad)
    fidget_T3 = smooth_noise(draws, "head/fidget", num, FPS, 1.2, 3) * torch.tensor(style.sway_rad)
    turn_T3 = sway_T3 + 0.4 * fidget_T3
    lift_T = smoothed(prosody.pitch_T, 0.12 * FPS)
    beat_T, phrase_T = (smoothed(prosody.loudness_T, sec * FPS) for sec in (0.1, 0.3))
    beat_T, phrase_T = beat_T - beat_T.mean(), phrase_T - phrase_T.mean()
    side = draws.normal("head/side", 2)[0].double()
    nods_T = _nods(draws, prosody, phones, style)
    turn_T3[:, 0] += size * (nods_T + style.beat_rad * beat_T - style.lift_rad * lift_T)
    turn_T3[:, 1] += size * style.lean_rad * side[0] * phrase_T
    turn_T3[:, 2] += size * style.lean_rad * side[1] * phrase_T
    limit_3 = turn_T3.new_tensor(_LIMIT)
    return limit_3 * torch.tanh(turn_T3 / limit_3)


def carried(turn_T3: Tensor, matrix_T33: Tensor) -> Tensor:
    """Return poses (T, 6) of a head that turns about its neck.

    Args:
        turn_T3: Angles.
        matrix_T33: Their rotation matrices.
    """
    neck_3 = turn_T3.new_tensor(_NECK)
    return torch.cat([turn_T3, neck_3 - matrix_T33 @ neck_3], -1)


def _nods(draws: Draws, prosody: Prosody, phones: Sequence[Phone], style: HeadStyle) -> Tensor:
    num = len(prosody.loudness_T)
    times_T = (torch.arange(num, dtype=torch.float64) + 0.5) / FPS
    stressed = [phone for phone in phones if is_vowel(phone.name) and phone.stress == 2]
    nods_T = torch.zeros(num, dtype=torch.float64)
    if not stressed:
        return nods_T
    chosen = draws.uniform("head/nods", len(stressed), 2)[0].double()
    for phone, (luck, strength) in zip(stressed, chosen.tolist(), strict=True):
        frame = min(num - 1, int((phone.start_sec + phone.end_sec) / 2 * FPS))
        loud = float(prosody.loudness_T[frame])
        if luck > style.nod_share:
            continue
        size = style.nod_rad * (0.4 + 0.9 * strength) * loud
        after_T = times_T - (phone.start_sec - _NOD_LEAD_SEC)
        down_T = (after_T / _NOD_DOWN_SEC).clamp(0, 1)
        back_T = ((after_T - _NOD_DOWN_SEC) / _NOD_BACK_SEC).clamp(0, 1)
        nods_T += size * (_ease(down_T) - _ease(back_T))
    return nods_T


def _ease(share_T: Tensor) -> Tensor:
    return (1 - torch.cos(math.pi * share_T)) / 2


def _pitch(audio_S: Tensor, num: int) -> tuple[Tensor, Tensor]:
    """Return pitch in Hz and where there is one, by the autocorrelation of windows."""
    half = (_PITCH_WINDOW - SAMPLES_PER_FRAME) // 2
    padded = torch.nn.functional.pad(audio_S.float(), (half, _PITCH_WINDOW))
    windows = padded.unfold(0, _PITCH_WINDOW, SAMPLES_PER_FRAME)[:num]
    taper = torch.hann_window(_PITCH_WINDOW, periodic=False)
    power = torch.fft.rfft(windows * taper, 2 * _PITCH_WINDOW).abs().square()
    edge = 2 * _PITCH_WINDOW * _VOICE_HZ // SAMPLE_RATE_HZ
    low_share = power[:, :edge].sum(1) / power.sum(1).clamp_min(1e-12)
    power[:, edge:] = 0
    own = torch.fft.irfft(torch.fft.rfft(taper, 2 * _PITCH_WINDOW).abs().square())
    # Over that of the taper, so that long periods are not thought weaker.
    scores = (torch.fft.irfft(power) / own)[:, :_PITCH_WINDOW]
    scores = scores / scores[:, :1].clamp_min(1e-9)
    low, high = int(SAMPLE_RATE_HZ / _HIGH_HZ), int(SAMPLE_RATE_HZ / _LOW_HZ)
    # Double periods repeat as well: the shorter one wins.
    bias = torch.linspace(1.0, 0.85, high - low)
    best = (scores[:, low:high] * bias).argmax(1) + low
    strength = scores.gather(1, best[:, None])[:, 0]
    return SAMPLE_RATE_HZ / best.double(), (strength > _VOICED) & (low_share > _LOW_SHARE)


def _octaves(pitch_hz_T: Tensor, voiced_T: Tensor) -> Tensor:
    if not voiced_T.any():
        return torch.zeros_like(pitch_hz_T)
    octaves_T = (pitch_hz_T / pitch_hz_T[voiced_T].median()).log2()
    # What jumps so far is a period taken for two, or two for one.
    voiced_T = voiced_T & (octaves_T.abs() < _MAX_OCTAVES)
    known = voiced_T.nonzero()[:, 0]
    places = torch.arange(len(octaves_T))
    after = torch.searchsorted(known, places).clamp_max(len(known) - 1)
    before = (torch.searchsorted(known, places, right=True) - 1).clamp_min(0)
    span = (known[after] - known[before]).clamp_min(1)
    share = ((places - known[before]) / span).clamp(0, 1).double()
    return torch.lerp(octaves_T[known[before]], octaves_T[known[after]], share)
