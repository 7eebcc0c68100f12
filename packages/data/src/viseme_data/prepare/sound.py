"""Sound of a video in step with its pictures."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from viseme_core.types import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from viseme_data.container import MediaError, Reason
from viseme_data.sound import FirstPicture, stream_audio

# Sound is kept for this long behind the newest clip's start: offsets reach back.
_BEHIND = 2 * SAMPLE_RATE_HZ
# Speech lies this far above silence and this near to a clip's loud frames, in decibels.
_FLOOR_DB = -50.0
_RANGE_DB = 30.0


class SoundReader:
    """Any stretch of a file's sound, as long as stretches do not go back in time by much.

    Args:
        path: File with the sound.
        picture: Its first one, if that was decoded.
    """

    def __init__(self, path: Path, *, picture: FirstPicture | None = None) -> None:
        self._pieces: Iterator[np.ndarray] = stream_audio(path, picture=picture)
        self._held_S = np.zeros(0, np.float32)
        self._start = 0
        self._is_over = False
        # Not the error itself: it would hold the frames that it went through, and what is in them.
        self._problem: tuple[Reason, str] | None = None

    def between(self, start: int, stop: int) -> np.ndarray | None:
        """Return samples at 16 kHz, silence where there are none; None if there are none at all.

        Raises:
            MediaError: If the sound is missing or cannot be used.
        """
        self._fetch(stop)
        self._forget(start - _BEHIND)
        first = max(start, self._start)
        inside_S = self._held_S[first - self._start : max(stop - self._start, 0)]
        if not len(inside_S):
            return None
        samples_S = np.zeros(stop - start, np.float32)
        samples_S[first - start : first - start + len(inside_S)] = inside_S
        return samples_S

    def _fetch(self, stop: int) -> None:
        pieces = []
        have = self._start + len(self._held_S)
        while have < stop and not self._is_over:
            piece = self._next_piece()
            self._is_over = piece is None
            if piece is not None:
                pieces.append(piece)
                have += len(piece)
        if pieces:
            self._held_S = np.concatenate([self._held_S, *pieces])

    def _next_piece(self) -> np.ndarray | None:
        if self._problem is None:
            try:
                return next(self._pieces, None)
            except MediaError as error:
                self._problem = error.reason, str(error)
        # Later stretches have the same fate.
        raise MediaError(*self._problem)

    def _forget(self, before: int) -> None:
        if before > self._start:
            gone = min(before - self._start, len(self._held_S))
            self._held_S = self._held_S[gone:].copy()
            self._start += gone


def sound_or_none(reader: SoundReader | None, start: int, stop: int) -> tuple[Tensor, bool, str]:
    """Return samples (S,), whether there is any sound, and what is wrong with it, if anything."""
    try:
        samples_S = reader.between(start, stop) if reader is not None else None
    except MediaError as error:
        note = "" if error.reason == "no_audio" else f"its sound is left out: {error}"
        return torch.zeros(stop - start), False, note
    if samples_S is None:
        return torch.zeros(stop - start), False, ""
    return torch.from_numpy(samples_S), True, ""


def voiced_share(audio_S: Tensor) -> float:
    """Return the share of frames that are as loud as speech is.

    Louder than -50 dB of full scale, and within 30 dB of the clip's loud frames.
    """
    frames_TS = audio_S.reshape(-1, SAMPLES_PER_FRAME)
    loud_T = 10 * frames_TS.square().mean(-1).clamp_min(1e-12).log10()
    return float((loud_T > max(_FLOOR_DB, float(loud_T.quantile(0.95)) - _RANGE_DB)).float().mean())
