"""Sound of a media file: mono at 16 kHz, in time with the first picture."""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from viseme_core.audio import Resampler
from viseme_core.types import SAMPLE_RATE_HZ, AudioClip
from viseme_data.container import (
    MediaError,
    check_jump,
    decode,
    find_stream,
    first_picture,
    need_stream,
    open_media,
    time_of,
)

JITTER_SEC = 0.04
"""Timestamps of sound that are off by up to one frame are the container's rounding, not a gap."""

# How loud each speaker is in the mix; the usual weights, and nothing of the bass effects. Speech
# in films comes from the centre.
_CHANNEL_WEIGHTS = {"FC": 1.0, "FL": math.sqrt(0.5), "FR": math.sqrt(0.5), "LFE": 0.0, "LFE2": 0.0}
_OTHER_WEIGHT = 0.5


def read_audio(path: str | Path) -> AudioClip:
    """Return the whole sound of a file as `stream_audio` gives it, mono at 16 kHz.

    Raises:
        MediaError: If the file has no sound, or none from the first picture on.
    """
    pieces = list(stream_audio(path))
    if not pieces:
        raise MediaError(
            "no_audio", f"the sound of {str(path)!r} ends before its first picture; give another"
        )
    return AudioClip(torch.from_numpy(np.concatenate(pieces)))


def stream_audio(path: str | Path) -> Iterator[np.ndarray]:
    """Yield the sound of a file in pieces of float32 samples in [-1, 1], mono at 16 kHz.

    The first sample belongs to the first picture; in a file without video, to the first sound.
    Sound before is cut away; silence fills what is missing before it begins, and gaps. Its end is
    its own: it may be shorter or longer than the video.

    Raises:
        MediaError: If there is no sound that can be decoded. One with damaged parts is silent
            there and says so by `logging`.
    """
    with open_media(path) as container:
        stream = need_stream(container, "audio", path)
        zero_sec = _picture_time(container, path)
        line: _TimeLine | None = None
        for frame in decode(container, stream, path):
            if line is None:
                line = _TimeLine(frame.sample_rate, zero_sec, path)
            for samples_S in line.place(frame):
                yield from line.resample(samples_S)
        if line is not None:
            yield from line.finish()


def mix(frame: Any) -> np.ndarray:
    """Return the sound of one decoded frame in mono, float32 with 1 as full scale, shape (S,)."""
    samples_CS = frame.to_ndarray()
    channels = [channel.name for channel in frame.layout.channels]
    if not frame.format.is_planar:
        samples_CS = samples_CS.reshape(-1, len(channels)).T
    kind = samples_CS.dtype
    if np.issubdtype(kind, np.integer):
        scale = 2.0 ** (8 * kind.itemsize - 1)
        offset = scale if np.issubdtype(kind, np.unsignedinteger) else 0.0
        samples_CS = (samples_CS.astype(np.float64) - offset) / scale
    weights_C = np.array([_CHANNEL_WEIGHTS.get(name, _OTHER_WEIGHT) for name in channels])
    if not weights_C.any():
        weights_C[:] = 1
    # Weights sum to one: the mix cannot clip, and two equal channels sound like one of them.
    return (weights_C / weights_C.sum() @ samples_CS).astype(np.float32)


def _picture_time(container: Any, path: str | Path) -> Fraction | None:
    """Return when the first picture is shown, or None if there is none to go by."""
    if find_stream(container, "video") is None:
        return None
    try:
        frame = first_picture(path)
    except MediaError:
        # Whoever wants the pictures will hear of it; the sound is whole without them.
        return None
    return time_of(frame)


class _TimeLine:
    """Puts decoded sound where its timestamps say, and takes it to 16 kHz."""

    def __init__(self, rate_hz: int, zero_sec: Fraction | None, path: str | Path) -> None:
        self._rate_hz = rate_hz
        self._zero_sec = zero_sec
        self._path = path
        self._position = 0
        try:
            self._resampler = Resampler(rate_hz)
        except ValueError as error:
            raise MediaError(
                "unsupported",
                f"the sound of {str(path)!r} has a rate of {rate_hz} Hz; convert it to 48000 Hz",
            ) from error

    def place(self, frame: Any) -> Iterator[np.ndarray]:
        """Yield what follows on: silence for a gap, then the frame's sound less any overlap."""
        if frame.sample_rate != self._rate_hz:
            raise MediaError(
                "unsupported",
                f"the sound of {str(self._path)!r} changes its rate from {self._rate_hz} to "
                f"{frame.sample_rate} Hz; convert it to one rate",
            )
        samples_S = mix(frame)
        if not np.isfinite(samples_S).all():
            raise MediaError(
                "damaged",
                f"the sound of {str(self._path)!r} holds NaN or infinity near "
                f"{self._position / self._rate_hz:.2f} s; repair it or give another file",
            )
        gap = self._gap_before(frame)
        for _ in range(gap // self._rate_hz):
            yield np.zeros(self._rate_hz, np.float32)
        silence = max(gap, 0) % self._rate_hz
        placed_S = np.concatenate([np.zeros(silence, np.float32), samples_S[max(-gap, 0) :]])
        self._position += max(gap, 0) + len(samples_S[max(-gap, 0) :])
        if len(placed_S):
            yield placed_S

    def _gap_before(self, frame: Any) -> int:
        """Return how many samples are missing before a frame; negative is an overlap."""
        stamp_sec = time_of(frame)
        if stamp_sec is None:
            return 0
        if self._zero_sec is None:
            self._zero_sec = stamp_sec
        position_sec = Fraction(self._position, self._rate_hz)
        gap_sec = stamp_sec - self._zero_sec - position_sec
        if self._position:
            check_jump(position_sec, position_sec + gap_sec, self._path)
            if abs(gap_sec) <= JITTER_SEC:
                return 0
        elif gap_sec > 0:
            check_jump(position_sec, gap_sec, self._path)
        return round(gap_sec * self._rate_hz)

    def resample(self, samples_S: np.ndarray) -> Iterator[np.ndarray]:
        """Yield what can be said of the sound so far at 16 kHz, if anything."""
        yield from _pieces(self._resampler.push(torch.from_numpy(samples_S)))

    def finish(self) -> Iterator[np.ndarray]:
        """Yield the rest."""
        if self._position and self._rate_hz != SAMPLE_RATE_HZ:
            yield from _pieces(self._resampler.finish())


def _pieces(samples_S: torch.Tensor) -> Iterator[np.ndarray]:
    # Filters and lossy codecs overshoot; what the contract calls full scale is the limit.
    if len(samples_S):
        yield samples_S.clamp(-1, 1).numpy()
