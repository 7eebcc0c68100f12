"""First pass: whose face is where, a chapter of the video at a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from viseme_data.follow import FaceFollower, FaceTrack, FollowConfig, choose, split_outside
from viseme_data.prepare.ahead import ahead
from viseme_data.scenes import mark_cuts
from viseme_data.track import FaceTracker
from viseme_data.upright import Picture

# Of the longest clip. Faces stand in memory until their chapter ends.
_CHAPTER = 2
_TELL_EVERY = 25

Which = Literal["largest", "all"] | int


@dataclass(frozen=True, kw_only=True)
class NumberedTrack:
    """A track and its person's place among those seen at that time."""

    track: FaceTrack
    """`start_frame` counts from the start of the video."""
    face: int
    """0 is the most prominent."""


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """Successive frames of a video and who is seen in them; tracks end with it."""

    first_frame: int
    num_frames: int
    width: int
    height: int
    tracks: list[NumberedTrack]
    """Of the people who are wanted, by start."""


def read_chapters(
    pictures: Iterable[Picture],
    tracker: FaceTracker,
    config: FollowConfig,
    *,
    which: Which,
    depth: int = 0,
    on_frames: Callable[[int], None] = lambda count: None,
) -> Iterator[Chapter]:
    """Yield a video's chapters; a short video is one.

    Args:
        pictures: What `read_pictures` yields.
        tracker: Finds the faces; it forgets those of other videos.
        config: What makes a track.
        which: People who are wanted.
        depth: Pictures that a thread of its own may decode ahead.
        on_frames: Called with how many frames were looked at since the last call.
    """
    tracker.reset()
    follower = FaceFollower(config)
    limit = _CHAPTER * config.max_frames
    first = num = 0
    size = (0, 0)
    with ahead(mark_cuts(_converted(pictures)), depth) as frames:
        for frame_HW3, is_cut in frames:
            if num == limit:
                yield _chapter(follower, first, num, size, which)
                first, num = first + num, 0
            if is_cut:
                tracker.reset()
            follower.push(tracker.track(frame_HW3), is_cut=is_cut)
            size = (frame_HW3.shape[1], frame_HW3.shape[0])
            num += 1
            if num % _TELL_EVERY == 0:
                on_frames(_TELL_EVERY)
    on_frames(num % _TELL_EVERY)
    yield _chapter(follower, first, num, size, which)


def _converted(pictures: Iterable[Picture]) -> Iterator[np.ndarray]:
    shown: Picture | None = None
    frame_HW3 = np.empty(0)
    for picture in pictures:
        if picture is not shown:
            frame_HW3, shown = picture.rgb(), picture
        yield frame_HW3


def _chapter(
    follower: FaceFollower,
    first: int,
    num: int,
    size: tuple[int, int],
    which: Which,
) -> Chapter:
    tracks = [
        replace(numbered, track=replace(part, start_frame=first + part.start_frame))
        for numbered in _numbered(follower.finish(), which)
        for part in split_outside(numbered.track, *size, follower.config)
    ]
    return Chapter(first_frame=first, num_frames=num, width=size[0], height=size[1], tracks=tracks)


def _numbered(tracks: list[FaceTrack], which: Which) -> list[NumberedTrack]:
    if which != "all":
        face = 0 if which == "largest" else which
        return [NumberedTrack(track=track, face=face) for track in choose(tracks, which)]
    numbered: list[NumberedTrack] = []
    while len(numbered) < len(tracks):
        face = numbered[-1].face + 1 if numbered else 0
        numbered += [NumberedTrack(track=track, face=face) for track in choose(tracks, face)]
    return sorted(numbered, key=lambda one: (one.track.start_frame, one.face))
