"""A clip whose lips are made anew: everything else in its pictures stays as it was filmed.

Each picture is a portrait of its own, fitted with the clip's one identity and its smoothed
landmarks, and drawn in its own pose. Of what is drawn the lower face alone is pasted: eyes, brows
and hair are the clip's own pixels.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from viseme_core.types import FPS, CropBox, Landmarks, Motion, ReferenceFace
from viseme_data.coefficients import fit_motion
from viseme_data.crop import crop_box, to_crop, warp
from viseme_data.follow import FaceTrack, FollowConfig
from viseme_data.frames import read_frames, read_pictures
from viseme_data.prepare.tracks import read_chapters
from viseme_data.track import FaceTracker
from viseme_face import MorphableModel
from viseme_pipeline.loop import Loop, forward, looped
from viseme_pipeline.lower_face import lower_face
from viseme_pipeline.paste import Paster
from viseme_pipeline.scene import Drawn, Scene, film_size, fitted, to_bytes
from viseme_pipeline.still import choose_face
from viseme_pipeline.wishes import Wishes
from viseme_render import FrameRenderer

MAX_FRAMES = 60 * FPS
"""Of a longer clip the first minute is used, and runs back and forth: memory stays flat."""

logger = logging.getLogger(__name__)


class Footage(Scene):
    """One person in a clip.

    Args:
        pictures: The clip's pictures as they follow each other in the film, with their numbers.
        size: Width and height of the film.
        crop: Where the face is.
        motion: What it does in the clip.
        landmarks: Its landmarks in the crop.
        side: Side of crops.
    """

    def __init__(
        self,
        pictures: Loop,
        size: tuple[int, int],
        crop: CropBox,
        motion: Motion,
        landmarks: Landmarks,
        side: int,
    ) -> None:
        super().__init__(size, Paster(crop, size, side))
        self._pictures = pictures
        self._crop = crop
        self._motion = motion
        self._points_TKD = landmarks.points_TKD
        self._side = side

    @property
    def told(self) -> dict[str, Any]:
        """What the motion generator is told: all that the face does in the clip."""
        return {"clip": self._motion}

    def draw(self, renderer: FrameRenderer, motion: Iterator[Motion]) -> Iterator[Drawn]:
        """Yield the person with other lips; see `Scene`."""
        for part in motion:
            for first in range(0, part.num_frames, self.chunk):
                some = part[first : first + self.chunk]
                shown = list(islice(self._pictures, some.num_frames))
                frames = [
                    next(renderer(self._portrait(number, picture_HW3), some[i : i + 1]))
                    for i, (number, picture_HW3) in enumerate(shown)
                ]
                pictures = [picture for _, picture in shown]
                shares = [lower_face(self._points_TKD[number, :, :2]) for number, _ in shown]
                yield Drawn(to_bytes(torch.cat(frames)), pictures, shares)

    def _portrait(self, number: int, picture_HW3: np.ndarray) -> ReferenceFace:
        frame_HW3 = warp(picture_HW3, self._crop, self._side)
        frame_3HW = torch.from_numpy(frame_HW3).permute(2, 0, 1).float() / 127.5 - 1
        return ReferenceFace(
            frame_3HW=frame_3HW,
            landmarks=Landmarks(self._points_TKD[number, None], "mp478"),
            identity=self._motion.identity,
            expression=self._motion.expression[number],
            pose=self._motion.pose[number],
            face_model=self._motion.face_model,
            crop=self._crop,
            # Renderers do not look at it; pictures are kept where they are pasted.
            source_3HW=frame_3HW,
        )


@contextmanager
def open_footage(
    video: str | PathLike[str], wishes: Wishes, *, num_frames: int
) -> Iterator[Footage]:
    """Give a person of a clip, ready to speak so many frames.

    Args:
        video: The clip.
        wishes: Which face, and how large.
        num_frames: Frames of the film.

    Raises:
        ValueError: If there are no pictures, or no such face in them.
    """
    path = Path(video)
    track, shown = _track(path, wishes)
    target = film_size(*shown, wishes)
    scale_3 = torch.tensor([target[0] / shown[0], target[1] / shown[1], target[0] / shown[0]])
    # An odd last row is cut off, not squeezed: points stay where they are.
    exact = all(0 <= old - new <= 1 for old, new in zip(shown, target, strict=True))
    points_TK3 = track.points_TK3 * (1 if exact else scale_3)
    crop = crop_box(points_TK3)
    clip = fit_motion(MorphableModel.builtin(), to_crop(points_TK3, crop))
    frames = range(track.start_frame, track.end_frame)
    with TemporaryDirectory(prefix="viseme-") as scratch:
        whole = (fitted(f, target) for f in islice(read_frames(path), frames.start, frames.stop))
        if num_frames <= len(frames):
            pictures = forward(whole)
        else:
            logger.info(
                "%r shows its face for %.1f s of its first minute, the voice lasts %.1f s: it "
                "runs back and forth", str(video), len(frames) / FPS, num_frames / FPS,
            )  # fmt: skip
            pictures = looped(whole, target, len(frames), Path(scratch))
        yield Footage(
            pictures, target, crop, clip.motion, clip.landmarks, wishes.side_for(crop.side)
        )


def _track(path: Path, wishes: Wishes) -> tuple[FaceTrack, tuple[int, int]]:
    """Return the wanted face where it is longest in sight, and the size of the pictures."""
    tracks: list[FaceTrack] = []
    size = (0, 0)
    pictures = islice(read_pictures(path), MAX_FRAMES)
    with FaceTracker() as tracker:
        config = FollowConfig(max_frames=MAX_FRAMES)
        for chapter in read_chapters(pictures, tracker, config, which="all", depth=4):
            tracks += [numbered.track for numbered in chapter.tracks]
            size = (chapter.width, chapter.height)
    if not tracks:
        raise ValueError(
            f"no face is found in the first minute of {str(path)!r}; use a clip that shows one "
            f"from the front for at least a second"
        )
    longest = max(tracks, key=lambda track: track.prominence)
    beside = [track for track in tracks if _meet(track, longest)]
    faces = [track.points_TK3.mean(0).numpy() for track in beside]
    chosen = choose_face(faces, wishes.face, repr(str(path)))
    (index,) = [i for i, face in enumerate(faces) if face is chosen]
    return beside[index], size


def _meet(one: FaceTrack, other: FaceTrack) -> bool:
    return one.start_frame < other.end_frame and other.start_frame < one.end_frame
