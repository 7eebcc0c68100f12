"""A clip whose lips and jaw are drawn anew as landmarks say; all else stays as it was filmed."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, repeat
from os import PathLike

import numpy as np
import torch

from viseme_core.types import CropBox, Landmarks, VideoClip
from viseme_data.crop import to_crop
from viseme_data.smooth import smooth_landmarks
from viseme_pipeline.filmed import FilmedFace, open_clip
from viseme_pipeline.loop import Loop
from viseme_pipeline.paste import Paster
from viseme_pipeline.scene import Drawn, Scene, cut_out, to_bytes
from viseme_pipeline.still import open_still
from viseme_pipeline.wishes import Wishes
from viseme_render import TalkFormerRenderer
from viseme_render.talkformer.references import References, spread


class DubbedScene(Scene):
    """One person of a clip, of whom the lower face is drawn anew.

    Args:
        pictures: The clip's pictures as they follow each other in the film, with their numbers.
        size: Width and height of the film.
        crop: Where the face is.
        landmarks: Its landmarks in the crop, in each picture of the clip.
        side: Side of crops.
        references: Crops that stand for the person; by default the film's first.
    """

    def __init__(
        self,
        pictures: Loop,
        size: tuple[int, int],
        crop: CropBox,
        landmarks: Landmarks,
        side: int,
        references: References | None = None,
    ) -> None:
        super().__init__(size, Paster(crop, size, side))
        self.landmarks = landmarks
        self._pictures = pictures
        self._crop = crop
        self._side = side
        self._references = references

    def draw(
        self, renderer: TalkFormerRenderer, faces: Iterator[Landmarks], seed: int
    ) -> Iterator[Drawn]:
        """Yield the person with lips and jaw where they shall be, chunk by chunk.

        Args:
            renderer: What draws.
            faces: Whole faces of the film's frames in the crop, in parts of any length.
            seed: Another seed is another film.
        """
        waiting: deque[np.ndarray] = deque()

        def template() -> Iterator[VideoClip]:
            for _, picture_HW3 in self._pictures:
                waiting.append(picture_HW3)
                yield VideoClip(cut_out(picture_HW3, self._crop, self._side)[None])

        for redrawn in renderer.stream(template(), faces, references=self._references, seed=seed):
            crops_THW3 = to_bytes(redrawn.frames_T3HW)
            shares_THW = redrawn.share_THW.cpu().numpy()
            # A window of large pictures is pasted in parts.
            for first in range(0, len(crops_THW3), self.chunk):
                part = slice(first, first + self.chunk)
                some = crops_THW3[part]
                pictures = [waiting.popleft() for _ in some]
                yield Drawn(some, pictures, list(shares_THW[part]))


@contextmanager
def open_dubbed(
    video: str | PathLike[str], wishes: Wishes, *, num_frames: int, references: int = 1
) -> Iterator[DubbedScene]:
    """Give a person of a clip, ready to be dubbed; see `open_clip`.

    Args:
        video: The clip.
        wishes: Which face, and how large.
        num_frames: Frames of the film.
        references: Pictures of the clip at most that stand for the person.
    """
    with open_clip(video, wishes, num_frames=num_frames) as filmed:
        # As prepared clips, which the stages were trained on.
        in_crop = to_crop(filmed.points_TK3, filmed.crop)
        landmarks = Landmarks(smooth_landmarks(in_crop.points_TKD), in_crop.layout)
        side = wishes.side_for(filmed.crop.side)
        yield DubbedScene(
            filmed.pictures,
            filmed.size,
            filmed.crop,
            landmarks,
            side,
            _references(filmed, landmarks, side, min(references, num_frames)),
        )


def _references(
    filmed: FilmedFace, landmarks: Landmarks, side: int, count: int
) -> References | None:
    """Return pictures of a clip whose poses lie far apart, None for the first alone."""
    if count < 2:
        return None
    numbers = sorted(spread(landmarks, count))
    wanted = set(numbers)
    crops = [
        cut_out(picture_HW3, filmed.crop, side)
        for number, picture_HW3 in enumerate(islice(filmed.read(), numbers[-1] + 1))
        if number in wanted
    ]
    chosen = Landmarks(landmarks.points_TKD[numbers[: len(crops)]], landmarks.layout)
    return References(torch.stack(crops), chosen)


def dubbed_still(image: str | PathLike[str] | np.ndarray, wishes: Wishes) -> DubbedScene:
    """Return the face of a picture as a clip that stands still; see `open_still`."""
    still = open_still(image, wishes)
    reference = still.reference
    return DubbedScene(
        repeat((0, still.picture_HW3)),
        still.size,
        reference.crop,
        reference.landmarks,
        reference.frame_3HW.shape[-1],
    )
