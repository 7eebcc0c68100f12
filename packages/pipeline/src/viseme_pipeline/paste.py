"""A rendered face back into the picture that it was cut from, with a seam that nobody sees."""

import cv2
import numpy as np

from viseme_core.types import CropBox

# Share of the crop's side over which it goes over into the picture around it. What renderers draw
# near the border is hair and background, which hardly moves.
_SEAM = 0.06


class Paster:
    """Lays crops of one box over pictures of one size.

    Args:
        crop: Where crops lie in the picture.
        picture_px: Width and height of the picture.
        crop_px: Side of the crops.
    """

    def __init__(self, crop: CropBox, picture_px: tuple[int, int], crop_px: int) -> None:
        width, height = picture_px
        corners_42 = _corners(crop)
        left, top = np.floor(corners_42.min(0)).astype(int).clip(0)
        right, bottom = np.ceil(corners_42.max(0)).astype(int)
        self._left, self._top = int(left), int(top)
        self._right, self._bottom = min(int(right), width), min(int(bottom), height)
        self._shrink = max(1, int(crop_px // crop.side))
        """A crop much finer than the picture is averaged first, or every other pixel were lost."""
        self._side = crop_px // self._shrink
        matrix_23 = crop.matrix().numpy() / [self._side, self._side, 1]
        # From pixel centres of the crop to those of the part of the picture that it touches.
        matrix_23[:, 2] += matrix_23[:, :2].sum(1) / 2 - 0.5 - (self._left, self._top)
        self._matrix_23 = matrix_23
        share_hw = self._placed(_seam_mask(self._side, _open_edges(crop, picture_px)))
        self._share_hw3 = np.repeat(share_hw[..., None], 3, -1)

    def __call__(
        self, picture_HW3: np.ndarray, crop_hw3: np.ndarray, share_hw: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the picture with the crop laid over it; the picture itself stays as it is.

        Args:
            picture_HW3: uint8 RGB.
            crop_hw3: uint8 RGB, square.
            share_hw: How far the crop covers what is under it, in [0, 1], float32 of any square
                size; by default everywhere but along its seam.
        """
        film_HW3 = np.array(picture_HW3)
        part = film_HW3[self._top : self._bottom, self._left : self._right]
        if self._shrink > 1:
            crop_hw3 = cv2.resize(crop_hw3, (self._side, self._side), None, 0, 0, cv2.INTER_AREA)
        over = self._placed(crop_hw3)
        # part + share * (over - part), rounded: OpenCV's loops, not numpy's.
        change = cv2.subtract(over, part, dtype=cv2.CV_32F)
        moved = cv2.multiply(change, self._share_hw3)
        if share_hw is not None:
            placed_hw = self._placed(cv2.resize(share_hw, (self._side, self._side)))
            moved = cv2.multiply(moved, np.repeat(placed_hw[..., None], 3, -1))
        part[:] = cv2.add(part, moved, dtype=cv2.CV_8U)
        return film_HW3

    def _placed(self, crop: np.ndarray) -> np.ndarray:
        """Return a crop's values where they lie in the part of the picture that it touches."""
        return cv2.warpAffine(
            crop,
            self._matrix_23,
            (self._right - self._left, self._bottom - self._top),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE if crop.ndim == 3 else cv2.BORDER_CONSTANT,
        )


def _corners(crop: CropBox) -> np.ndarray:
    matrix_23 = crop.matrix().numpy()
    ends = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]], float)
    return ends @ matrix_23.T


def _open_edges(crop: CropBox, picture_px: tuple[int, int]) -> tuple[bool, bool, bool, bool]:
    """Say which edges of an upright crop lie within the picture: left, top, right, bottom."""
    if crop.angle:
        return (True, True, True, True)
    width, height = picture_px
    (left, top), (right, bottom) = _corners(crop)[[0, 2]]
    return (left > 0, top > 0, right < width, bottom < height)


def _seam_mask(side: int, is_open: tuple[bool, bool, bool, bool]) -> np.ndarray:
    """Return how far a crop covers what is under it, float32 (side, side) in [0, 1].

    Args:
        side: Side of the crop.
        is_open: Edges along which there is a picture to go over into.
    """
    at = (np.arange(side) + 0.5) / side / _SEAM
    rows = {}
    for axis, (first, last) in {"x": is_open[::2], "y": is_open[1::2]}.items():
        away = np.minimum(at if first else np.inf, at[::-1] if last else np.inf)
        share = np.clip(away, 0, 1)
        rows[axis] = (share * share * (3 - 2 * share)) * np.ones(side)
    return np.outer(rows["y"], rows["x"]).astype(np.float32)
