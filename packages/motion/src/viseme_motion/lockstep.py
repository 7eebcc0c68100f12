"""Several voices generated side by side, each as it would be alone.

Windows of all voices lie at the same frames, so that voices share the network's passes until the
shortest ends; it then goes on by itself for its last frames. Letters: T frames, S samples,
A audio-feature width, C coefficients.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from viseme_core.audio import AudioEncoder
from viseme_core.types import NUM_EXPRESSION, Motion
from viseme_motion.editor import MotionEditor
from viseme_motion.generation import MotionStream
from viseme_motion.pose_source import pose_of
from viseme_motion.silence import LevelStream, SilenceGate


class Voice:
    """One voice between its sound and its motion.

    Args:
        encoder: Audio encoder.
        rate_hz: Rate of the sound.
        editor: What makes motion of coefficients.
        look: Frames of sound that are heard beyond those that are settled; None where the mouth
            does not close in silence.
    """

    def __init__(
        self, encoder: AudioEncoder, rate_hz: int, editor: MotionEditor, *, look: int | None
    ) -> None:
        self._features = encoder.stream(rate_hz)
        self._levels = None if look is None else LevelStream(rate_hz)
        self._gate = None if look is None else SilenceGate(look)
        self._editor = editor
        self._waiting_TA = torch.zeros(0, encoder.audio_dim)
        self._made: list[Tensor] = []
        self.is_over = False

    @property
    def num_waiting(self) -> int:
        """Frames of sound that no window has taken."""
        return len(self._waiting_TA)

    def hear(self, samples_S: Tensor) -> None:
        """Take in the next samples."""
        # The encoder checks them: it goes first.
        self._wait(self._features.push(samples_S))
        if self._levels is not None and self._gate is not None:
            self._gate.hear(self._levels.push(samples_S))

    def end(self) -> None:
        """Say that no more sound follows."""
        self._wait(self._features.finish())
        if self._levels is not None and self._gate is not None:
            self._gate.hear(self._levels.finish())
        self.is_over = True

    def take(self, num_frames: int) -> Tensor:
        """Return the features (T, A) of the next frames."""
        taken, self._waiting_TA = self._waiting_TA[:num_frames], self._waiting_TA[num_frames:]
        return taken

    def settle(self, made: Sequence[Tensor]) -> Motion | None:
        """Return the motion of the frames that all streams have made.

        Args:
            made: New coefficients (T, C) of each stream: the system's, and that of pose if it is
                another; their plans may differ.
        """
        before = self._made or [part_TC[:0] for part_TC in made]
        self._made = [torch.cat(pair) for pair in zip(before, made, strict=True)]
        num_frames = min(len(part_TC) for part_TC in self._made)
        if not num_frames:
            return None
        ready = [part_TC[:num_frames] for part_TC in self._made]
        self._made = [part_TC[num_frames:] for part_TC in self._made]
        # Without a model of pose the last stream has none.
        has_pose = ready[-1].shape[1] > NUM_EXPRESSION
        return self._editor.edit(
            ready[0][:, :NUM_EXPRESSION],
            pose_of(ready[-1]) if has_pose else None,
            None if self._gate is None else self._gate.closure(num_frames),
        )

    def _wait(self, features_TA: Tensor) -> None:
        self._waiting_TA = torch.cat([self._waiting_TA, features_TA])


class Lockstep:
    """Moves voices on together.

    Args:
        voices: The voices.
        streams: Streams of all voices: the system's, and that of pose if it is another.
        emit: Called with a voice's number and its next motion.
    """

    def __init__(
        self,
        voices: Sequence[Voice],
        streams: Sequence[MotionStream],
        emit: Callable[[int, Motion], None],
    ) -> None:
        self._voices = dict(enumerate(voices))
        self._streams = list(streams)
        self._emit = emit

    def go_on(self) -> None:
        """Generate what the sound that all voices have heard is enough for."""
        while self._voices:
            num_frames = min(voice.num_waiting for voice in self._voices.values())
            if num_frames:
                audio_BTA = torch.stack([v.take(num_frames) for v in self._voices.values()])
                made = [stream.push(audio_BTA) for stream in self._streams]
                self._hand_out(list(self._voices), made)
            ended = [n for n, v in self._voices.items() if v.is_over and not v.num_waiting]
            if ended:
                self._finish(ended)
            elif not num_frames:
                return

    def _finish(self, ended: list[int]) -> None:
        numbers = list(self._voices)
        rows = [numbers.index(number) for number in ended]
        rest = [row for row in range(len(numbers)) if row not in rows]
        parts = self._streams if not rest else [stream.split(rows) for stream in self._streams]
        self._hand_out(ended, [part.finish() for part in parts])
        self._streams = [stream.split(rest) for stream in self._streams] if rest else []
        for number in ended:
            del self._voices[number]

    def _hand_out(self, numbers: list[int], made: list[Tensor]) -> None:
        for row, number in enumerate(numbers):
            motion = self._voices[number].settle([made_BTC[row] for made_BTC in made])
            if motion is not None:
                self._emit(number, motion)


def join_parts(parts: list[Motion]) -> Motion:
    """Return motion that came in parts as one."""
    return replace(
        parts[0],
        expression=torch.cat([part.expression for part in parts]),
        pose=torch.cat([part.pose for part in parts]),
    )
