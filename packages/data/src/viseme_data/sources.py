"""Where data sets read: the interface of a source, and the folder that `prepare` writes.

A source is a list of segments, each of which can be opened as a `Piece` that gives tensors and
pictures by the clip's own frame numbers. `viseme_data.shards` is the other source.
"""

import json
import os
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import Tensor

from viseme_core.types import CropBox
from viseme_data.clips import ClipFile
from viseme_data.manifest import ClipRow, Split, kept, read_manifest
from viseme_data.pictures import CropVideo
from viseme_data.segments import Segment, SegmentPlan

T = TypeVar("T")

OPEN_FILES = 16
"""Clips that a process keeps open."""


@dataclass(frozen=True)
class Piece(ABC):
    """One segment, open for reading; use it before the next one is opened."""

    row: ClipRow
    """The clip it belongs to."""
    segment: Segment
    """Which part of it."""
    plan: SegmentPlan
    """How the clip was cut."""

    @property
    def num_frames(self) -> int:
        """Frames of the whole clip."""
        return self.row.num_frames

    @property
    def crop(self) -> CropBox:
        """Where the crop lies in the source."""
        row = self.row
        return CropBox(row.crop_cx, row.crop_cy, row.crop_side, row.crop_angle)

    @abstractmethod
    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, Tensor]:
        """Return tensors of the clip's frames from `start` to before `stop`."""

    @abstractmethod
    def pictures(self, numbers: Iterable[int]) -> Tensor:
        """Return the clip's pictures with these numbers, uint8 (n, 3, H, W)."""


class Source(ABC):
    """Clips of one split, cut into segments."""

    where: str
    """Folder or address, for errors and summaries."""
    split: Split
    """Which part of the corpus."""
    rows: list[ClipRow]
    """The clips, in the manifest's order."""
    plan: SegmentPlan
    """How they are cut."""
    segments: list[Segment]
    """All segments, clip by clip."""
    face_model: str
    """Face model of the coefficients."""
    audio: dict[str, dict[str, Any]]
    """Plain config of every audio feature, by its name."""
    chunk_of: list[int] | None = None
    """Which chunk of a stream each segment lies in; None if any is as near as any other."""

    @abstractmethod
    def open(self, index: int) -> Piece:
        """Return the segment with this number, open for reading."""


class ClipFolder(Source):
    """A folder that `viseme-data prepare` or `synthesize` wrote.

    Args:
        path: The folder.
        split: Which part of it.
        plan: How clips are cut.

    Raises:
        ValueError: If it is no such folder, or the split has no clip.
    """

    def __init__(self, path: str | Path, split: Split, plan: SegmentPlan | None = None) -> None:
        self.path = Path(path)
        self.where = str(path)
        self.split = split
        self.plan = plan or SegmentPlan()
        self.rows = kept_of(read_manifest(self.path), split, self.where)
        self.segments = self.plan.cut(row.num_frames for row in self.rows)
        facts = read_facts(self.path)
        self.face_model, self.audio = facts["face_model"], facts["audio"]
        self.files = Recent(OPEN_FILES, partial(_open_clip, self.path))
        """Open clips by their ids."""
        self.videos = Recent(OPEN_FILES, partial(_open_video, self.path))
        """Open crop videos by their ids."""

    def open(self, index: int) -> Piece:
        """Return the segment with this number, open for reading."""
        segment = self.segments[index]
        return _FolderPiece(self.rows[segment.clip], segment, self.plan, self.files, self.videos)


@dataclass(frozen=True)
class _FolderPiece(Piece):
    files: "Recent[ClipFile]"
    videos: "Recent[CropVideo]"

    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, Tensor]:
        return self.files[self.row.clip_id].read(names, start, stop)

    def pictures(self, numbers: Iterable[int]) -> Tensor:
        return self.videos[self.row.clip_id].read(numbers)


class Recent(Generic[T]):
    """The things that were opened last, closed when others take their place.

    A forked or started process begins with none: what is open belongs to the process that opened
    it.

    Args:
        size: How many stay open.
        opener: Opens the one with a key; what it returns has `close`.
    """

    def __init__(self, size: int, opener: Callable[[str], T]) -> None:
        self._size = size
        self._opener = opener
        self._process = os.getpid()
        self._open: OrderedDict[str, Any] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}

    def __getitem__(self, key: str) -> T:
        if self._process != os.getpid():
            self._process, self._open = os.getpid(), OrderedDict()
        if key not in self._open:
            self._open[key] = self._opener(key)
            if len(self._open) > self._size:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(key)
        return self._open[key]


def _open_clip(path: Path, clip_id: str) -> ClipFile:
    return ClipFile(clip_path(path, clip_id))


def _open_video(path: Path, clip_id: str) -> CropVideo:
    return CropVideo(video_path(path, clip_id))


def kept_of(rows: list[ClipRow], split: Split, where: str) -> list[ClipRow]:
    """Return the kept clips of a split.

    Raises:
        ValueError: If there is none.
    """
    chosen = kept(rows, split)
    if not chosen:
        counts = {name: len(kept(rows, name)) for name in ("train", "val", "test")}
        raise ValueError(
            f"{where} has no clip in the split {split!r} (clips by split: {counts}); prepare more "
            f"speakers, or other shares of the splits"
        )
    return chosen


def read_facts(path: Path) -> dict[str, Any]:
    """Return what `dataset.json` of a prepared folder says.

    Raises:
        ValueError: If there is none, or it makes no sense.
    """
    file = path / "dataset.json"
    try:
        facts = json.loads(file.read_text())
        return {"face_model": facts["face_model"], "audio": dict(facts["audio"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{str(file)!r} cannot be read ({error}); is {str(path)!r} a folder that `viseme-data "
            f"prepare` finished?"
        ) from error


def clip_path(path: Path, clip_id: str) -> Path:
    """Return where a clip's tensors lie."""
    return path / "clips" / f"{clip_id}.safetensors"


def latent_path(path: Path, clip_id: str) -> Path:
    """Return where a clip's latents lie, if they were cached."""
    return path / "clips" / f"{clip_id}.latents.safetensors"


def video_path(path: Path, clip_id: str) -> Path:
    """Return where a clip's crop video lies."""
    return path / "clips" / f"{clip_id}.mp4"
