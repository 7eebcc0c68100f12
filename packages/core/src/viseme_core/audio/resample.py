"""Sound of any rate to 16 kHz mono, whole or in pieces, with the same result."""

import math

import torch
from torch import Tensor
from torchaudio.transforms import Resample

from viseme_core.audio.plan import Window, WindowCutter, WindowPlan
from viseme_core.types import SAMPLE_RATE_HZ, AudioClip

# torchaudio's defaults, written out because the context of a block follows from them.
FILTER_WIDTH = 6
ROLLOFF = 0.99

BLOCK_SAMPLES = 3200
"""Output samples computed at once (0.2 s)."""

MAX_KERNEL = 2**25
MAX_CHANNELS = 64


def to_mono(samples_CS: Tensor) -> Tensor:
    """Return the mean over channels, shape (S,), of sound with shape (channels, S) or (S,)."""
    if samples_CS.ndim == 1:
        return samples_CS
    if samples_CS.ndim != 2 or not 1 <= samples_CS.shape[0] <= MAX_CHANNELS:
        raise ValueError(
            f"to_mono expects shape (channels, samples) with 1 to {MAX_CHANNELS} channels, got "
            f"{tuple(samples_CS.shape)}; transpose sound that is (samples, channels)"
        )
    if not samples_CS.is_floating_point():
        raise ValueError(
            f"to_mono expects floating point in [-1, 1], got {samples_CS.dtype}; divide integer "
            "samples by their full scale first"
        )
    return samples_CS.mean(0)


def resample(clip: AudioClip) -> AudioClip:
    """Return the same sound at 16 kHz: ceil(S * 16000 / rate) samples."""
    resampler = Resampler(clip.rate_hz)
    pieces = [resampler.push(clip.samples_S.detach().cpu().float()), resampler.finish()]
    return AudioClip(torch.cat(pieces), SAMPLE_RATE_HZ)


class Resampler:
    """A stream from any rate to 16 kHz by torchaudio's windowed sinc, the same for any chunking.

    The output repeats its filters every `period_in` samples, and each looks only FILTER_WIDTH zero
    crossings far: blocks that start on a period, with that much context, equal the whole.
    Blocks have a fixed size, so even rounding does not depend on how the sound arrives.

    Args:
        rate_hz: Rate of the sound that will be pushed.
    """

    def __init__(self, rate_hz: int) -> None:
        if rate_hz <= 0:
            raise ValueError(f"Resampler.rate_hz must be positive, got {rate_hz}")
        common = math.gcd(rate_hz, SAMPLE_RATE_HZ)
        self._period_in = rate_hz // common
        self._period_out = SAMPLE_RATE_HZ // common
        lowest = ROLLOFF * min(self._period_in, self._period_out)
        reach = math.ceil(FILTER_WIDTH * self._period_in / lowest)
        if self._period_out * (self._period_in + 2 * reach) > MAX_KERNEL:
            raise ValueError(
                f"Resampler.rate_hz must share a larger divisor with {SAMPLE_RATE_HZ}, got "
                f"{rate_hz}: its filters would fill gigabytes; resample to 48000 first"
            )
        # In float32 torchaudio rounds the times of its filters, worth 2e-5 of full scale at 22 kHz.
        self._filter = Resample(
            rate_hz,
            SAMPLE_RATE_HZ,
            lowpass_filter_width=FILTER_WIDTH,
            rolloff=ROLLOFF,
            dtype=torch.float64,
        )
        plan = WindowPlan(
            length=math.ceil(BLOCK_SAMPLES / self._period_out),
            context=math.ceil(reach / self._period_in),
        )
        self._cutter = WindowCutter(plan, self._period_in)
        self._num_samples = 0

    def push(self, samples_S: Tensor) -> Tensor:
        """Return the 16 kHz samples that these complete, possibly none."""
        if self._period_in == self._period_out:
            return samples_S
        self._num_samples += samples_S.shape[0]
        return self._run(self._cutter.push(samples_S))

    def finish(self) -> Tensor:
        """Return the rest."""
        num_periods = math.ceil(self._num_samples / self._period_in)
        return self._run(self._cutter.finish(num_periods))

    def _run(self, windows: list[Window]) -> Tensor:
        blocks = [torch.zeros(0)]
        for window in windows:
            samples = self._filter(window.samples_S.double()).float()
            first, last = window.keep.start, window.keep.stop
            blocks.append(samples[first * self._period_out : last * self._period_out])
        return torch.cat(blocks)
