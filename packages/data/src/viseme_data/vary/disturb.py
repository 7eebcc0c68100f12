"""What a recording may go through: another speed, microphone, room, noise and level.

Each is a pure function of its arguments; those with chance in them take a generator. Sound is mono
at 16 kHz, float32. Letters: S samples, K knots.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_core.audio import resample
from viseme_core.types import SAMPLE_RATE_HZ, AudioClip

SPEED_STEP_HZ = 100
"""Speeds are multiples of this over 16 kHz: resampling is exact, and its filters are small."""

# Zeros behind a sound, so that what a filter smears over its end does not come out at its start.
_GUARD = SAMPLE_RATE_HZ // 10
# Each sample of a room's tail has this deviation at its start; what comes straight has 1. In a room
# of 0.3 s both are about as loud.
_TAIL = 0.05
# A room's decay time is that to a thousandth.
_DECAYED = 1e-3


def at_speed(samples_S: Tensor, speed: float) -> Tensor:
    """Return the sound played faster or slower, as a tape is: its pitch goes with the speed.

    Args:
        samples_S: The sound.
        speed: 1.1 makes it a tenth shorter in time, up to rounding; a multiple of 1/160.

    Returns:
        Ceil(S / speed) samples.

    Raises:
        ValueError: If the speed is no such multiple.
    """
    steps = speed * SAMPLE_RATE_HZ / SPEED_STEP_HZ
    if steps < 1 or abs(steps - round(steps)) > 1e-6:
        raise ValueError(
            f"speed must be a multiple of {SPEED_STEP_HZ}/{SAMPLE_RATE_HZ}, got {speed}"
        )
    return resample(AudioClip(samples_S, round(steps) * SPEED_STEP_HZ)).samples_S


def equalised(samples_S: Tensor, gains_K: Tensor) -> Tensor:
    """Return the sound through an equaliser that moves nothing in time.

    Args:
        samples_S: The sound.
        gains_K: Gains in dB at frequencies evenly spaced from 0 to 8 kHz, straight in between.
    """
    num = len(samples_S) + _GUARD
    # Even, so that the last bin is 8 kHz.
    num += num % 2
    spectrum_N = torch.fft.rfft(samples_S, n=num)
    gains_N = F.interpolate(
        gains_K[None, None].to(samples_S), size=len(spectrum_N), mode="linear", align_corners=True
    )[0, 0]
    return torch.fft.irfft(spectrum_N * 10 ** (gains_N / 20), n=num)[: len(samples_S)]


def room(decay_sec: float, generator: torch.Generator) -> Tensor:
    """Return a room's response to a click: the click, then noise that dies away.

    Args:
        decay_sec: Time in which the noise falls by 60 dB, and how long the response is.
        generator: Source of chance.
    """
    num = max(1, math.ceil(decay_sec * SAMPLE_RATE_HZ))
    fall_S = _DECAYED ** (torch.arange(num) / (decay_sec * SAMPLE_RATE_HZ))
    response_S = _TAIL * torch.randn(num, generator=generator) * fall_S
    response_S[0] = 1.0
    return response_S


def in_room(samples_S: Tensor, response_S: Tensor) -> Tensor:
    """Return the sound as it is heard in a room; what echoes after its end is cut off."""
    num = len(samples_S) + len(response_S)
    spectrum_N = torch.fft.rfft(samples_S, n=num) * torch.fft.rfft(response_S, n=num)
    return torch.fft.irfft(spectrum_N, n=num)[: len(samples_S)]


def noise(num: int, generator: torch.Generator, *, cutoff_hz: float | None = None) -> Tensor:
    """Return white noise, or noise that is mostly low.

    Args:
        num: How many samples.
        generator: Source of chance.
        cutoff_hz: Where it begins to fall, by 12 dB an octave as through a Butterworth filter of
            second order; None for white noise.
    """
    white_S = torch.randn(num, generator=generator)
    if cutoff_hz is None:
        return white_S
    spectrum_N = torch.fft.rfft(white_S)
    hertz_N = torch.linspace(0, 1, len(spectrum_N)) * (SAMPLE_RATE_HZ / 2)
    return torch.fft.irfft(spectrum_N / (1 + (hertz_N / cutoff_hz) ** 4).sqrt(), n=num)


def with_noise(samples_S: Tensor, noise_S: Tensor, snr_db: float) -> Tensor:
    """Return the sound with noise added, by their mean powers over the whole; silence stays so.

    Args:
        samples_S: The sound.
        noise_S: Noise of the same length.
        snr_db: How much louder the sound is than the noise.
    """
    share = samples_S.square().mean() / noise_S.square().mean().clamp_min(1e-20)
    return samples_S + noise_S * share.sqrt() * 10 ** (-snr_db / 20)


def at_level(samples_S: Tensor, gain_db: float) -> Tensor:
    """Return the sound louder or softer; never above full scale, so that nothing is clipped."""
    louder_S = samples_S * 10 ** (gain_db / 20)
    return louder_S / louder_S.abs().max().clamp_min(1.0)
