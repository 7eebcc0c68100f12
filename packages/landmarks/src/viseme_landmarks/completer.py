"""Voice to landmarks for whoever uses a trained model.

completer = LandmarkCompleter.from_checkpoint("runs/landmarks/small")
landmarks = completer(AudioClip(samples), template)
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from viseme_core.audio import MEL_WINDOW, build_encoder
from viseme_core.loop import mirror_loop
from viseme_core.types import SAMPLE_RATE_HZ, AudioClip, Landmarks
from viseme_face.layouts import POSE_SLICE, select
from viseme_landmarks.build import load_model
from viseme_landmarks.completion import CompletionStream
from viseme_landmarks.config import AUDIO, LAYOUT
from viseme_landmarks.model import LandmarkModel
from viseme_landmarks.references import choose_references

PIECE_SEC = 10
"""Sound is heard in pieces so long, so that features of hours are never held at once."""


class LandmarkCompleter:
    """Completes the lips and jaws of a template from sound.

    Args:
        model: Trained model of faces in `talk131`.
        device: Where the network runs; landmarks come out on the CPU.
    """

    def __init__(self, model: LandmarkModel, *, device: torch.device | str = "cpu") -> None:
        if not model.config.is_talk131:
            raise ValueError(
                f"LandmarkCompleter gives landmarks in {LAYOUT!r}; this model's faces have "
                f"{model.config.num_content} + {model.config.num_pose} points"
            )
        self.config = model.config
        self.device = torch.device(device)
        self._model = model.to(self.device).eval()
        self._encoder = build_encoder(AUDIO)

    @classmethod
    def from_checkpoint(
        cls, path: Path | str, *, device: torch.device | str = "cpu"
    ) -> "LandmarkCompleter":
        """Return a completer from a stage file, a Lightning checkpoint, or a folder with either.

        Raises:
            ValueError: If it is a checkpoint of another stage, or damaged.
        """
        return cls(load_model(path), device=device)

    def __call__(
        self, audio: AudioClip, template: Landmarks, references: Landmarks | None = None
    ) -> Landmarks:
        """Return whole faces `talk131` (T, 131, 2): the template's upper faces, completed.

        Args:
            audio: Sound of any rate; T is its number of frames.
            template: Landmarks of the video whose speaker is to say it, in a layout that holds
                `talk131`, and in a crop that stays where it is. It runs back and forth if it is
                shorter than the sound. Only its upper faces count.
            references: Whole faces of the speaker in the same crop, any number of them; by default
                as many of the template's as the model was trained with, from the most closed mouth
                to the most open.
        """
        rate_hz = audio.rate_hz
        pieces = audio.samples_S.split(PIECE_SEC * rate_hz)
        parts = self.stream(pieces, template, references, rate_hz=rate_hz)
        return Landmarks(torch.cat([part.points_TKD for part in parts]), LAYOUT)

    def stream(
        self,
        chunks: Iterable[Tensor | AudioClip],
        template: Landmarks | Iterable[Landmarks],
        references: Landmarks | None = None,
        *,
        rate_hz: int = SAMPLE_RATE_HZ,
    ) -> Iterator[Landmarks]:
        """Yield whole faces while sound arrives: together what a call on the whole sound returns.

        Args:
            chunks: The sound in pieces of any size.
            template: As in a call; or its pieces one after another, which are asked for as the
                sound needs them and must last as long as it does.
            references: As in a call; needed where the template comes in pieces.
            rate_hz: Rate of pieces that are bare samples.

        Raises:
            ValueError: If there is no sound, its rate changes, or the template's pieces end first.
        """
        if references is None:
            if not isinstance(template, Landmarks):
                raise ValueError(
                    "a template in pieces needs references: whole faces of the speaker, such as "
                    "choose_references() takes from landmarks"
                )
            references = choose_references(template, self.config.num_references)
        poses = _Poses(template)
        reference_RK2 = _points(references)
        stream = CompletionStream(self._model, reference_RK2.to(self.device))
        hearing, first_hz = None, 0
        waiting: list[Tensor] = []
        for samples_S, chunk_hz in _pieces_of(chunks, rate_hz):
            if hearing is None:
                hearing, first_hz = self._encoder.stream(chunk_hz), chunk_hz
            if chunk_hz != first_hz:
                raise ValueError(f"all chunks must have one rate, got {first_hz}, then {chunk_hz}")
            yield from self._go_on(stream, hearing.push(samples_S), poses, waiting)
        if hearing is None:
            raise ValueError("stream() got no chunk: there is no sound to work on")
        yield from self._go_on(stream, hearing.finish(), poses, waiting, is_over=True)

    def _go_on(
        self,
        stream: CompletionStream,
        mel_TA: Tensor,
        poses: "_Poses",
        waiting: list[Tensor],
        *,
        is_over: bool = False,
    ) -> Iterator[Landmarks]:
        """Yield the faces that new sound completes; `waiting` holds upper faces that are not."""
        pose_TK2 = poses.take(len(mel_TA))
        waiting.append(pose_TK2)
        mel_TMW = mel_TA.unflatten(-1, MEL_WINDOW).to(self.device)
        content_TK2 = stream.push(mel_TMW, pose_TK2.to(self.device))
        if is_over:
            content_TK2 = torch.cat([content_TK2, stream.finish()])
        if len(content_TK2):
            upper_TK2 = torch.cat(waiting)
            ready_TK2, rest_TK2 = upper_TK2.tensor_split([len(content_TK2)])
            waiting[:] = [rest_TK2.clone()]
            yield Landmarks(torch.cat([content_TK2.float().cpu(), ready_TK2], 1), LAYOUT)


class _Poses:
    """The upper faces of a template, taken in order.

    Args:
        template: All of it, or its pieces.
    """

    def __init__(self, template: Landmarks | Iterable[Landmarks]) -> None:
        self._place = 0
        self._whole: Tensor | None = None
        self._pieces: Iterator[Landmarks] = iter(())
        self._left = torch.zeros(0, POSE_SLICE.stop - POSE_SLICE.start, 2)
        if isinstance(template, Landmarks):
            if not template.num_frames:
                raise ValueError("the template has no frames: there is nobody to complete")
            self._whole = _points(template)[:, POSE_SLICE]
        else:
            self._pieces = iter(template)

    def take(self, count: int) -> Tensor:
        """Return the next upper faces, shape (count, 74, 2)."""
        self._place += count
        if self._whole is not None:
            numbers_T = mirror_loop(len(self._whole), self._place - count, self._place)
            return self._whole[numbers_T]
        while len(self._left) < count:
            piece = next(self._pieces, None)
            if piece is None:
                missing = count - len(self._left)
                raise ValueError(
                    f"the template's pieces end after {self._place - missing} frames, before the "
                    f"sound; loop them, or give the template whole"
                )
            self._left = torch.cat([self._left, _points(piece)[:, POSE_SLICE]])
        taken_TK2, self._left = self._left.tensor_split([count])
        return taken_TK2


def _points(landmarks: Landmarks) -> Tensor:
    """Return the 131 points in the crop, float32 (T, 131, 2) on the CPU."""
    return select(landmarks, LAYOUT).points_TKD[..., :2].detach().float().cpu()


def _pieces_of(chunks: Iterable[Tensor | AudioClip], rate_hz: int) -> Iterator[tuple[Tensor, int]]:
    if isinstance(chunks, AudioClip | Tensor):
        raise ValueError(
            "stream() takes the pieces of a sound; give a whole one as a list, [sound]"
        )
    for chunk in chunks:
        if isinstance(chunk, AudioClip):
            yield chunk.samples_S, chunk.rate_hz
        else:
            yield chunk, rate_hz
