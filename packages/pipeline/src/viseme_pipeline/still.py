"""A portrait that talks."""

import logging
from collections.abc import Iterator
from os import PathLike
from typing import Any

import numpy as np
import torch
from PIL import Image

from viseme_core.types import Motion, ReferenceFace
from viseme_data.boxes import area, box_of
from viseme_data.crop import crop_box
from viseme_data.reference import ReferenceConfig, reference_of
from viseme_data.stills import read_image
from viseme_data.track import FaceTracker, TrackerConfig
from viseme_pipeline.context import draw_stream
from viseme_pipeline.paste import Paster
from viseme_pipeline.scene import Drawn, MovedScene, film_size, fitted, to_bytes
from viseme_pipeline.wishes import Wishes
from viseme_render import FrameRenderer

_MAX_FACES = 8
# Kinds of files in which several pictures follow each other in time.
_ANIMATED = ("GIF", "PNG", "WEBP")

logger = logging.getLogger(__name__)


class Still(MovedScene):
    """One face of a picture, which stays as it is around it.

    Args:
        picture_HW3: uint8 RGB, even sides.
        reference: The face.
    """

    def __init__(self, picture_HW3: np.ndarray, reference: ReferenceFace) -> None:
        height, width = picture_HW3.shape[:2]
        side = reference.frame_3HW.shape[-1]
        super().__init__((width, height), Paster(reference.crop, (width, height), side))
        self.picture_HW3 = picture_HW3
        self.reference = reference

    @property
    def told(self) -> dict[str, Any]:
        """What the motion generator is told: the face that it starts from."""
        return {"reference": self.reference}

    def draw(self, renderer: FrameRenderer, motion: Iterator[Motion]) -> Iterator[Drawn]:
        """Yield the portrait in motion; see `MovedScene`."""
        for frames_T3HW in draw_stream(renderer, self.reference, motion, self.chunk):
            count = len(frames_T3HW)
            yield Drawn(to_bytes(frames_T3HW), [self.picture_HW3] * count, [None] * count)


def open_still(image: str | PathLike[str] | np.ndarray, wishes: Wishes) -> Still:
    """Return the face of a picture, ready to talk.

    Args:
        image: Picture file, or uint8 RGB (H, W, 3).
        wishes: Which face, and how large.

    Raises:
        ValueError: If there is no picture, or no such face in it.
    """
    if isinstance(image, np.ndarray):
        picture_HW3, name = _checked(image), "the picture"
    else:
        picture_HW3, name = read_image(str(image)), repr(str(image))
        _say_if_animated(image)
    height, width = picture_HW3.shape[:2]
    target = film_size(width, height, wishes)
    if max(target) < max(width, height) - 1:
        logger.info("%s is %d x %d; the film is %d x %d (--max-side)", name, width, height, *target)
    picture_HW3 = fitted(picture_HW3, target)
    points_K3 = choose_face(_faces(picture_HW3, name, (width, height)), wishes.face, name)
    crop_side = crop_box(torch.from_numpy(points_K3)[None]).side
    config = ReferenceConfig(size=wishes.side_for(crop_side))
    return Still(picture_HW3, reference_of(picture_HW3, points_K3, config))


def choose_face(faces: list[np.ndarray], wanted: int | None, name: str) -> np.ndarray:
    """Return the wanted face, counted from the left and from 1; the largest by default.

    Args:
        faces: Landmarks (478, 3) of each face.
        wanted: Its number.
        name: What errors call the picture.

    Raises:
        ValueError: If there are not so many.
    """
    faces = sorted(faces, key=lambda face: float(face[:, 0].mean()))
    if wanted is not None:
        if wanted > len(faces):
            raise ValueError(f"--face {wanted}: {name} shows {len(faces)}; give 1 to {len(faces)}")
        return faces[wanted - 1]
    largest = max(range(len(faces)), key=lambda number: float(area(box_of(faces[number]))))
    if len(faces) > 1:
        logger.info(
            "%s shows %d faces; the largest talks, number %d from the left (--face N for another)",
            name, len(faces), largest + 1,
        )  # fmt: skip
    return faces[largest]


def _faces(picture_HW3: np.ndarray, name: str, shown: tuple[int, int]) -> list[np.ndarray]:
    with FaceTracker(TrackerConfig(max_faces=_MAX_FACES)) as tracker:
        faces = tracker.track(picture_HW3)
    if not faces:
        raise ValueError(
            f"no face is found in {name} ({shown[0]} x {shown[1]}); use a picture that shows one "
            f"from the front, larger than a tenth of its side"
        )
    return faces


def _checked(picture_HW3: np.ndarray) -> np.ndarray:
    if picture_HW3.ndim != 3 or picture_HW3.shape[2] != 3 or picture_HW3.dtype != np.uint8:
        raise ValueError(
            f"image must be a file or uint8 RGB of shape (H, W, 3), got {picture_HW3.dtype} of "
            f"shape {picture_HW3.shape}"
        )
    return picture_HW3


def _say_if_animated(path: str | PathLike[str]) -> None:
    with Image.open(path) as image:
        count, kind = getattr(image, "n_frames", 1), image.format
    # What phones add to a portrait, such as a gain map, is no later moment of it.
    if count > 1 and kind in _ANIMATED:
        logger.info("%r is an animation of %d pictures; the first one is used", str(path), count)
