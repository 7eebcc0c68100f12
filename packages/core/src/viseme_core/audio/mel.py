"""Mel spectrograms as features: the default encoder, and Wav2Lip's windows.

Letters: S samples, T frames, M mel bands, W columns of one window, A feature width.
"""

import torch.nn.functional as F
from torch import Tensor
from torchaudio.functional import preemphasis
from torchaudio.transforms import MelSpectrogram

from viseme_core.audio.config import LogMelConfig, Wav2LipMelConfig
from viseme_core.audio.encoder import AudioEncoder
from viseme_core.audio.plan import WindowPlan
from viseme_core.types import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME

NUM_BANDS = 80

LOGMEL_HOP = 160
LOGMEL_SPAN = 400
LOGMEL_COLUMNS = SAMPLES_PER_FRAME // LOGMEL_HOP

WAV2LIP_HOP = 200
WAV2LIP_SPAN = 800
WAV2LIP_COLUMNS = 16
WAV2LIP_CONTEXT = 5
"""Frames that 16 columns and half a span reach beyond their frame at most (lead 0: 4.3)."""

MEL_WINDOW = (NUM_BANDS, WAV2LIP_COLUMNS)
"""`features_TA.unflatten(-1, MEL_WINDOW)` turns `Wav2LipMel`'s features into `mel_TMW`."""


class LogMel(AudioEncoder):
    """Log-mel energies, the four 10 ms columns of a frame stacked: A = 4 x 80, columns first.

    Column j is the Hann-windowed power spectrum of 400 samples centred on 160 j + 80, the middle
    of the hop it stands for, so that a frame's columns lie evenly in the frame; sound is zero
    outside the signal. Bands: 80 Slaney triangles, 0 to 8 kHz. Values are
    (log10(max(energy, 1e-10)) + 4) / 4, Whisper's scale without its maximum over the clip, so that
    a frame depends on its surroundings only: silence is -1.5, loud speech about 1.
    """

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__(config, WindowPlan(config.window, context=1))
        self._mel = _mel_spectrogram(LOGMEL_SPAN, LOGMEL_HOP, power=2.0, f_min=0.0, f_max=8000.0)

    @property
    def audio_dim(self) -> int:
        """Width A of the features."""
        return LOGMEL_COLUMNS * NUM_BANDS

    def encode_window(self, samples_S: Tensor) -> Tensor:
        """Return the features of one window."""
        margin = (LOGMEL_SPAN - LOGMEL_HOP) // 2
        energy_MJ = self._mel(F.pad(samples_S, (margin, margin)))
        level_MJ = (energy_MJ.clamp(min=1e-10).log10() + 4.0) / 4.0
        return level_MJ.T.reshape(-1, self.audio_dim)


class Wav2LipMel(AudioEncoder):
    """Wav2Lip's mel spectrogram cut into one window of 80 x 16 per frame: A = 1280.

    Pre-emphasis 0.97, 800 samples centred on 200 j, Hann, magnitude, 80 Slaney triangles from 55
    to 7600 Hz, decibels with floor 1e-5 and 20 dB taken off, [-100, 0] dB mapped to [-4, 4] and
    clipped (audio.py of Wav2Lip, its hparams). The window of frame i starts at column
    floor(3.2 (i - lead)). Sound is zero outside the signal, so columns there are silence: -4.
    """

    def __init__(self, config: Wav2LipMelConfig) -> None:
        super().__init__(config, WindowPlan(config.window, context=WAV2LIP_CONTEXT))
        self._lead = config.lead
        self._mel = _mel_spectrogram(WAV2LIP_SPAN, WAV2LIP_HOP, power=1.0, f_min=55.0, f_max=7600.0)

    @property
    def audio_dim(self) -> int:
        """Width A of the features."""
        return NUM_BANDS * WAV2LIP_COLUMNS

    def encode_window(self, samples_S: Tensor) -> Tensor:
        """Return the features of one window, which must start on a multiple of five frames."""
        num_frames = samples_S.shape[0] // SAMPLES_PER_FRAME
        # 16/5 columns per frame, in integers: floor, also before the first column.
        starts = [16 * (frame - self._lead) // 5 for frame in range(num_frames)]
        left = WAV2LIP_SPAN // 2 - starts[0] * WAV2LIP_HOP
        num_columns = starts[-1] - starts[0] + WAV2LIP_COLUMNS
        total = (num_columns - 1) * WAV2LIP_HOP + WAV2LIP_SPAN
        emphasised_S = preemphasis(samples_S, 0.97)
        padded_S = F.pad(emphasised_S, (left, total - left - samples_S.shape[0]))
        decibel_MJ = 20.0 * self._mel(padded_S).clamp(min=1e-5).log10() - 20.0
        level_MJ = (8.0 * (decibel_MJ + 100.0) / 100.0 - 4.0).clamp(-4.0, 4.0)
        mel_MTW = level_MJ.unfold(1, WAV2LIP_COLUMNS, 1)[:, [s - starts[0] for s in starts]]
        return mel_MTW.transpose(0, 1).flatten(1)


def _mel_spectrogram(
    span: int, hop: int, *, power: float, f_min: float, f_max: float
) -> MelSpectrogram:
    return MelSpectrogram(
        SAMPLE_RATE_HZ,
        n_fft=span,
        hop_length=hop,
        f_min=f_min,
        f_max=f_max,
        n_mels=NUM_BANDS,
        power=power,
        center=False,
        norm="slaney",
        mel_scale="slaney",
    )
