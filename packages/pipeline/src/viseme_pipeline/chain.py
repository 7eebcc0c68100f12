"""Any motion stage with any renderer that takes motion.

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
from os import PathLike
from pathlib import Path

import numpy as np
import torch

from viseme_core.types import SAMPLES_PER_FRAME, AudioClip
from viseme_data.prepare.ahead import ahead
from viseme_face import MorphableModel
from viseme_motion import MotionGenerator
from viseme_motion.presets import PresetName
from viseme_pipeline.default import default_folder
from viseme_pipeline.film import Film, check_target, replaced, write_film
from viseme_pipeline.folder import StageFiles, read_folder, save_folder
from viseme_pipeline.footage import open_footage
from viseme_pipeline.marking import Marking, MarksChoice
from viseme_pipeline.scene import Drawn, Scene
from viseme_pipeline.still import open_still
from viseme_pipeline.voice import Voice, as_tensors, open_voice
from viseme_pipeline.wishes import Wishes
from viseme_render import FrameRenderer, MeshRenderer

Audio = str | PathLike[str] | AudioClip
Image = str | PathLike[str] | np.ndarray
# Chunks that a thread may be ahead of the next: enough to even out, too few to fill memory.
_AHEAD = 3
logger = logging.getLogger(__name__)


class TalkingFace:
    """A voice and a face to a video.

    Args:
        motion: What makes motion of sound.
        renderer: What draws it; by default the mesh renderer.
        files: Where the stages were read from, for `save_pretrained`.
        preset: Preset to keep with them.

    Raises:
        ValueError: If motion or renderer are of another face model than portraits.
    """

    def __init__(
        self,
        motion: MotionGenerator,
        renderer: FrameRenderer | None = None,
        *,
        files: StageFiles | None = None,
        preset: PresetName = "fast",
    ) -> None:
        self.motion = motion
        self.renderer = renderer or MeshRenderer()
        self.files = files
        self.preset: PresetName = preset
        known = MorphableModel.builtin().name
        for what, stage in (("motion stage moves", motion), ("renderer draws", self.renderer)):
            if stage.face_model != known:
                raise ValueError(
                    f"the {what} the face model {stage.face_model!r}, portraits are fitted with "
                    f"{known!r}; give one that was trained on that"
                )

    @classmethod
    def from_stages(
        cls, files: StageFiles, *, preset: PresetName = "fast", device: str | None = None
    ) -> "TalkingFace":
        """Return the chain of some stages.

        Args:
            files: Where they are.
            preset: How motion is sampled.
            device: Where networks run; by default on a GPU if there is one.

        Raises:
            ValueError: If a file is damaged, or holds another stage.
        """
        device = checked_device(device)
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
            preset: How motion is sampled; by default as the folder says.
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
        video: str | PathLike[str] | None = None,
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
            marking.sign(draft, self._facts(wishes), title=path.name)
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
        video: str | PathLike[str] | None = None,
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
        video: str | PathLike[str] | None,
        voice: Voice,
        wishes: Wishes,
    ) -> Iterator[Scene]:
        if (image is None) == (video is None):
            raise ValueError("give a portrait (--image) or a clip (--video), one of them")
        if image is not None:
            yield open_still(image, wishes)
        elif video is not None:
            with open_footage(video, wishes, num_frames=voice.num_frames) as scene:
                yield scene

    @contextmanager
    def _frames(
        self, voice: Voice, scene: Scene, wishes: Wishes, marking: Marking
    ) -> Iterator[Iterator[np.ndarray]]:
        marking.check(scene.size)
        told = scene.told
        # A clip's eyes blink as they did.
        blinks = None if self.files is None or "clip" in told else self.files.blink_rate
        motion = self.motion.stream(
            as_tensors(voice.pieces()),
            seed=wishes.seed,
            control=wishes.control_for(blinks),
            **told,
        )
        with (
            ahead(motion, _AHEAD) as parts,
            ahead(scene.draw(self.renderer, parts), _AHEAD) as drawn,
        ):
            yield _finished(scene, drawn, marking)

    def _facts(self, wishes: Wishes) -> dict[str, str]:
        return {
            "motion": self.motion.config.system,
            "renderer": type(self.renderer).__name__,
            "preset": self.preset,
            "seed": str(wishes.seed),
        }


def checked_device(name: str | None) -> str:
    """Return a device that is there, by default the fastest.

    Raises:
        ValueError: If it is not there.
    """
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"--device {name!r} cannot be used here ({reason}); try cpu") from error
    return name


def _finished(scene: Scene, drawn: Iterator[Drawn], marking: Marking) -> Iterator[np.ndarray]:
    """Yield whole frames, labelled and marked."""
    start = 0
    for chunk in drawn:
        frames_THW3 = scene.compose(chunk)
        yield marking.embed(frames_THW3, start)
        start += len(frames_THW3)
