"""Whisper's encoder as frozen features, on windows shorter than its 30 seconds.

Letters: S samples, J columns at 50 Hz, M mel bands, L mel columns at 100 Hz, A feature width.
"""

from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchaudio.transforms import MelSpectrogram

from viseme_core.audio.pretrained import PretrainedEncoder
from viseme_core.types import SAMPLE_RATE_HZ


class WhisperEncoder(PretrainedEncoder):
    """Whisper's encoder, run on the sound alone instead of sound padded to 30 s.

    transformers' own forward insists on 30 s. Nothing in the network does: the position table is
    sinusoidal and is cut to the window's length. A window of full length is the plain forward.

    The features tell how far into its window a frame lies (benchmarks/results): a model must be
    used with the window plan it was trained with, and long windows have fewer seams.
    """

    unused_weights = ("decoder.",)

    def _encode_columns(self, samples_S: Tensor) -> Tensor:
        mel_ML = whisper_mel(samples_S, self._mel)
        encoder = self._network
        hidden_1AJ = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel_ML[None]))))
        hidden_1JA = hidden_1AJ.mT
        hidden_1JA = hidden_1JA + encoder.embed_positions.weight[: hidden_1JA.shape[1]]
        depth = len(encoder.layers) if self._layer is None else self._layer
        for layer in encoder.layers[:depth]:
            output = layer(hidden_1JA, None)
            # Early releases of transformers 5 return (hidden, attention).
            hidden_1JA = output[0] if isinstance(output, tuple) else output
        # transformers counts the final norm to the last hidden state.
        return (encoder.layer_norm(hidden_1JA) if depth == len(encoder.layers) else hidden_1JA)[0]

    def _read_model(self) -> Any:
        longest = self._model_config.max_source_positions // 2
        if self.plan.length + 2 * self.plan.context > longest:
            raise ValueError(
                f"audio.window + 2 * audio.context must be at most {longest} frames for "
                f"{self._path!r}, whose position table ends there, got {self.plan.length} + 2 * "
                f"{self.plan.context}"
            )
        # The rest, its decoder, can be freed.
        return super()._read_model().encoder

    @cached_property
    def _mel(self) -> MelSpectrogram:
        return whisper_filters(self._model_config.num_mel_bins).to(self._device)


def whisper_filters(num_bands: int) -> MelSpectrogram:
    """Return Whisper's mel spectrogram: 400 samples, hop 160, Slaney bands up to 8 kHz."""
    return MelSpectrogram(
        SAMPLE_RATE_HZ,
        n_fft=400,
        hop_length=160,
        f_max=8000.0,
        n_mels=num_bands,
        norm="slaney",
        mel_scale="slaney",
    )


def whisper_mel(samples_S: Tensor, filters: MelSpectrogram) -> Tensor:
    """Return Whisper's input for S samples, shape (M, S / 160).

    log10 of the energy, cut 8 below the loudest band of the window, then (x + 4) / 4; the sound
    is mirrored at its ends and the column after the end dropped, as Whisper does.
    """
    log_ML = filters(samples_S)[:, :-1].clamp(min=1e-10).log10()
    return (torch.maximum(log_ML, log_ML.max() - 8.0) + 4.0) / 4.0
