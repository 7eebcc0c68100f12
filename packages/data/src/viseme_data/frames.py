"""Pictures of a video at exactly 25 per second, by their timestamps."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from viseme_core.types import FPS, count_frames
from viseme_data.container import check_jump, decode, need_stream, open_media, seconds_of, time_of
from viseme_data.upright import Picture, Upright

# A video that ends this much before its stated length was cut off.
_MISSING_SEC = 0.5

logger = logging.getLogger(__name__)


def read_frames(path: str | Path, *, threads: int = 0) -> Iterator[np.ndarray]:
    """Yield the pictures of a video at 25 per second, each uint8 RGB of shape (H, W, 3).

    Time zero is the first picture. At every multiple of 40 ms stands the picture nearest to it, or
    the last one before where none is within 20 ms: a lower rate repeats pictures, a higher one
    leaves some out, a pause holds the picture. Their number is that of
    `viseme_core.types.count_frames`; the last picture lasts as long as the file says, or else as
    long as the one before. Pictures are upright, pixels square, transparent parts white.
    A picture that repeats is the same array: copy it before changing it. Rows may have padding
    between them in memory (`numpy.ascontiguousarray` removes it).

    Args:
        path: Video file; a still picture is a video of one frame.
        threads: Threads of the decoder; 0 is one per core, 1 suits many processes.

    Raises:
        MediaError: At the first picture, if there is no video that can be decoded; later, if time
            leaps. Damaged parts hold the picture before them, and a video that breaks off ends
            there; both say so by `logging`.
    """
    shown: Picture | None = None
    array_HW3 = np.empty(0)
    for picture in read_pictures(path, threads=threads):
        if picture is not shown:
            array_HW3, shown = picture.rgb(), picture
        yield array_HW3


def read_pictures(path: str | Path, *, threads: int = 0) -> Iterator[Picture]:
    """Yield the pictures that `read_frames` yields, not yet converted: for those who need a part.

    A picture that repeats is the same object.
    """
    with open_media(path) as container:
        stream = need_stream(container, "video", path)
        stream.thread_type = "AUTO"
        stream.thread_count = threads
        clock = _Clock(stream, path)
        upright: Upright | None = None
        shown: Picture | None = None
        for frame in _nearest(decode(container, stream, path), clock):
            if shown is None or frame is not shown.frame:
                upright = upright or Upright(stream, frame, path)
                shown = Picture(frame, upright)
            yield shown
        clock.warn()


def _nearest(frames: Iterator[Any], clock: "_Clock") -> Iterator[Any]:
    """Yield one of the frames for every multiple of 1 / FPS seconds."""
    best: Any = None
    latest: Any = None
    best_sec = latest_sec = Fraction(0)
    slot = 0
    for frame in frames:
        sec = clock.place(frame)
        if sec is None:
            continue
        # A slot is decided as soon as a frame lies behind its end: there will be no nearer one,
        # and the video is long enough for it.
        while latest is not None and sec >= Fraction(2 * slot + 1, 2 * FPS):
            yield best
            slot += 1
            best, best_sec = latest, latest_sec
        middle_sec = Fraction(slot, FPS)
        if best is None or abs(sec - middle_sec) < abs(best_sec - middle_sec):
            best, best_sec = frame, sec
        latest, latest_sec = frame, sec
    for _ in range(slot, count_frames(float(clock.end_sec))):
        yield best
        best = latest


class _Clock:
    """Seconds since the first picture, exact, also where timestamps are missing."""

    def __init__(self, stream: Any, path: str | Path) -> None:
        self._path = path
        self._stated_sec = seconds_of(stream)
        self._step_sec = 1 / Fraction(stream.average_rate or FPS)
        self._zero_sec: Fraction | None = None
        self._last_sec = Fraction(0)
        self._num_late = 0
        self.end_sec = Fraction(0)
        """When the last picture placed goes out."""

    def place(self, frame: Any) -> Fraction | None:
        """Return when a frame is shown, or None for one that does not come after the last."""
        stamp_sec = time_of(frame)
        if self._zero_sec is None:
            self._zero_sec = stamp_sec or Fraction(0)
            sec = Fraction(0)
        else:
            before_sec = self._last_sec
            sec = before_sec + self._step_sec
            if stamp_sec is not None:
                sec = stamp_sec - self._zero_sec
                check_jump(before_sec, sec, self._path)
            if sec <= before_sec:
                self._num_late += 1
                return None
            self._step_sec = sec - before_sec
        self._last_sec = sec
        lasts_sec = (frame.duration or 0) * (frame.time_base or 0)
        self.end_sec = sec + (lasts_sec if lasts_sec > 0 else self._step_sec)
        return sec

    def warn(self) -> None:
        """Say so if the file promised more than could be shown."""
        if self._num_late:
            logger.warning(
                "%s: %d pictures have times that were over already and are left out",
                self._path,
                self._num_late,
            )
        if self._stated_sec - self.end_sec > _MISSING_SEC:
            logger.warning(
                "%s may be cut off: its pictures end at %.2f s, the file says %.2f s",
                self._path,
                float(self.end_sec),
                self._stated_sec,
            )
