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
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise

import numpy as np

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
    # Two before the cut in question, the one after it and the one after that.
    recent: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=4)
    history: deque[float] = deque(maxlen=_HISTORY)
    for number, frame_HW3 in enumerate(frames):
        recent.append((frame_HW3, _thumbnail(frame_HW3)))
        if number == 0:
            continue
        if number == 1:
            yield recent[0][0], False
            continue
        yield recent[-2][0], _is_cut([small for _, small in recent], history)
    if recent:
        # Nothing follows the last picture: it stands for its own successor.
        if len(recent) == 1:
            yield recent[0][0], False
            return
        smalls = [small for _, small in recent][-3:]
        yield recent[-1][0], _is_cut([*smalls, smalls[-1]], history)


def _is_cut(smalls: list[np.ndarray], history: deque[float]) -> bool:
    """Say whether a cut stands before the last but one picture, and note its step."""
    *earlier, step, later = (_difference(one, other) for one, other in pairwise(smalls))
    around = [*earlier, later]
    least = MIN_DIFFERENCE
    if len(history) >= _SHORT_HISTORY:
        around.append(sorted(history)[int(_HISTORY_SHARE * (len(history) - 1))])
    else:
        least *= _UNKNOWN
    history.append(step)
    return step >= least and step >= MIN_RATIO * max(around)


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())


def _thumbnail(frame_HW3: np.ndarray) -> np.ndarray:
    """Return the averages of cells (18, 32, 3) in [0, 1], each channel less its median."""
    height, width = frame_HW3.shape[:2]
    some = frame_HW3[_spread(height, _ROWS)].take(_spread(width, _COLUMNS), 1)
    # Sums of nine shifted views: numpy's own sums over short axes are five times as slow.
    lines = np.asarray(sum(some[k::_PER_CELL].astype(np.uint16) for k in range(_PER_CELL)))
    sums = sum(lines[:, k::_PER_CELL] for k in range(_PER_CELL))
    cells = np.asarray(sums, np.float32) / (255 * _PER_CELL**2)
    # The median, in a third of numpy's time.
    ranked = np.sort(cells.reshape(-1, 3).T)
    middle = ranked.shape[1] // 2
    return cells - (ranked[:, middle - 1] + ranked[:, middle]) / 2


@lru_cache(maxsize=8)
def _spread(length: int, cells: int) -> np.ndarray:
    """Return which pixels of a row or column are looked at."""
    return ((np.arange(cells * _PER_CELL) + 0.5) * length / (cells * _PER_CELL)).astype(int)
