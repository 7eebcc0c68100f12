"""A face in a clip: where it is in each picture, and its pictures as long as they are wanted."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from viseme_core.types import FPS, CropBox
from viseme_data.crop import crop_box
from viseme_data.follow import FaceTrack, FollowConfig
from viseme_data.frames import read_frames, read_pictures
from viseme_data.prepare.tracks import read_chapters
from viseme_data.track import FaceTracker
from viseme_pipeline.loop import Loop, forward, looped
from viseme_pipeline.scene import film_size, fitted
from viseme_pipeline.still import choose_face
from viseme_pipeline.wishes import Wishes

MAX_FRAMES = 60 * FPS
"""Of a longer clip the first minute is used, and runs back and forth: memory stays flat."""

logger = logging.getLogger(__name__)


class FilmedFace(NamedTuple):
    """One person of a clip."""

    pictures: Loop
    """The clip's pictures as they follow each other in the film, with their numbers."""
    size: tuple[int, int]
    """Width and height of the film."""
    crop: CropBox
    """Where the face is."""
    points_TK3: Tensor
    """Its landmarks `mp478` in each picture of the clip, in pixels of the film."""
    read: Callable[[], Iterator[np.ndarray]]
    """Gives the clip's pictures once more, from the first."""


@contextmanager
def open_clip(
    video: str | PathLike[str], wishes: Wishes, *, num_frames: int
) -> Iterator[FilmedFace]:
    """Give a person of a clip, in as many pictures as are wanted.

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
    frames = range(track.start_frame, track.end_frame)

    def read() -> Iterator[np.ndarray]:
        for frame_HW3 in islice(read_frames(path), frames.start, frames.stop):
            yield fitted(frame_HW3, target)

    with TemporaryDirectory(prefix="viseme-") as scratch:
        if num_frames <= len(frames):
            pictures = forward(read())
        else:
            logger.info(
                "%r shows its face for %.1f s of its first minute, the voice lasts %.1f s: it "
                "runs back and forth", str(video), len(frames) / FPS, num_frames / FPS,
            )  # fmt: skip
            pictures = looped(read(), target, len(frames), Path(scratch))
        yield FilmedFace(pictures, target, crop_box(points_TK3), points_TK3, read)


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
