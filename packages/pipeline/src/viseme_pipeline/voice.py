"""A voice that can be heard as often as it is needed, piece by piece.

The model hears it in mono at 16 kHz; the film has it at 48 kHz, in stereo if it came so.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from os import PathLike

import numpy as np
import torch

from viseme_core.audio import resample
from viseme_core.types import SAMPLE_RATE_HZ, AudioClip, count_frames
from viseme_data.film_sound import stream_film_sound, to_film_rate
from viseme_data.sound import stream_audio

# Below this peak nothing is heard: 16-bit sound has its last bit there.
_SILENT = 1 / 32_768
_PIECE = SAMPLE_RATE_HZ // 2


@dataclass(frozen=True, kw_only=True)
class Voice:
    """Sound of known length."""

    name: str
    """What it is called when something is said about it."""
    num_samples: int
    """Its length at 16 kHz."""
    is_silent: bool
    """Whether nothing is heard in it."""
    pieces: Callable[[], Iterator[np.ndarray]]
    """Gives what the model hears from the start, float32 in [-1, 1], piece by piece."""
    film_pieces: Callable[[], Generator[np.ndarray, None, None]]
    """Gives what the film has at FILM_RATE_HZ, float32 (channels, S), piece by piece."""
    num_channels: int
    """Channels of the film's sound: 1 or 2."""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.num_samples / SAMPLE_RATE_HZ

    @property
    def num_frames(self) -> int:
        """Frames of the film that it makes."""
        return count_frames(self.seconds)


def open_voice(audio: str | PathLike[str] | AudioClip) -> Voice:
    """Return the voice of a sound or video file, or of samples in memory.

    A file is heard through once, so that one that breaks off is refused before anything is made.

    Raises:
        ValueError: If there is no sound in it.
    """
    if isinstance(audio, AudioClip):
        samples_S = resample(audio).samples_S.numpy()
        name = "the sound"

        def pieces() -> Iterator[np.ndarray]:
            yield from np.array_split(samples_S, -(-len(samples_S) // _PIECE))

        def film_pieces() -> Generator[np.ndarray, None, None]:
            whole_1S = audio.samples_S.detach().cpu().float().numpy()[None]
            count = -(-whole_1S.shape[1] // audio.rate_hz)
            yield from to_film_rate(np.array_split(whole_1S, count, axis=1), audio.rate_hz)
    else:
        path = str(audio)
        name = repr(path)

        def pieces() -> Iterator[np.ndarray]:
            yield from stream_audio(path)

        def film_pieces() -> Generator[np.ndarray, None, None]:
            yield from stream_film_sound(path)

    num_samples, peak = 0, 0.0
    for piece_S in pieces():
        num_samples += len(piece_S)
        peak = max(peak, float(np.abs(piece_S).max(initial=0)))
    if not num_samples:
        raise ValueError(f"{name} holds no sound; give a recording of a voice")
    return Voice(
        name=name,
        num_samples=num_samples,
        is_silent=peak < _SILENT,
        pieces=pieces,
        film_pieces=film_pieces,
        num_channels=_channels_of(film_pieces()),
    )


def as_tensors(pieces: Iterator[np.ndarray]) -> Iterator[torch.Tensor]:
    """Yield pieces of sound as the motion generator takes them."""
    for piece_S in pieces:
        yield torch.from_numpy(piece_S)


def _channels_of(pieces: Generator[np.ndarray, None, None]) -> int:
    with closing(pieces):
        return len(next(pieces))
