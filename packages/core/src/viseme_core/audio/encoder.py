"""The one interface of all audio encoders: sound in, features (T, A) at 25 Hz out.

Frame i of the features belongs to the samples [640 i, 640 (i + 1)) at 16 kHz, and a sound has
`count_frames(seconds)` frames: its end is cut or padded with zeros to fit, by at most half a
frame unless it is shorter than that. Letters: S samples, T frames, A feature width.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_core.audio.config import AudioConfig
from viseme_core.audio.plan import Window, WindowCutter, WindowPlan
from viseme_core.audio.resample import Resampler
from viseme_core.shapes import check_shape
from viseme_core.types import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, AudioClip, count_frames

MAX_PEAK = 100.0
"""Loudest sample that is taken for a recording too loud rather than for integers (40 dB over)."""


class AudioEncoder(ABC):
    """Frozen features of sound.

    Not an nn.Module, so that a model that keeps one neither trains, averages nor saves it.

    Args:
        config: Settings; `pinned_config` is what checkpoints and prepared data hold.
        plan: Windows, in frames, by which long sound is computed.
    """

    def __init__(self, config: AudioConfig, plan: WindowPlan) -> None:
        self.config = config
        self.plan = plan

    @property
    @abstractmethod
    def audio_dim(self) -> int:
        """Width A of the features."""

    @property
    def pinned_config(self) -> AudioConfig:
        """Settings that allow these features only: of pretrained encoders, the weights' hash too.

        What a checkpoint and prepared features must keep. Reads the weights, if there are any.
        """
        return self.config

    @abstractmethod
    def encode_window(self, samples_S: Tensor) -> Tensor:
        """Return the features of one window, computed as if nothing were around it.

        Args:
            samples_S: Float32 at 16 kHz, 640 n samples.

        Returns:
            Features of shape (n, A), float32 on the CPU.
        """

    def encode(self, clip: AudioClip | Tensor) -> Tensor:
        """Return features (T, A) of a whole sound; a bare tensor is (S,) at 16 kHz.

        A stream that is pushed once: file and stream cannot differ.
        """
        if isinstance(clip, Tensor):
            clip = AudioClip(clip)
        stream = self.stream(clip.rate_hz)
        return torch.cat([stream.push(clip.samples_S), stream.finish()])

    def stream(self, rate_hz: int = SAMPLE_RATE_HZ) -> "AudioStream":
        """Return a stream for sound that arrives in pieces of any size at `rate_hz`."""
        return AudioStream(self, rate_hz)


class AudioStream:
    """Features of sound that arrives in pieces.

    A frame comes out once its window and that window's right context have arrived, so at most
    `plan.latency` frames late, plus about 0.2 s where the rate is changed; the rest comes at the
    end. Only samples that a later window needs are kept.

    Args:
        encoder: What turns windows into features.
        rate_hz: Rate of the sound that will be pushed.
    """

    def __init__(self, encoder: AudioEncoder, rate_hz: int = SAMPLE_RATE_HZ) -> None:
        self._encoder = encoder
        self._rate_hz = rate_hz
        self._resampler = Resampler(rate_hz)
        self._cutter = WindowCutter(encoder.plan, SAMPLES_PER_FRAME)
        self._num_samples = 0
        self._is_finished = False

    def push(self, samples_S: Tensor) -> Tensor:
        """Return features (t, A) of the frames that these samples complete; t is often 0.

        Args:
            samples_S: The next samples, floating point mono in [-1, 1], any number of them.

        Raises:
            ValueError: If they are not that (a peak up to `MAX_PEAK` passes), hold NaN, or the
                stream has ended.
        """
        self._check(samples_S)
        self._num_samples += samples_S.shape[0]
        samples_S = self._resampler.push(samples_S.detach().cpu().float())
        return self._encode(self._cutter.push(samples_S))

    def finish(self) -> Tensor:
        """Return features (t, A) of the remaining frames and end the stream."""
        self._check_open()
        if self._num_samples == 0:
            raise ValueError("AudioStream ended without a sample: there is no sound to work on")
        self._is_finished = True
        num_frames = count_frames(self._num_samples / self._rate_hz)
        windows = self._cutter.push(self._resampler.finish())
        return self._encode(windows + self._cutter.finish(num_frames))

    def _encode(self, windows: list[Window]) -> Tensor:
        features = [torch.zeros(0, self._encoder.audio_dim)]
        for window in windows:
            missing = window.num_units * SAMPLES_PER_FRAME - window.samples_S.shape[0]
            samples_S = F.pad(window.samples_S, (0, missing))
            features.append(self._encoder.encode_window(samples_S)[window.keep])
        return torch.cat(features)

    def _check(self, samples_S: Tensor) -> None:
        self._check_open()
        check_shape(samples_S, "S", name="AudioStream samples")
        if not samples_S.is_floating_point():
            raise ValueError(
                f"AudioStream samples must be floating point in [-1, 1], got {samples_S.dtype}; "
                "divide integer samples by their full scale first"
            )
        finite_S = torch.isfinite(samples_S)
        if not finite_S.all():
            first = self._num_samples + int((~finite_S).nonzero()[0])
            raise ValueError(
                f"AudioStream samples hold NaN or infinity, first at sample {first} "
                f"({first / self._rate_hz:.3f} s); repair or replace the recording"
            )
        peak = float(samples_S.detach().abs().max()) if samples_S.numel() else 0.0
        if peak > MAX_PEAK:
            raise ValueError(
                f"AudioStream samples must be in [-1, 1], got a peak of {peak:g}; divide them by "
                "the full scale of their source, 32768 for 16-bit sound"
            )

    def _check_open(self) -> None:
        if self._is_finished:
            raise ValueError("AudioStream has ended; start another with AudioEncoder.stream()")
