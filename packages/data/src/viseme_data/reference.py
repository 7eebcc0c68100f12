"""A portrait as every renderer starts from it: found, cropped and fitted.

    reference = read_reference("portrait.jpg")

Of a photograph or painting, or of any picture that is in memory already, as a video's first frame.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from viseme_core.types import ReferenceFace
from viseme_data.boxes import box_of
from viseme_data.coefficients import fit_motion
from viseme_data.crop import CROP_SCALE, crop_box, to_crop, warp
from viseme_data.facemesh import FaceNets
from viseme_data.head_depth import head_depth
from viseme_data.stills import read_image
from viseme_data.track import FaceTracker
from viseme_face import MorphableModel

REFERENCE_PX = 256
"""Side of a reference's crop unless asked otherwise."""


@dataclass(frozen=True, kw_only=True)
class ReferenceConfig:
    """How a portrait becomes a reference."""

    size: int = REFERENCE_PX
    """Side of the crop in pixels, which is that of the frames to be rendered."""
    scale: float = CROP_SCALE
    """Side of the crop over the larger side of the box around the landmarks."""
    measure_depth: bool = True
    """Whether to look how deep the head is, in a fifth of a second; else the fit says it."""

    def __post_init__(self) -> None:
        if self.size < 32:
            raise ValueError(f"reference.size must be at least 32 pixels, got {self.size}")
        if not self.scale >= 1:
            raise ValueError(
                f"reference.scale must be at least 1, got {self.scale}: a crop holds its face"
            )


def read_reference(
    path: str | Path,
    config: ReferenceConfig | None = None,
    *,
    model: MorphableModel | None = None,
    tracker: FaceTracker | None = None,
) -> ReferenceFace:
    """Return the largest face of a picture file, found and fitted.

    Args:
        path: Picture of any kind that `read_image` reads.
        config: Size and scale of the crop, and whether to measure the depth of the head.
        model: Face model that knows `mp478`; by default the built-in one.
        tracker: Tracker to use; it is reset. By default one is made and closed again.

    Raises:
        MediaError: If there is no such file, or no picture in it.
        ValueError: If no face is found in it.
    """
    return make_reference(
        read_image(path), config, model=model, tracker=tracker, name=repr(str(path))
    )


def make_reference(
    picture_HW3: np.ndarray,
    config: ReferenceConfig | None = None,
    *,
    model: MorphableModel | None = None,
    tracker: FaceTracker | None = None,
    name: str = "the picture",
) -> ReferenceFace:
    """Return the largest face of a picture, found and fitted.

    Args:
        picture_HW3: uint8 RGB.
        config: Size and scale of the crop, and whether to measure the depth of the head.
        model: Face model that knows `mp478`; by default the built-in one.
        tracker: Tracker to use; it is reset. By default one is made and closed again.
        name: What errors call the picture.

    Raises:
        ValueError: If no face is found in it.
    """
    return reference_of(picture_HW3, _largest_face(picture_HW3, tracker, name), config, model=model)


def reference_of(
    picture_HW3: np.ndarray,
    points_K3: np.ndarray,
    config: ReferenceConfig | None = None,
    *,
    model: MorphableModel | None = None,
) -> ReferenceFace:
    """Return a face of a picture whose landmarks are known, fitted.

    Args:
        picture_HW3: uint8 RGB.
        points_K3: Its landmarks `mp478` as `FaceTracker` gives them, source pixels.
        config: Size and scale of the crop, and whether to measure the depth of the head.
        model: Face model that knows `mp478`; by default the built-in one.
    """
    config = config or ReferenceConfig()
    model = model or MorphableModel.builtin()
    points_1K3 = torch.from_numpy(points_K3)[None]
    crop = crop_box(points_1K3, scale=config.scale)
    landmarks = to_crop(points_1K3, crop)
    motion = fit_motion(model, landmarks).motion
    frame_HW3 = warp(picture_HW3, crop, config.size)
    reference = ReferenceFace(
        frame_3HW=_to_frame(frame_HW3),
        landmarks=landmarks,
        identity=motion.identity,
        expression=motion.expression[0],
        pose=motion.pose[0],
        face_model=motion.face_model,
        crop=crop,
        source_3HW=_to_frame(picture_HW3),
    )
    if not config.measure_depth:
        return reference
    with FaceNets() as nets:
        return replace(reference, depth=head_depth(reference, model, nets))


def _largest_face(picture_HW3: np.ndarray, tracker: FaceTracker | None, name: str) -> np.ndarray:
    if tracker is None:
        with FaceTracker() as own:
            return _largest_face(picture_HW3, own, name)
    tracker.reset()
    faces = tracker.track(np.ascontiguousarray(picture_HW3))
    tracker.reset()
    if not faces:
        height, width = picture_HW3.shape[:2]
        raise ValueError(
            f"no face is found in {name} ({width} x {height}); use a picture that shows one from "
            f"the front, larger than a tenth of its side",
        )
    return max(faces, key=_area)


def _area(points_K3: np.ndarray) -> float:
    left, top, right, bottom = box_of(points_K3).tolist()
    return (right - left) * (bottom - top)


def _to_frame(picture_HW3: np.ndarray) -> Tensor:
    return torch.from_numpy(picture_HW3.transpose(2, 0, 1).astype(np.float32)) / 127.5 - 1
