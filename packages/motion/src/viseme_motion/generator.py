"""Voice to motion for whoever uses a trained model.

generator = MotionGenerator.from_checkpoint("runs/motion/disenttalk/small", preset="fast")
motion = generator(AudioClip(samples))
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import overload

import torch
from torch import Tensor

from viseme_core.audio import AudioEncoder
from viseme_core.types import NUM_EXPRESSION, SAMPLE_RATE_HZ, AudioClip, Motion
from viseme_face import MorphableModel
from viseme_motion.build import MotionModel, load_model
from viseme_motion.companions import Loaded, check_encoder, checked_poser, encoder_for
from viseme_motion.config import MotionConfig
from viseme_motion.control import Control
from viseme_motion.disenttalk.model import DisentTalkModel
from viseme_motion.disenttalk.subspaces import Subspaces
from viseme_motion.editor import MotionEditor
from viseme_motion.face_kit import FaceKit
from viseme_motion.fd2talk.model import EXPRESSION, POSE
from viseme_motion.generation import MotionStream
from viseme_motion.job import Job, Reference, as_clips, pieces_of, spread_jobs
from viseme_motion.lockstep import Lockstep, Voice, join_parts
from viseme_motion.pose_source import PoseModel
from viseme_motion.presets import POSE_ALONE, Preset, PresetName, find_preset, without_guidance
from viseme_motion.silence import LOOK_FRAMES

logger = logging.getLogger(__name__)

PIECE_SEC = 10
"""Sound is encoded in pieces so long, so that features of hours are never held at once."""


class MotionGenerator:
    """Makes motion of sound.

    Args:
        model: Model of either system.
        config: Its config.
        face_model: Name of the face model of its motion.
        pose_from: FD2Talk model that makes pose where `model` makes none.
        preset: `direct`, `fast`, `balanced`, `paper`, or one of your own.
        device: Where networks run; motion comes out on the CPU.
        encoder: Audio encoder; by default the one that the config names.
        faces: Face models besides the built-in one, to convert motion and to edit it.
        subspaces: Expression directions by region, for FD2Talk on a face model other than the
            built-in one; DisentTalk has its own.
    """

    def __init__(
        self,
        model: MotionModel,
        config: MotionConfig,
        face_model: str,
        *,
        pose_from: Loaded | None = None,
        preset: PresetName | Preset = "balanced",
        device: torch.device | str = "cpu",
        encoder: AudioEncoder | None = None,
        faces: Sequence[MorphableModel] = (),
        subspaces: Subspaces | None = None,
    ) -> None:
        self.config = config
        self.face_model = face_model
        self._model = model.to(device).eval()
        self._poser = None
        if pose_from is not None:
            poser = checked_poser(pose_from, config, face_model)
            self._poser = PoseModel(poser.to(device).eval())
        self.encoder = encoder_for(config) if encoder is None else encoder
        check_encoder(self.encoder, config)
        if isinstance(model, DisentTalkModel):
            subspaces = model.subspaces
        mean_C = model.motion_scale.mean.cpu()
        pose_mean_C = mean_C if self._poser is None else self._poser.motion_scale.mean.cpu()
        self._kit = FaceKit(
            name=face_model,
            faces={face.name: face for face in faces},
            subspaces=subspaces,
            mean_expression=mean_C[EXPRESSION],
            mean_pose=pose_mean_C[POSE] if len(pose_mean_C) > NUM_EXPRESSION else None,
        )
        self._set_preset(preset)

    @classmethod
    def from_checkpoint(
        cls,
        path: Path | str,
        *,
        pose_from: Path | str | None = None,
        audio_path: str | None = None,
        preset: PresetName | Preset = "balanced",
        device: torch.device | str = "cpu",
        encoder: AudioEncoder | None = None,
        faces: Sequence[MorphableModel] = (),
        subspaces: Subspaces | None = None,
    ) -> "MotionGenerator":
        """Return a generator from a stage file, a Lightning checkpoint, or a folder with either.

        Args:
            path: The checkpoint.
            pose_from: FD2Talk's checkpoint, for pose beside DisentTalk's expression.
            audio_path: Where the speech model lies that it hears with, if not where it lay in
                training; other weights are refused.
            preset: As for the class; so are the others.
            device: Where networks run.
            encoder: Audio encoder.
            faces: Face models besides the built-in one.
            subspaces: Expression directions by region.

        Raises:
            ValueError: If it is a checkpoint of another stage, or damaged.
        """
        loaded = load_model(path)
        if encoder is None:
            encoder = encoder_for(loaded[1], audio_path, checkpoint=path)
        elif audio_path is not None:
            raise ValueError("give an encoder or audio_path, not both: an encoder knows its path")
        return cls(
            *loaded,
            pose_from=None if pose_from is None else load_model(pose_from),
            preset=preset,
            device=device,
            encoder=encoder,
            faces=faces,
            subspaces=subspaces,
        )

    def with_preset(self, preset: PresetName | Preset) -> "MotionGenerator":
        """Return a generator with another preset that shares everything else."""
        other = copy(self)
        other._set_preset(preset)
        return other

    @overload
    def __call__(
        self,
        audio: AudioClip,
        *,
        seed: int = ...,
        identity: Tensor | None = ...,
        reference: Reference | None = ...,
        clip: Motion | None = ...,
        control: Control | None = ...,
    ) -> Motion: ...
    @overload
    def __call__(
        self,
        audio: Sequence[AudioClip],
        *,
        seed: int | Sequence[int] = ...,
        identity: Tensor | Sequence[Tensor | None] | None = ...,
        reference: Reference | Sequence[Reference | None] | None = ...,
        clip: Motion | Sequence[Motion | None] | None = ...,
        control: Control | Sequence[Control | None] | None = ...,
    ) -> list[Motion]: ...
    def __call__(
        self,
        audio: AudioClip | Sequence[AudioClip],
        *,
        seed: int | Sequence[int] = 0,
        identity: Tensor | Sequence[Tensor | None] | None = None,
        reference: Reference | Sequence[Reference | None] | None = None,
        clip: Motion | Sequence[Motion | None] | None = None,
        control: Control | Sequence[Control | None] | None = None,
    ) -> Motion | list[Motion]:
        """Return the motion of a sound, 25 frames a second; of a list of sounds, a list.

        Sounds of a list are generated side by side; each comes out as it would alone. Every option
        may be a list too, one for each sound.

        Args:
            audio: Sound of any rate.
            seed: Another seed is another motion for the same sound.
            identity: (80,) identity of the motion; that of the reference or the clip, or else the
                mean face, by default.
            reference: Image mode: the face starts as this one (motion: its first frame) and rests
                around it.
            clip: Video mode: lips are generated, all else is the clip's, which runs back and forth
                if it is shorter.
            control: What else is asked.
        """
        clips = as_clips(audio)
        options = {
            "seed": seed, "identity": identity, "reference": reference, "clip": clip,
            "control": control,
        }  # fmt: skip
        jobs = spread_jobs(len(clips), options)
        found: list[list[Motion]] = [[] for _ in clips]
        voices, lockstep = self._begin(
            jobs, [clip.rate_hz for clip in clips], lambda number, part: found[number].append(part)
        )
        for start in range(0, 1 + max(int(clip.seconds) for clip in clips), PIECE_SEC):
            for voice, sound in zip(voices, clips, strict=True):
                if not voice.is_over:
                    stop = (start + PIECE_SEC) * sound.rate_hz
                    voice.hear(sound.samples_S[start * sound.rate_hz : stop])
                    if stop >= len(sound.samples_S):
                        voice.end()
            lockstep.go_on()
        motions = [join_parts(parts) for parts in found]
        return motions[0] if isinstance(audio, AudioClip) else motions

    def stream(
        self,
        chunks: Iterable[Tensor | AudioClip],
        *,
        rate_hz: int = SAMPLE_RATE_HZ,
        seed: int = 0,
        identity: Tensor | None = None,
        reference: Reference | None = None,
        clip: Motion | None = None,
        control: Control | None = None,
    ) -> Iterator[Motion]:
        """Yield motion while sound arrives: together what a call on the whole sound returns.

        Args:
            chunks: The sound in pieces of any size.
            rate_hz: Rate of pieces that are bare samples.
            seed: As in a call; so are the others.
            identity: Identity of the motion.
            reference: Image mode.
            clip: Video mode.
            control: What else is asked.

        Raises:
            ValueError: If the pieces' rates differ, or there are none.
        """
        ready: list[Motion] = []
        job = Job(
            seed=seed, identity=identity, reference=reference, clip=clip,
            control=control or Control(),
        )  # fmt: skip
        begun: tuple[Voice, Lockstep, int] | None = None
        for samples_S, chunk_hz in pieces_of(chunks, rate_hz):
            if begun is None:
                voices, lockstep = self._begin([job], [chunk_hz], lambda _, m: ready.append(m))
                begun = voices[0], lockstep, chunk_hz
            voice, lockstep, first_hz = begun
            if chunk_hz != first_hz:
                raise ValueError(f"all chunks must have one rate, got {first_hz}, then {chunk_hz}")
            voice.hear(samples_S)
            lockstep.go_on()
            while ready:
                yield ready.pop(0)
        if begun is None:
            raise ValueError("stream() got no chunk: there is no sound to work on")
        voice, lockstep, _ = begun
        voice.end()
        lockstep.go_on()
        yield from ready

    def _begin(
        self, jobs: list[Job], rates_hz: list[int], emit: Callable[[int, Motion], None]
    ) -> tuple[list[Voice], Lockstep]:
        """Return the voices of jobs, to be told what to hear, and what moves them on."""
        has_pose = self._kit.mean_pose is not None
        knows = self._model.config.portrait
        editors = [
            MotionEditor(self._kit, job, has_pose=has_pose, knows_portrait=knows) for job in jobs
        ]
        shared = {
            "seed": 0,
            "voices": [job.seed for job in jobs],
            "portrait_BC": torch.stack([editor.portrait for editor in editors]),
        }
        windows = self._preset.windows(self._model.windows)
        # The seed takes the voice's number, so that each voice is what it would be alone.
        streams = [MotionStream(self._model, self._preset.sampler, windows=windows, **shared)]
        if self._poser is not None and any(editor.pose == "model" for editor in editors):
            windows = self._pose_preset.windows(self._poser.windows)
            # A face at rest says nothing of heads, and an unusual one would send them anywhere.
            shared["portrait_BC"], sampler = None, self._pose_preset.sampler
            streams.append(MotionStream(self._poser, sampler, windows=windows, **shared))
        look = min(LOOK_FRAMES, self._model.windows.ahead)
        voices = [
            Voice(
                self.encoder, rate_hz, editor, look=look if job.control.close_in_silence else None
            )
            for rate_hz, editor, job in zip(rates_hz, editors, jobs, strict=True)
        ]
        return voices, Lockstep(voices, streams, emit)

    def _set_preset(self, preset: PresetName | Preset) -> None:
        is_named = isinstance(preset, str)
        chosen = find_preset(preset, self.config.system) if is_named else preset
        if isinstance(self._model, DisentTalkModel) and not self.config.disenttalk.drop_audio:
            if not is_named and chosen.sampler.guidance_scale != 1:
                logger.warning("guidance_scale is set aside: the model was trained by drop_audio 0")
            chosen = without_guidance(chosen)
        self._preset = chosen
        chosen = find_preset(preset, POSE_ALONE) if is_named else preset
        self._pose_preset = without_guidance(chosen)
