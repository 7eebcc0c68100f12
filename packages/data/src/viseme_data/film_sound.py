"""Sound as a film carries it: 48 kHz, one or two channels, as long as what models hear of it."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from av import AudioResampler

from viseme_data.aac import sound_frame
from viseme_data.channels import sided
from viseme_data.sound import placed_sound, within_scale

FILM_RATE_HZ = 48_000
"""Rate of the sound of films."""


def stream_film_sound(path: str | Path) -> Iterator[np.ndarray]:
    """Yield the sound of a file in pieces of float32 samples in [-1, 1], (channels, S), at 48 kHz.

    One channel stays one, more become left and right. It is placed in time as `stream_audio`
    places it, and lasts as long.

    Raises:
        MediaError: If there is no sound that can be decoded.
    """
    for sound in placed_sound(path):
        count = min(2, sound.num_channels)
        yield from to_film_rate((sided(*piece, count) for piece in sound.pieces), sound.rate_hz)


def to_film_rate(pieces: Iterable[np.ndarray], rate_hz: int) -> Iterator[np.ndarray]:
    """Yield sound at FILM_RATE_HZ, (channels, S); memory does not grow with its length.

    Args:
        pieces: Its samples, float32 (1 or 2, S), as many channels in each.
        rate_hz: Their rate.
    """
    if rate_hz == FILM_RATE_HZ:
        for piece_CS in pieces:
            yield from within_scale(piece_CS)
        return
    resampler: AudioResampler | None = None
    position = 0
    for piece_CS in pieces:
        if not piece_CS.shape[1]:
            continue
        if resampler is None:
            layout = "mono" if len(piece_CS) == 1 else "stereo"
            resampler = AudioResampler(format="fltp", layout=layout, rate=FILM_RATE_HZ)
        for frame in resampler.resample(sound_frame(piece_CS, rate_hz, position)):
            yield from within_scale(frame.to_ndarray())
        position += piece_CS.shape[1]
    if resampler is not None:
        for frame in resampler.resample(None):
            yield from within_scale(frame.to_ndarray())
