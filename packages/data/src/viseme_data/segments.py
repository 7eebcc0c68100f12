"""Where clips are cut: segments that are visited, stored and read as one.

A sample is a random window that begins in its segment, and everything it needs lies in the
segment's own frames and margins around them. So a shard item holds exactly one segment, and clips
on disk, cut the same way, give the same samples.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from viseme_face.driving import COEFFICIENT_REACH

PREVIOUS = 2
"""Pictures before a window that temporal attention starts from."""


@dataclass(frozen=True)
class Segment:
    """Successive frames of one clip in which windows begin."""

    clip: int
    """Which clip, as its row among the kept ones of the split."""
    start: int
    """First frame."""
    stop: int
    """Frame after the last."""


@dataclass(frozen=True, kw_only=True)
class SegmentPlan:
    """How clips are cut."""

    length: int = 250
    """Longest segment in frames; longer clips are cut into equal parts."""
    window: int = 25
    """Longest window in frames that may begin anywhere in a segment."""

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"window must be at least 1 frame, got {self.window}")
        if self.length < 2 * self.window:
            raise ValueError(
                f"segments of {self.length} frames are too short for windows of {self.window}; "
                f"choose segment >= {2 * self.window} or a shorter window"
            )

    def cut(self, num_frames: Iterable[int]) -> list[Segment]:
        """Return the segments of all clips in order, given their lengths in frames."""
        segments = []
        for clip, length in enumerate(num_frames):
            parts = -(-length // self.length)
            edges = [length * part // parts for part in range(parts + 1)]
            segments += [Segment(clip, start, stop) for start, stop in pairwise(edges)]
        return segments

    def pictures(self, segment: Segment, num_frames: int) -> range:
        """Return the frames whose pictures may be asked for, in a clip of `num_frames`."""
        return range(
            max(0, segment.start - PREVIOUS), min(num_frames, segment.stop + self.window - 1)
        )

    def tensors(self, segment: Segment, num_frames: int) -> range:
        """Return the frames whose tensors may be asked for, in a clip of `num_frames`."""
        return range(
            max(0, segment.start - COEFFICIENT_REACH),
            min(num_frames, segment.stop + self.window - 1 + COEFFICIENT_REACH),
        )

    def starts(self, segment: Segment, num_frames: int, frames: int) -> range:
        """Return at which frames a window of `frames` may begin; never none.

        In a clip that is shorter than the window it begins at 0 and is padded.

        Raises:
            ValueError: If the window is longer than the plan allows for.
        """
        if frames > self.window:
            raise ValueError(
                f"data.frames is {frames}, segments leave room for windows of {self.window}; set "
                f"data.window for a prepared folder, or pack shards again with --window {frames}"
            )
        last = max(0, num_frames - frames)
        return range(min(segment.start, last), min(segment.stop - 1, last) + 1)


def tile(num_frames: int, frames: int) -> list[int]:
    """Return the first frames of windows that cover a clip, in order.

    Windows follow each other; the last is moved back to end with the clip, so that all are full. A
    clip that is shorter has one window, which is padded.
    """
    if num_frames <= frames:
        return [0]
    starts = list(range(0, num_frames - frames + 1, frames))
    if starts[-1] + frames < num_frames:
        starts.append(num_frames - frames)
    return starts
