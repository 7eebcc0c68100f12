"""How fast video is made: seconds of video for each second of waiting."""

import time
from types import TracebackType

import torch


class Stopwatch:
    """Times what runs inside `with Stopwatch() as watch:`; `watch.seconds` tells.

    A stopwatch may be used again: times add up, so that reading and writing between pieces of work
    can be left out. Work handed to a GPU is waited for at both ends.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._start: float | None = None

    def __enter__(self) -> "Stopwatch":
        if self._start is not None:
            raise ValueError("this stopwatch is running; use another one for work inside work")
        self._start = _now()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._start is not None:
            self.seconds += _now() - self._start
        self._start = None


def real_time_factor(video_sec: float, wall_sec: float) -> float:
    """Return seconds of video over seconds of wall time: 1 keeps pace, more is faster.

    Many papers on speech call the inverse by this name. DisentTalk gives frames per second, which
    is this times the video's rate.

    Args:
        video_sec: Length of the video that was made.
        wall_sec: How long that took.

    Returns:
        The factor; NaN where no time passed.
    """
    return video_sec / wall_sec if wall_sec > 0 else float("nan")


def _now() -> float:
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()
