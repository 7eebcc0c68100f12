"""Where shots change: hard cuts, found while the pictures pass by.

The rule. Pictures are reduced to 32 x 18 averages, each channel minus its median, so that light
going up or down all over is no change. A cut stands before a frame that differs from the one
before it by at least `MIN_DIFFERENCE`, and by at least `MIN_RATIO` times what its surroundings
differ by: the step before it, the step after it, and four fifths of the last twelve steps. In the
first frames of a video, before it is known how it moves, the difference must be twice as large.

So a flash of one frame is no cut (it is two steps in a row), nor is movement (its neighbours move
as well), nor a fade (no single step stands out). The answer for a frame comes one frame late.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np

try:
    import cv2
except ImportError as error:
    raise ImportError(
        "viseme_data.scenes needs OpenCV; install it with `pip install viseme-data[track]`"
    ) from error

MIN_DIFFERENCE = 0.04
"""Mean difference of a cut, as a share of full scale."""
MIN_RATIO = 3.0
"""A cut's difference over that of its surroundings."""
_HISTORY = 12
_HISTORY_SHARE = 0.8
# Before this many frames nobody knows how the shot moves; a cut must be this much clearer there.
_SHORT_HISTORY = 4
_UNKNOWN = 2.0
_ROWS, _COLUMNS = 18, 32
# Pixels looked at per cell along each side.
_PER_CELL = 3


def mark_cuts(frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield each picture and whether a new shot starts with it; the very first does not count.

    Args:
        frames: Pictures, uint8 RGB, of one size.
    """
    waiting: np.ndarray | None = None
    before: np.ndarray | None = None
    # The step before the cut in question, its own, and the one after it.
    steps: deque[float] = deque(maxlen=3)
    history: deque[float] = deque(maxlen=_HISTORY)
    for frame_HW3 in frames:
        small = _thumbnail(frame_HW3)
        if before is not None:
            steps.append(_difference(before, small))
        if waiting is not None:
            # The very first picture waits without a step of its own.
            yield waiting, len(steps) > 1 and _is_cut(steps, history)
        waiting, before = frame_HW3, small
    if waiting is not None:
        # Nothing follows the last picture: it stands for its own successor.
        yield waiting, len(steps) > 0 and _is_cut([*steps, 0.0][-3:], history)


def _is_cut(steps: Sequence[float], history: deque[float]) -> bool:
    """Say whether a cut stands before the last but one picture, and note its step."""
    *earlier, step, later = steps
    around = [*earlier, later]
    least = MIN_DIFFERENCE
    if len(history) >= _SHORT_HISTORY:
        around.append(sorted(history)[int(_HISTORY_SHARE * (len(history) - 1))])
    else:
        least *= _UNKNOWN
    history.append(step)
    return step >= least and step >= MIN_RATIO * max(around)


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return cv2.norm(one, other, cv2.NORM_L1) / one.size


def _thumbnail(frame_HW3: np.ndarray) -> np.ndarray:
    """Return the averages of cells (18, 32, 3) in [0, 1], each channel less its median."""
    height, width = frame_HW3.shape[:2]
    some = cv2.remap(frame_HW3, *_looked_at(height, width), cv2.INTER_NEAREST)
    sums = cv2.boxFilter(some, cv2.CV_32F, (_PER_CELL, _PER_CELL), normalize=False)
    middle = _PER_CELL // 2
    cells = sums[middle::_PER_CELL, middle::_PER_CELL] / np.float32(255 * _PER_CELL**2)
    # The median, in a tenth of numpy's time.
    channels = np.ascontiguousarray(cells.reshape(-1, 3).T)
    middle = channels.shape[1] // 2
    channels.partition((middle - 1, middle), axis=1)
    return cells - (channels[:, middle - 1] + channels[:, middle]) / 2


@lru_cache(maxsize=8)
def _looked_at(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return column and row of the pixels that are looked at, (54, 96, 2), and no parts of them."""
    rows, columns = _spread(height, _ROWS), _spread(width, _COLUMNS)
    return np.stack(np.meshgrid(columns, rows), -1).astype(np.int16), np.empty(0, np.uint16)


def _spread(length: int, cells: int) -> np.ndarray:
    """Return which pixels of a row or column are looked at."""
    return ((np.arange(cells * _PER_CELL) + 0.5) * length / (cells * _PER_CELL)).astype(int)
