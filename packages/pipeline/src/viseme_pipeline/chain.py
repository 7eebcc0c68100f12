"""Any motion stage with any renderer that takes motion; or landmarks, with what they drive.

    face = TalkingFace.from_pretrained()
    film = face.generate("voice.wav", "portrait.jpg", out="talking.mp4")
    for frame in face.stream("voice.wav", "portrait.jpg"): ...  # uint8 RGB (H, W, 3)

Everything is streamed: one thread makes motion of the sound, another draws faces, the caller's puts
pictures together, marks and encodes them. Memory does not grow with the length of the voice.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from viseme_core.types import SAMPLES_PER_FRAME, AudioClip
from viseme_motion import MotionGenerator
from viseme_motion.presets import PresetName
from viseme_pipeline.default import default_folder
from viseme_pipeline.device import checked_device
from viseme_pipeline.drive import Drive, Image, Video
from viseme_pipeline.dubbing_rules import check_files, dubbing_preset
from viseme_pipeline.film import Film, check_target, replaced, write_film
from viseme_pipeline.folder import StageFiles, read_folder, save_folder
from viseme_pipeline.marking import Marking, MarksChoice
from viseme_pipeline.motion_drive import MotionDrive
from viseme_pipeline.scene import Drawn, Scene
from viseme_pipeline.voice import Voice, open_voice
from viseme_pipeline.wishes import Wishes
from viseme_render import FrameRenderer, MeshRenderer

Audio = str | PathLike[str] | AudioClip
logger = logging.getLogger(__name__)


class TalkingFace:
    """A voice and a face to a video.

    Args:
        motion: What makes motion of sound; or a drive, such as `LandmarkDrive(completer, renderer)`
            of `viseme_pipeline.landmark_drive`, which dubs clips.
        renderer: What draws motion; by default the mesh renderer.
        files: Where the stages were read from, for `save_pretrained`.
        preset: Preset to keep with them.

    Raises:
        ValueError: If motion or renderer are of another face model than portraits.
    """

    def __init__(
        self,
        motion: MotionGenerator | Drive[Any],
        renderer: FrameRenderer | None = None,
        *,
        files: StageFiles | None = None,
        preset: PresetName = "fast",
    ) -> None:
        self.files = files
        self.preset: PresetName = preset
        if isinstance(motion, Drive):
            if renderer is not None:
                raise ValueError("a drive has a renderer of its own; leave `renderer` out")
            self.drive: Drive[Any] = motion
            return
        blink_rate = None if files is None else files.blink_rate
        self.drive = MotionDrive(
            motion, renderer or MeshRenderer(), preset=preset, blink_rate=blink_rate
        )

    @property
    def motion(self) -> MotionGenerator:
        """What makes motion of sound.

        Raises:
            ValueError: If faces are driven by landmarks.
        """
        return self._moved.motion

    @property
    def renderer(self) -> FrameRenderer:
        """What draws motion.

        Raises:
            ValueError: If faces are driven by landmarks.
        """
        return self._moved.renderer

    @property
    def _moved(self) -> MotionDrive:
        if isinstance(self.drive, MotionDrive):
            return self.drive
        raise ValueError("this chain is driven by landmarks and makes no motion; see its `drive`")

    @classmethod
    def from_stages(
        cls, files: StageFiles, *, preset: PresetName = "fast", device: str | None = None
    ) -> "TalkingFace":
        """Return the chain of some stages.

        Args:
            files: Where they are.
            preset: How motion, or what landmarks drive, is sampled.
            device: Where networks run; by default on a GPU if there is one.

        Raises:
            ValueError: If a file is damaged, or holds another stage.
        """
        check_files(files)
        device = checked_device(device)
        if files.motion is None:
            # Brings diffusers' networks along, which motion has no use for.
            drive = import_module("viseme_pipeline.landmark_drive").LandmarkDrive.from_files(
                files.landmarks,
                files.renderer,
                autoencoder=files.autoencoder,
                preset=dubbing_preset(preset),
                device=device,
            )
            return cls(drive, files=files, preset=preset)
        motion = MotionGenerator.from_checkpoint(
            files.motion,
            pose_from=files.pose,
            audio_path=None if files.hearing is None else str(files.hearing),
            preset=preset,
            device=device,
        )
        # Speech models are read when they first hear something.
        motion.encoder.encode(torch.zeros(SAMPLES_PER_FRAME))
        renderer = (
            MeshRenderer(device=device)
            if files.renderer is None
            else FrameRenderer.from_checkpoint(files.renderer, device=device)
        )
        return cls(motion, renderer, files=files, preset=preset)

    @classmethod
    def from_pretrained(
        cls,
        folder: str | PathLike[str] | None = None,
        *,
        preset: PresetName | None = None,
        device: str | None = None,
    ) -> "TalkingFace":
        """Return the chain that a folder holds; without one, the embedded default.

        Args:
            folder: What `save_pretrained` wrote.
            preset: How it is sampled; by default as the folder says.
            device: Where networks run; by default on a GPU if there is one.

        Raises:
            ValueError: If the folder holds no chain, or a stage is damaged.
        """
        files, kept = read_folder(default_folder() if folder is None else Path(folder))
        return cls.from_stages(files, preset=preset or kept, device=device)

    def save_pretrained(
        self, folder: str | PathLike[str], *, half: bool = False, card: Path | None = None
    ) -> None:
        """Write every stage and an index into a folder that `from_pretrained` reads.

        Args:
            folder: Where to; it is made.
            half: Whether weights are kept in 16 bits, at half the size.
            card: What says where the weights come from.

        Raises:
            ValueError: If the chain was not made of files.
        """
        if self.files is None:
            raise ValueError(
                "save_pretrained copies the files that a chain was read from, and this one was "
                "made of objects; make it by TalkingFace.from_stages"
            )
        save_folder(Path(folder), self.files, preset=self.preset, half=half, card=card)

    def generate(
        self,
        audio: Audio,
        image: Image | None = None,
        *,
        video: Video | None = None,
        out: str | PathLike[str],
        wishes: Wishes | None = None,
        marks: MarksChoice = None,
        overwrite: bool = False,
        on_frames: Callable[[int, int], None] = lambda done, total: None,
    ) -> Film:
        """Return the film that it writes: the face speaks with the voice, 25 frames a second.

        The file appears under its name only when it is complete.

        Args:
            audio: The voice: a sound or video file, or samples.
            image: A portrait: a file, or uint8 RGB. Give this or `video`.
            video: A clip whose lips are made anew; shorter than the voice, it runs back and forth.
            out: File to write, ending in .mp4.
            wishes: All else that can be asked.
            marks: All of them by default; leaving one out is for lawful research, see `Marks`.
            overwrite: Whether a file of that name is replaced.
            on_frames: Called with the frames that are done and their total.

        Raises:
            ValueError: If an input cannot be used; it says which and why.
            OSError: If the film cannot be written.
        """
        started = time.perf_counter()
        wishes = wishes or Wishes()
        self.drive.check(wishes)
        path = check_target(out, overwrite=overwrite)
        marking = Marking(marks, wishes.label)
        marking.check_key()
        voice = open_voice(audio)
        if voice.is_silent:
            logger.warning("%s is silent: nothing is said in the film", voice.name)
        with (
            self._scene(image, video, voice, wishes) as scene,
            self._frames(voice, scene, wishes, marking) as chunks,
            replaced(path) as draft,
        ):
            on_frames(0, voice.num_frames)
            done = 0
            for done in write_film(draft, chunks, voice, scene.size, crf=wishes.crf):
                on_frames(done, voice.num_frames)
            facts = {**self.drive.facts(), "seed": str(wishes.seed)}
            marking.sign(draft, facts, title=path.name)
        return Film(
            path=path,
            num_frames=done,
            size=scene.size,
            took_sec=time.perf_counter() - started,
        )

    def stream(
        self,
        audio: Audio,
        image: Image | None = None,
        *,
        video: Video | None = None,
        wishes: Wishes | None = None,
        marks: MarksChoice = None,
    ) -> Iterator[np.ndarray]:
        """Yield the frames that `generate` writes, uint8 RGB (H, W, 3), marked like them.

        Args:
            audio: As for `generate`; so are the others.
            image: A portrait.
            video: A clip.
            wishes: All else that can be asked.
            marks: Which marks they carry.
        """
        wishes = wishes or Wishes()
        self.drive.check(wishes)
        # First: without marks nothing is begun.
        marking = Marking(marks, wishes.label)
        voice = open_voice(audio)
        with (
            self._scene(image, video, voice, wishes) as scene,
            self._frames(voice, scene, wishes, marking) as chunks,
        ):
            for frames_THW3 in chunks:
                yield from frames_THW3

    @contextmanager
    def _scene(
        self,
        image: Image | None,
        video: Video | None,
        voice: Voice,
        wishes: Wishes,
    ) -> Iterator[Scene]:
        if (image is None) == (video is None):
            raise ValueError("give a portrait (--image) or a clip (--video), one of them")
        with self.drive.open(image, video, wishes, voice.num_frames) as scene:
            yield scene

    @contextmanager
    def _frames(
        self, voice: Voice, scene: Scene, wishes: Wishes, marking: Marking
    ) -> Iterator[Iterator[np.ndarray]]:
        marking.check(scene.size)
        with self.drive.draw(voice, scene, wishes) as drawn:
            yield _finished(scene, drawn, marking)


def _finished(scene: Scene, drawn: Iterator[Drawn], marking: Marking) -> Iterator[np.ndarray]:
    """Yield whole frames, labelled and marked."""
    start = 0
    for chunk in drawn:
        frames_THW3 = scene.compose(chunk)
        yield marking.embed(frames_THW3, start)
        start += len(frames_THW3)
