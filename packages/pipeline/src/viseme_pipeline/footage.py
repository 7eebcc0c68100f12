"""A clip whose lips are made anew: everything else in its pictures stays as it was filmed.

Each picture is a portrait of its own, fitted with the clip's one identity and its smoothed
landmarks, and drawn in its own pose. Of what is drawn the lower face alone is pasted: eyes, brows
and hair are the clip's own pixels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from os import PathLike
from typing import Any

import numpy as np
import torch

from viseme_core.types import CropBox, Landmarks, Motion, ReferenceFace
from viseme_data.coefficients import fit_motion
from viseme_data.crop import to_crop
from viseme_face import MorphableModel
from viseme_pipeline.filmed import open_clip
from viseme_pipeline.loop import Loop
from viseme_pipeline.lower_face import lower_face
from viseme_pipeline.paste import Paster
from viseme_pipeline.scene import Drawn, MovedScene, cut_out, to_bytes
from viseme_pipeline.wishes import Wishes
from viseme_render import FrameRenderer


class Footage(MovedScene):
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
        """Yield the person with other lips; see `MovedScene`."""
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
        frame_3HW = cut_out(picture_HW3, self._crop, self._side)
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
    """Give a person of a clip, ready to speak so many frames; see `open_clip`."""
    with open_clip(video, wishes, num_frames=num_frames) as filmed:
        clip = fit_motion(MorphableModel.builtin(), to_crop(filmed.points_TK3, filmed.crop))
        yield Footage(
            filmed.pictures,
            filmed.size,
            filmed.crop,
            clip.motion,
            clip.landmarks,
            wishes.side_for(filmed.crop.side),
        )
