"""Sound to the inputs of sync networks, one for each frame, as it comes.

Letters: T frames, S samples, M W bands and columns, A feature width.
"""

from typing import Protocol

import torch
from torch import Tensor

from viseme_core.audio import MEL_WINDOW, Wav2LipMelConfig, build_encoder
from viseme_eval.networks.mfcc import NUM_COEFFICIENTS, MFCCStream

_COEFFICIENTS_PER_FRAME = 4
_COEFFICIENT_COLUMNS = 20


class Ear(Protocol):
    """Turns sound into the inputs of a network, one for each frame, as sound comes."""

    def push(self, samples_S: Tensor) -> Tensor:
        """Return the inputs that these samples complete."""
        ...

    def finish(self) -> Tensor:
        """Return the inputs that are left at the end."""
        ...


class CepstralEar:
    """Windows (n, 1, 13, 20) of cepstral coefficients, one every 640 samples."""

    def __init__(self) -> None:
        self._mfcc = MFCCStream()
        self._rest = torch.zeros(0, NUM_COEFFICIENTS)

    def push(self, samples_S: Tensor) -> Tensor:
        """Return the windows that these samples complete."""
        rows = torch.cat([self._rest, self._mfcc.push(samples_S)])
        num = max(0, (len(rows) - _COEFFICIENT_COLUMNS) // _COEFFICIENTS_PER_FRAME + 1)
        self._rest = rows[num * _COEFFICIENTS_PER_FRAME :]
        if num == 0:
            return torch.zeros(0, 1, NUM_COEFFICIENTS, _COEFFICIENT_COLUMNS)
        windows = rows.unfold(0, _COEFFICIENT_COLUMNS, _COEFFICIENTS_PER_FRAME)
        return windows[:num, None]

    def finish(self) -> Tensor:
        """Return nothing: a window without all of its sound is none."""
        return torch.zeros(0, 1, NUM_COEFFICIENTS, _COEFFICIENT_COLUMNS)


class MelEar:
    """Windows (n, 1, 80, columns) of Wav2Lip's mel spectrogram, one for each frame.

    Args:
        window: Frames that a window covers; those without all of their sound are left out.
        columns: Columns of a window, 3.2 a frame.
    """

    def __init__(self, window: int, columns: int) -> None:
        self._stream = build_encoder(Wav2LipMelConfig(lead=0)).stream()
        self._window, self._columns = window, columns
        self._rest = torch.zeros(0, *MEL_WINDOW)

    def push(self, samples_S: Tensor) -> Tensor:
        """Return the windows that these samples complete."""
        return self._windows(self._stream.push(samples_S))

    def finish(self) -> Tensor:
        """Return the windows that are left at the end."""
        return self._windows(self._stream.finish())

    def _windows(self, features_TA: Tensor) -> Tensor:
        mel_TMW = torch.cat([self._rest, features_TA.unflatten(-1, MEL_WINDOW)])
        num = max(0, len(mel_TMW) - self._window + 1)
        self._rest = mel_TMW[num:]
        # Five frames are sixteen columns exactly, so longer windows are put together from those
        # of every fifth frame.
        pieces = range(0, 5 * -(-self._columns // MEL_WINDOW[1]), 5)
        joined = torch.cat([mel_TMW[k : k + num] for k in pieces], -1)
        return joined[:, None, :, : self._columns]
