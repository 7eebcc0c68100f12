"""The 13 cepstral coefficients that SyncNet listens to, as python_speech_features computes them.

Its defaults at 16 kHz: pre-emphasis 0.97, windows of 400 samples every 160 without a taper, power
spectrum of 512 points over 512, 26 triangles between 0 and 8 kHz on the mel scale 2595 log10(1 +
f / 700) with corners at whole bins, logarithm, orthonormal cosine transform, lifter 22, the first
coefficient replaced by the logarithm of the energy. Samples are 16-bit integers there, which the
logarithms show. Letters: S samples, N windows.
"""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_core.types import SAMPLE_RATE_HZ

NUM_COEFFICIENTS = 13
SPAN = 400
HOP = 160
_FFT = 512
_NUM_BANDS = 26
_PREEMPHASIS = 0.97
_LIFTER = 22
# Windows computed at once, so that long sound takes no more memory than short.
_BLOCK = 2048


def mfcc(samples_S: Tensor) -> Tensor:
    """Return coefficients (N, 13) of every window that is complete; sound after it is left out.

    The package pads a last window with zeros; no window of SyncNet reaches there.

    Args:
        samples_S: 16 kHz mono in [-1, 1].
    """
    stream = MFCCStream()
    return stream.push(samples_S)


class MFCCStream:
    """Coefficients of sound that arrives in pieces; any pieces give the same."""

    def __init__(self) -> None:
        # The sample before the first window; pre-emphasis leaves the very first sample as it is.
        self._rest_S = torch.zeros(1, dtype=torch.float64)

    def push(self, samples_S: Tensor) -> Tensor:
        """Return coefficients (n, 13) float32 of the windows that these samples complete."""
        check_shape(samples_S, "S", name="samples_S")
        whole_S = (samples_S.detach().double().cpu() * 32768).round().clamp(-32768, 32767)
        rest_S = torch.cat([self._rest_S, whole_S])
        num = max(0, (len(rest_S) - 1 - SPAN) // HOP + 1)
        rows = [torch.zeros(0, NUM_COEFFICIENTS)]
        for first in range(0, num, _BLOCK):
            last = min(num, first + _BLOCK)
            rows.append(_coefficients(rest_S[first * HOP : (last - 1) * HOP + SPAN + 1]))
        self._rest_S = rest_S[num * HOP :]
        return torch.cat(rows)


def _coefficients(samples_S: Tensor) -> Tensor:
    """Return (n, 13) of windows that start one sample after the first."""
    emphasised_S = samples_S[1:] - _PREEMPHASIS * samples_S[:-1]
    windows_NS = F.pad(emphasised_S.unfold(0, SPAN, HOP), (0, _FFT - SPAN))
    power_NF = torch.fft.rfft(windows_NS).abs().square() / _FFT
    energy_N = _above_zero(power_NF.sum(-1))
    bands_NM = _above_zero(power_NF @ _triangles().T).log()
    coefficients = bands_NM @ _cosines().T
    coefficients[:, 0] = energy_N.log()
    return coefficients.float()


def _above_zero(energy: Tensor) -> Tensor:
    return torch.where(energy == 0, torch.finfo(torch.float64).eps, energy)


@cache
def _triangles() -> Tensor:
    """Return weights (26, 257) of the spectrum's bins in each band."""
    top = 2595 * math.log10(1 + SAMPLE_RATE_HZ / 2 / 700)
    mel = torch.linspace(0, top, _NUM_BANDS + 2, dtype=torch.float64)
    corners = ((_FFT + 1) * 700 * (10 ** (mel / 2595) - 1) / SAMPLE_RATE_HZ).floor()
    low, middle, high = (corners[k : k + _NUM_BANDS, None] for k in range(3))
    bins = torch.arange(_FFT // 2 + 1, dtype=torch.float64)
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return torch.where(bins < middle, rising, falling).clamp(min=0)


@cache
def _cosines() -> Tensor:
    """Return the cosine transform with its lifter, (13, 26)."""
    order = torch.arange(NUM_COEFFICIENTS, dtype=torch.float64)[:, None]
    band = torch.arange(_NUM_BANDS, dtype=torch.float64)
    table = torch.cos(math.pi * order * (2 * band + 1) / (2 * _NUM_BANDS))
    table *= math.sqrt(2 / _NUM_BANDS)
    table[0] /= math.sqrt(2)
    return table * (1 + _LIFTER / 2 * torch.sin(math.pi * order / _LIFTER))
