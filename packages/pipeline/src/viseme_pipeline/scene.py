"""What is to talk: a portrait or a clip, and how its faces come back into its pictures."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from viseme_core.types import CropBox, Motion
from viseme_data.crop import warp
from viseme_pipeline.paste import Paster
from viseme_pipeline.wishes import Wishes
from viseme_render import FrameRenderer

# Bytes of whole pictures that are worked on at a time.
_CHUNK_BYTES = 24_000_000
_MAX_CHUNK = 10
MIN_PX = 32
"""Least side of a film: below it there is neither a face nor room for marks."""


class Drawn(NamedTuple):
    """Rendered faces and the pictures that they belong into."""

    crops: np.ndarray
    """uint8 RGB (T, side, side, 3)."""
    pictures: Sequence[np.ndarray]
    """T pictures, uint8 RGB (H, W, 3); the same one may stand in all places."""
    shares: Sequence[np.ndarray | None]
    """How far each face covers its picture, in [0, 1], float32 (h, w); None is everywhere."""


class Scene:
    """One face and the pictures around it.

    Args:
        size: Width and height of the film, both even.
        paster: What lays faces over pictures.
    """

    def __init__(self, size: tuple[int, int], paster: Paster) -> None:
        self.size = size
        self.paste = paster

    @property
    def chunk(self) -> int:
        """Frames that are worked on at a time."""
        width, height = self.size
        return max(1, min(_MAX_CHUNK, _CHUNK_BYTES // (3 * width * height)))

    def compose(self, drawn: Drawn) -> np.ndarray:
        """Return whole frames, uint8 RGB (T, H, W, 3)."""
        each = zip(drawn.pictures, drawn.crops, drawn.shares, strict=True)
        return np.stack([self.paste(*one) for one in each])


class MovedScene(Scene, ABC):
    """A face that a renderer draws as motion says."""

    @property
    @abstractmethod
    def told(self) -> dict[str, Any]:
        """What the motion generator is told of the face: `reference=` or `clip=`."""

    @abstractmethod
    def draw(self, renderer: FrameRenderer, motion: Iterator[Motion]) -> Iterator[Drawn]:
        """Yield the face in motion, chunk by chunk.

        Args:
            renderer: What draws it.
            motion: Its motion in parts of any length.
        """


def film_size(width: int, height: int, wishes: Wishes) -> tuple[int, int]:
    """Return the size of the film of pictures of a size: even, and no larger than asked for.

    Raises:
        ValueError: If they are too small.
    """
    if min(width, height) < MIN_PX:
        raise ValueError(
            f"a picture of {width} x {height} pixels is too small to talk; give one of at least "
            f"{MIN_PX} x {MIN_PX}"
        )
    scale = min(1.0, wishes.max_side / max(width, height))
    if scale == 1:
        return width // 2 * 2, height // 2 * 2
    # A strip stays wide enough for its marks.
    width, height = (max(MIN_PX, round(side * scale / 2) * 2) for side in (width, height))
    return width, height


def fitted(picture_HW3: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a picture in the size of the film; an odd last row or column is left out."""
    width, height = size
    if picture_HW3.shape[0] - height in (0, 1) and picture_HW3.shape[1] - width in (0, 1):
        return np.ascontiguousarray(picture_HW3[:height, :width])
    return cv2.resize(picture_HW3, size, None, 0, 0, cv2.INTER_AREA)


def cut_out(picture_HW3: np.ndarray, crop: CropBox, side: int) -> Tensor:
    """Return the crop of a picture as renderers take it, float32 (3, side, side) in [-1, 1].

    Args:
        picture_HW3: uint8 RGB.
        crop: Where it lies.
        side: Its side in pixels.
    """
    frame_HW3 = torch.from_numpy(warp(picture_HW3, crop, side))
    return frame_HW3.permute(2, 0, 1).float() / 127.5 - 1


def to_bytes(frames_T3HW: Tensor) -> np.ndarray:
    """Return frames in [-1, 1] as uint8 (T, H, W, 3)."""
    bytes_T3HW = ((frames_T3HW.detach() + 1) * 127.5).round().clamp(0, 255).byte()
    return bytes_T3HW.permute(0, 2, 3, 1).contiguous().cpu().numpy()
