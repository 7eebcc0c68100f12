"""Faces of single frames to tracks: one person from appearing to leaving, without gaps."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from viseme_data.boxes import area, box_of

# Intersection over union from which two boxes of successive frames can be one face.
_MIN_OVERLAP = 0.25
# Across a gap a face may have moved; its centre by this share of its side per frame.
_MOVE_PER_FRAME = 0.15
_MAX_ZOOM = 1.6


@dataclass(frozen=True, kw_only=True)
class FollowConfig:
    """What makes a track."""

    max_gap: int = 5
    """Frames without the face that are interpolated; a longer gap ends the track."""
    min_frames: int = 5
    """Tracks shorter than this are a detector's flicker and are dropped."""
    max_frames: int = 1500
    """Longer tracks are cut into equal parts, so that work on one fits in memory."""
    max_outside: float = 0.2
    """Share of a frame's landmarks outside the picture from which the face counts as out of it;
    where it is so for more than `max_gap` frames, the track is split."""

    def __post_init__(self) -> None:
        for name, least in (("max_gap", 0), ("min_frames", 1), ("max_frames", 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"follow.{name} must be at least {least}, got {getattr(self, name)}"
                )
        if not 0 <= self.max_outside <= 1:
            raise ValueError(f"follow.max_outside must be from 0 to 1, got {self.max_outside}")
        if self.max_frames < 2 * self.min_frames:
            raise ValueError(
                f"follow.max_frames must be at least twice min_frames, or parts get too short; "
                f"got {self.max_frames} and {self.min_frames}"
            )


@dataclass(frozen=True, kw_only=True)
class FaceTrack:
    """One face over successive frames."""

    start_frame: int
    """Frame of the video that the track starts at."""
    points_TK3: Tensor
    """Landmarks `mp478` in source pixels, depth in pixels, float32."""
    interpolated_T: Tensor
    """True where the face was not found and its landmarks come from its neighbours."""

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return len(self.points_TK3)

    @property
    def end_frame(self) -> int:
        """Frame after the last one."""
        return self.start_frame + self.num_frames

    @property
    def prominence(self) -> float:
        """Median area of the face in square pixels times the number of frames."""
        return float(np.median(area(box_of(self.points_TK3.numpy())))) * self.num_frames


@dataclass
class _OpenTrack:
    start: int
    box: list[float]
    """Around the last face."""
    faces: list[np.ndarray] = field(default_factory=list)
    interpolated: list[bool] = field(default_factory=list)

    @property
    def last(self) -> int:
        return self.start + len(self.faces) - 1

    def add(self, time: int, face_K3: np.ndarray, box: list[float]) -> None:
        """Add a face, and those between the last one and it on straight lines."""
        if self.faces:
            before, gap = self.faces[-1], time - self.last
            for i in range(1, gap):
                self.faces.append(before + (face_K3 - before) * np.float32(i / gap))
                self.interpolated.append(True)
        self.faces.append(face_K3)
        self.interpolated.append(False)
        self.box = box


class FaceFollower:
    """Joins the faces of frame after frame into tracks.

    A face goes on with the track whose last box it overlaps most; each frame's pairs are taken in
    the order of their overlap, so that no face and no track is taken twice.

    Args:
        config: What makes a track.
    """

    def __init__(self, config: FollowConfig | None = None) -> None:
        self.config = config or FollowConfig()
        self._now = 0
        self._open: list[_OpenTrack] = []
        self._done: list[FaceTrack] = []

    def push(self, faces: Sequence[np.ndarray], *, is_cut: bool = False) -> None:
        """Add the faces of the next frame.

        Args:
            faces: Landmarks (478, 3) of each face in source pixels.
            is_cut: This frame starts a new shot, so that no track goes on into it.
        """
        if is_cut:
            self._close(self._open)
        self._close([t for t in self._open if self._now - t.last > self.config.max_gap + 1])
        boxes = [box_of(face).tolist() for face in faces]
        pairs = [
            (_affinity(track.box, box, self._now - track.last), row, column)
            for row, track in enumerate(self._open)
            for column, box in enumerate(boxes)
        ]
        rows, columns = set[int](), set[int]()
        for affinity, row, column in sorted(pairs, key=lambda p: (-p[0], p[1], p[2])):
            if affinity > 0 and row not in rows and column not in columns:
                self._open[row].add(self._now, faces[column], boxes[column])
                rows.add(row)
                columns.add(column)
        for column, face in enumerate(faces):
            if column not in columns:
                self._open.append(_OpenTrack(self._now, boxes[column], [face], [False]))
        self._now += 1

    def finish(self) -> list[FaceTrack]:
        """Return all tracks by start frame, the more prominent first."""
        self._close(self._open)
        done, self._done, self._now = self._done, [], 0
        return sorted(done, key=lambda track: (track.start_frame, -track.prominence))

    def _close(self, tracks: list[_OpenTrack]) -> None:
        for track in tracks:
            if len(track.faces) >= self.config.min_frames:
                self._done += _parts(track, self.config.max_frames)
        closed = {id(track) for track in tracks}
        self._open = [track for track in self._open if id(track) not in closed]


def choose(tracks: Sequence[FaceTrack], which: Literal["largest", "all"] | int) -> list[FaceTrack]:
    """Return the tracks of the wanted person or people, by start frame.

    Tracks at the same time compete by `prominence`, median area times frames. "largest" keeps the
    winners, at most one face at any time; a number n keeps the nth such set, when all earlier ones
    are taken away ("largest" is 0); "all" keeps every track.

    Raises:
        ValueError: If `which` is none of these.
    """
    if which == "all":
        return list(tracks)
    if which == "largest":
        which = 0
    if not isinstance(which, int) or which < 0:
        raise ValueError(f"face must be 'largest', 'all' or a number from 0, got {which!r}")
    rest = sorted(tracks, key=lambda track: -track.prominence)
    layer: list[FaceTrack] = []
    for _ in range(which + 1):
        layer, later = [], []
        for track in rest:
            (layer if not any(_meet(track, other) for other in layer) else later).append(track)
        rest = later
    return sorted(layer, key=lambda track: track.start_frame)


def outside_share(points_TK3: Tensor, width: int, height: int) -> Tensor:
    """Return the share of each frame's landmarks that lie outside the picture, (T,)."""
    flat_TK2 = points_TK3[..., :2]
    limit_2 = flat_TK2.new_tensor([width, height])
    return ((flat_TK2 < 0) | (flat_TK2 > limit_2)).any(-1).float().mean(-1)


def split_outside(
    track: FaceTrack, width: int, height: int, config: FollowConfig
) -> list[FaceTrack]:
    """Return a track's parts in the picture and out of it; one part if it never leaves for long.

    A tracker goes on with a face that leaves the picture for a while, and guesses what it does.

    Args:
        track: The person.
        width: Width of the picture.
        height: Height of the picture.
        config: What counts as out of the picture, and as long.
    """
    is_out_T = (outside_share(track.points_TK3, width, height) > config.max_outside).tolist()
    edges = {0, track.num_frames}
    first = 0
    for is_out, run in groupby(is_out_T):
        length = len(list(run))
        if is_out and length > config.max_gap:
            edges |= {first, first + length}
        first += length
    return [
        replace(
            track,
            start_frame=track.start_frame + start,
            points_TK3=track.points_TK3[start:stop],
            interpolated_T=track.interpolated_T[start:stop],
        )
        for start, stop in pairwise(sorted(edges))
    ]


def _meet(one: FaceTrack, other: FaceTrack) -> bool:
    return one.start_frame < other.end_frame and other.start_frame < one.end_frame


def _affinity(last: list[float], box: list[float], elapsed: int) -> float:
    """Return how well a box goes on with a track: above 0 if it can at all, more is better."""
    # Plain numbers: numpy takes longer to start than to reckon.
    (left, top, right, bottom), (left_2, top_2, right_2, bottom_2) = last, box
    width, height = right - left, bottom - top
    width_2, height_2 = right_2 - left_2, bottom_2 - top_2
    across = max(0.0, min(right, right_2) - max(left, left_2))
    shared = across * max(0.0, min(bottom, bottom_2) - max(top, top_2))
    union = width * height + width_2 * height_2 - shared
    overlap = shared / union if union > 0 else 0.0
    if overlap >= _MIN_OVERLAP:
        return 1 + overlap
    # A fast move, or a gap: near enough, and as large.
    sides = max(width, height), max(width_2, height_2)
    if not 0 < max(sides) <= _MAX_ZOOM * min(sides):
        return 0.0
    distance = math.hypot(left_2 + right_2 - left - right, top_2 + bottom_2 - top - bottom) / 2
    return max(0.0, 1 - distance / max(sides) / (0.5 + _MOVE_PER_FRAME * elapsed))


def _parts(track: _OpenTrack, max_frames: int) -> Iterator[FaceTrack]:
    """Yield a track in as few equal parts as keep below `max_frames`."""
    total = len(track.faces)
    edges = np.linspace(0, total, 1 + -(-total // max_frames)).round().astype(int).tolist()
    for first, end in pairwise(edges):
        yield FaceTrack(
            start_frame=track.start + first,
            points_TK3=torch.from_numpy(np.stack(track.faces[first:end])),
            interpolated_T=torch.tensor(track.interpolated[first:end]),
        )
