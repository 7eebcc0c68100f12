"""Sound of a media file: mono at 16 kHz, in time with the first picture."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from viseme_core.audio import Resampler
from viseme_core.types import SAMPLE_RATE_HZ, AudioClip
from viseme_data.channels import channels_of, mixed
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

Piece = tuple[np.ndarray, list[str]]
"""Channels (C, S) and the names of their speakers."""


class FirstPicture(NamedTuple):
    """When a file's first picture is shown; the picture itself would keep a decoder's memory."""

    time_sec: Fraction | None
    """None where the file does not say."""


class PlacedSound(NamedTuple):
    """The sound of a file, where it belongs in time."""

    rate_hz: int
    num_channels: int
    """Of its first piece."""
    pieces: Iterator[Piece]


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


def stream_audio(path: str | Path, *, picture: FirstPicture | None = None) -> Iterator[np.ndarray]:
    """Yield the sound of a file in pieces of float32 samples in [-1, 1], mono at 16 kHz.

    The first sample belongs to the first picture; in a file without video, to the first sound.
    Sound before is cut away; silence fills what is missing before it begins, and gaps. Its end is
    its own: it may be shorter or longer than the video.

    Args:
        path: File with the sound.
        picture: From those who have decoded it; else it is decoded for its time.

    Raises:
        MediaError: If there is no sound that can be decoded. One with damaged parts is silent
            there and says so by `logging`.
    """
    for sound in placed_sound(path, picture=picture):
        resampler = _resampler(sound.rate_hz, path)
        is_empty = True
        for piece in sound.pieces:
            is_empty = False
            yield from within_scale(resampler.push(torch.from_numpy(mixed(*piece))).numpy())
        if not is_empty and sound.rate_hz != SAMPLE_RATE_HZ:
            yield from within_scale(resampler.finish().numpy())


def placed_sound(path: str | Path, *, picture: FirstPicture | None = None) -> Iterator[PlacedSound]:
    """Yield the sound of a file once, as `stream_audio` places it, with its own rate and channels.

    The file is open until the next step.

    Args:
        path: File with the sound.
        picture: As `stream_audio` takes it.

    Raises:
        MediaError: If there is no sound that can be decoded.
    """
    with open_media(path) as container:
        stream = need_stream(container, "audio", path)
        zero_sec = _picture_time(container, path) if picture is None else picture.time_sec
        frames = decode(container, stream, path)
        for first in frames:
            line = _TimeLine(first.sample_rate, zero_sec, path)
            whole = chain((first,), frames)
            pieces = (piece for frame in whole for piece in line.place(frame))
            yield PlacedSound(first.sample_rate, len(first.layout.channels), pieces)


def within_scale(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Yield samples cut to full scale, if there are any."""
    # Filters and lossy codecs overshoot; what the contract calls full scale is the limit.
    if samples.size:
        yield samples.clip(-1, 1)


def _resampler(rate_hz: int, path: str | Path) -> Resampler:
    try:
        return Resampler(rate_hz)
    except ValueError as error:
        raise MediaError(
            "unsupported",
            f"the sound of {str(path)!r} has a rate of {rate_hz} Hz; convert it to 48000 Hz",
        ) from error


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
    """Puts decoded sound where its timestamps say."""

    def __init__(self, rate_hz: int, zero_sec: Fraction | None, path: str | Path) -> None:
        self._rate_hz = rate_hz
        self._zero_sec = zero_sec
        self._path = path
        self._position = 0

    def place(self, frame: Any) -> Iterator[Piece]:
        """Yield what follows on: silence for a gap, then the frame's sound less any overlap."""
        if frame.sample_rate != self._rate_hz:
            raise MediaError(
                "unsupported",
                f"the sound of {str(self._path)!r} changes its rate from {self._rate_hz} to "
                f"{frame.sample_rate} Hz; convert it to one rate",
            )
        samples_CS, names = channels_of(frame)
        if not np.isfinite(samples_CS).all():
            raise MediaError(
                "damaged",
                f"the sound of {str(self._path)!r} holds NaN or infinity near "
                f"{self._position / self._rate_hz:.2f} s; repair it or give another file",
            )
        gap = self._gap_before(frame)
        for _ in range(gap // self._rate_hz):
            yield np.zeros((len(names), self._rate_hz), np.float32), names
        silence_CS = np.zeros((len(names), max(gap, 0) % self._rate_hz), np.float32)
        own_CS = samples_CS[:, max(-gap, 0) :]
        self._position += max(gap, 0) + own_CS.shape[1]
        placed_CS = np.concatenate([silence_CS, own_CS], 1)
        if placed_CS.shape[1]:
            yield placed_CS, names

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
