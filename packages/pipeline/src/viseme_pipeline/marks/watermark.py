"""The invisible watermark: a faint turning pattern in the luma of every frame."""

import cv2
import numpy as np

from viseme_pipeline.marks.pattern import GRID, KEY, PERIOD, draw_patterns

MIN_SIDE_PX = 32
"""Below this there are not enough pixels for the pattern's waves."""

# Grey levels (root mean square) on a plain wall, and how far texture, which hides more, raises it.
_PLAIN = 0.95
_PER_LEVEL = 1 / 24
_BUSY = 2.2
_NEIGHBOURHOOD = (5, 5)


class Watermark:
    """Marks frames as made by viseme; `viseme_pipeline.marks.detect` finds it again.

        frames_THW3 = Watermark().embed(frames_THW3, start=0)

    The mark of a frame depends on that frame and its number only: any chunking gives the same
    film. Red, green and blue change by the same amount, so that colours stay.

    Args:
        key: What the pattern is drawn from; a detector with another key sees nothing.
    """

    def __init__(self, key: bytes = KEY) -> None:
        self._patterns_TGG = draw_patterns(key)

    def embed(self, frames_THW3: np.ndarray, start: int) -> np.ndarray:
        """Return marked copies of successive frames, uint8 (T, H, W, 3).

        Args:
            frames_THW3: uint8 RGB, shape (T, H, W, 3), at 25 frames per second, each side at
                least MIN_SIDE_PX.
            start: Number of the first of them in the film.

        Raises:
            ValueError: If the frames are something else, or start is negative.
        """
        if frames_THW3.dtype != np.uint8 or frames_THW3.ndim != 4 or frames_THW3.shape[3] != 3:
            raise ValueError(
                f"Watermark.embed expects uint8 frames of shape (T, H, W, 3), got "
                f"{frames_THW3.dtype} of shape {frames_THW3.shape}"
            )
        if min(frames_THW3.shape[1:3]) < MIN_SIDE_PX:
            raise ValueError(
                f"Watermark.embed expects frames of at least {MIN_SIDE_PX} x {MIN_SIDE_PX}, got "
                f"{frames_THW3.shape[2]} x {frames_THW3.shape[1]}; use a larger picture"
            )
        if start < 0:
            raise ValueError(f"Watermark.embed.start counts frames from 0, got {start}")
        marked_THW3 = np.empty_like(frames_THW3, order="C")
        for index, frame_HW3 in enumerate(frames_THW3):
            self._mark(frame_HW3, (start + index) % PERIOD, marked_THW3[index])
        return marked_THW3

    def _mark(self, frame_HW3: np.ndarray, phase: int, out_HW3: np.ndarray) -> None:
        frame_HW3 = np.ascontiguousarray(frame_HW3)
        height, width = frame_HW3.shape[:2]
        change_GG = self._patterns_TGG[phase] * _strength(frame_HW3)
        # The waves are long against a cell: the grid can be enlarged without loss.
        change_HW = cv2.resize(change_GG, (width, height), interpolation=cv2.INTER_CUBIC)
        cv2.add(frame_HW3, cv2.merge([change_HW] * 3), dst=out_HW3, dtype=cv2.CV_8U)


def _strength(frame_HW3: np.ndarray) -> np.ndarray:
    """Return how many grey levels the mark may have in each cell, float32 (GRID, GRID)."""
    small_GG3 = cv2.resize(frame_HW3, (GRID, GRID), interpolation=cv2.INTER_AREA)
    luma_GG = cv2.cvtColor(small_GG3, cv2.COLOR_RGB2GRAY).astype(np.float32)
    mean_GG = cv2.blur(luma_GG, _NEIGHBOURHOOD)
    variance_GG = cv2.blur(luma_GG * luma_GG, _NEIGHBOURHOOD) - mean_GG * mean_GG
    return np.clip(_PLAIN + _PER_LEVEL * np.sqrt(np.maximum(variance_GG, 0)), _PLAIN, _BUSY)
