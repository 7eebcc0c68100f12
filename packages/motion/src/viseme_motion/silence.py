"""When nobody speaks, heard in the sound itself, and how far the mouth is shut then.

Independent of the audio encoder: features of speech models do not say how loud a sound is. Frame by
frame and with a fixed look-ahead, so that a stream gives what the whole sound gives.
"""

import math
from collections import deque

import torch
from torch import Tensor

from viseme_core.types import FPS

LOOK_FRAMES = 4
"""Frames that are looked ahead: the mouth opens so much before the sound that it is free when that
begins."""
WAIT_FRAMES = 3
"""Frames of a pause in which nothing happens yet. With the one that begins to close and those that
are looked ahead they make 8: a pause shorter than 0.3 s leaves the mouth alone."""
MOVE_FRAMES = 3
"""Frames in which the mouth closes, so that it is shut 0.2 s after a pause began, and in which it
opens. Lips that speak are often faster."""
# Below the loudest speech so far by this many decibels begins silence; by less, it ends. Speech
# spreads over 30 dB, but hardly ever are 0.3 s of it at the lower end, where rooms begin.
_QUIET_DB, _SOUND_DB = 25.0, 24.0
# What speech is taken to reach until it was heard (full scale is 0), and how fast the memory of
# louder speech fades, per second of sound.
_EXPECTED_DB, _FADE_DB = -20.0, 0.5
_LEAST_DB = -120.0


class LevelStream:
    """Loudness of sound that arrives in pieces: decibels of full scale, one per video frame.

    Args:
        rate_hz: Rate of the sound.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._pieces: list[Tensor] = []
        self._start = 0
        self._stop = 0
        self._frame = 0

    def push(self, samples_S: Tensor) -> list[float]:
        """Return the levels of the frames that these samples complete."""
        self._pieces.append(samples_S.detach().cpu().double())
        self._stop += len(samples_S)
        if self._stop < self._edge(self._frame + 1):
            return []
        return self._measure()

    def finish(self) -> list[float]:
        """Return the level of what is left of a frame, if anything is."""
        rest_S = torch.cat(self._pieces) if self._pieces else torch.zeros(0)
        return [_decibels(rest_S)] if len(rest_S) else []

    def _measure(self) -> list[float]:
        samples_S = torch.cat(self._pieces)
        levels = []
        while (stop := self._edge(self._frame + 1)) <= self._stop:
            begin = self._edge(self._frame) - self._start
            levels.append(_decibels(samples_S[begin : stop - self._start]))
            self._frame += 1
        left = self._edge(self._frame)
        # A copy, so that what went before can be freed.
        self._pieces = [samples_S[left - self._start :].clone()]
        self._start = left
        return levels

    def _edge(self, frame: int) -> int:
        return round(frame * self._rate_hz / FPS)


class SilenceGate:
    """Says how far the mouth is shut: 0 in speech, 1 in silence, and evenly between.

    Args:
        look: Frames of sound that are known beyond the frame in question.
    """

    def __init__(self, look: int = LOOK_FRAMES) -> None:
        self._look = look
        self._loud = _EXPECTED_DB
        self._is_quiet = True
        self._quiet: deque[bool] = deque()
        self._quiet_before = 0
        self._is_closing = False
        # Of MOVE_FRAMES.
        self._shut = 0

    def hear(self, levels: list[float]) -> None:
        """Take in the levels of the next frames."""
        for level in levels:
            edge = self._loud - (_SOUND_DB if self._is_quiet else _QUIET_DB)
            self._is_quiet = level < edge
            # Long silence must not make a quiet room sound like speech.
            faded = self._loud if self._is_quiet else self._loud - _FADE_DB / FPS
            self._loud = max(faded, level)
            self._quiet.append(self._is_quiet)

    def closure(self, num_frames: int) -> Tensor:
        """Return how far the mouth is shut in each of the next frames, (T,).

        Frames whose sound was not heard count as silence: ask for no more than what was heard less
        the look-ahead, until the sound has ended.
        """
        found = []
        for _ in range(num_frames):
            ahead = [self._quiet[i] for i in range(min(self._look + 1, len(self._quiet)))]
            is_quiet = all(ahead[:1])
            if all(ahead) and self._quiet_before >= WAIT_FRAMES:
                self._is_closing = True
            elif self._shut == MOVE_FRAMES or not is_quiet:
                # A mouth that has begun to close does so before it opens, if the pause is as long.
                self._is_closing = False
            step = 1 if self._is_closing else -1
            self._shut = min(max(self._shut + step, 0), MOVE_FRAMES)
            found.append(self._shut / MOVE_FRAMES)
            self._quiet_before = self._quiet_before + 1 if is_quiet else 0
            if self._quiet:
                self._quiet.popleft()
        return torch.tensor(found)


def _decibels(samples_S: Tensor) -> float:
    power = float(samples_S.square().mean())
    return max(_LEAST_DB, 10 * math.log10(power)) if power > 0 else _LEAST_DB
