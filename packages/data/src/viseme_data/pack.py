"""Prepared clips to shards that stream from a disk or object storage: `viseme-data pack`.

One process writes litdata chunks, for litdata names chunks after their writer: the same folder and
settings give the same bytes. Every split is a data set of its own, `OUT/train` and so on; its item
0 is the manifest, the others are segments in a shuffled order, so that a chunk holds many speakers.
Pictures are the crop video's own packets: nothing is lost and nothing is encoded again.
"""

import hashlib
import json
import logging
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from viseme_data.items import item_bytes
from viseme_data.manifest import SPLITS, Split, kept, read_manifest, write_manifest
from viseme_data.pictures import CropVideo
from viseme_data.segments import SegmentPlan
from viseme_data.sources import ClipFolder

SHARD_VERSION = 1
"""Version of the items; shards of another one are refused."""
SHARD_KIND = "viseme_shards"
INDEX_FILE = "index.json"
"""litdata's list of chunks."""

_MEGABYTE = 1 << 20
# Any fixed number: the order of segments in the chunks.
_ORDER_SEED = 0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PackConfig:
    """What `viseme-data pack` packs, and how."""

    data: str
    """Folder that `viseme-data prepare` or `synthesize` wrote."""
    out: str
    """Folder to write shards into; it must not exist."""
    chunk_mb: int = 64
    """Size of a chunk in megabytes: what is fetched from object storage at once."""
    segment: int = 250
    """Longest stretch of a clip in frames that is stored as one item."""
    window: int = 25
    """Longest window in frames that training will cut; each item ends that much later, less one
    frame."""
    pictures: bool = True
    """Store the crop's pictures; without them shards serve motion and landmarks only."""
    extras: bool = False
    """Store the ground truth of synthetic clips too."""

    def __post_init__(self) -> None:
        if self.chunk_mb < 1:
            raise ValueError(f"pack.chunk_mb must be at least 1, got {self.chunk_mb}")
        _ = self.plan

    @property
    def plan(self) -> SegmentPlan:
        """How clips are cut."""
        return SegmentPlan(length=self.segment, window=self.window)


@dataclass(frozen=True, kw_only=True)
class PackReport:
    """What was packed."""

    segments: dict[Split, int]
    """Items by split."""
    bytes: int
    """Size of all chunks."""
    overhead: float
    """Pictures that are stored twice because windows reach over the ends of segments, and for key
    frames, as a share of the clips' own."""

    def __str__(self) -> str:
        segments = ", ".join(f"{num} in {split}" for split, num in self.segments.items())
        return (
            f"segments: {segments}; {self.bytes / _MEGABYTE:.0f} MB, "
            f"{self.overhead:.1%} of the pictures stored twice"
        )


def pack(config: PackConfig) -> PackReport:
    """Write the shards of all splits that have clips, and return what was packed.

    Everything goes to `OUT.partial` first, so that `OUT` is whole or not there; what an interrupted
    run left is replaced.

    Raises:
        ValueError: If the folder is not prepared, a clip cannot be read, or `out` exists.
    """
    out = Path(config.out)
    if out.exists():
        raise ValueError(f"pack.out {str(out)!r} exists; delete it or give another folder")
    rows = read_manifest(config.data)
    splits: list[Split] = [split for split in SPLITS if kept(rows, split)]
    if not splits:
        raise ValueError(f"{config.data!r} has no kept clip to pack; `viseme-data inspect` it")
    partial = out.with_name(out.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)
    counts: dict[Split, int] = {}
    stored = wanted = 0
    for split in splits:
        source = ClipFolder(config.data, split, config.plan)
        counts[split] = len(source.segments)
        stored += _pack_split(source, partial / split, config)
        wanted += sum(row.num_frames for row in source.rows)
        logger.info("%s: %d segments of %d clips", split, counts[split], len(source.rows))
    partial.rename(out)
    size = sum(file.stat().st_size for file in out.rglob("*.bin"))
    return PackReport(
        segments=counts, bytes=size, overhead=stored / wanted - 1 if config.pictures else 0.0
    )


def item_order(num_segments: int) -> np.ndarray:
    """Return which segment stands at each place behind the manifest."""
    return np.random.Generator(np.random.PCG64(_ORDER_SEED)).permutation(num_segments)


def _pack_split(source: ClipFolder, out: Path, config: PackConfig) -> int:
    """Write one split and return the number of pictures stored."""
    writer: Any = _open_writer(out, config.chunk_mb * _MEGABYTE)
    writer[0] = _manifest_item(source)
    stored = 0
    for place, number in enumerate(item_order(len(source.segments)).tolist(), start=1):
        writer[place], num_pictures = _segment_item(source, number, config)
        stored += num_pictures
    writer.done()
    writer.merge(1)
    _settle_index(out)
    return stored


def _open_writer(out: Path, chunk_bytes: int) -> Any:
    try:
        from litdata.streaming.writer import BinaryWriter
    except ImportError as error:
        raise ImportError(
            "packing shards needs litdata; install it with `pip install viseme-data[train]`"
        ) from error
    return BinaryWriter(str(out), chunk_bytes=chunk_bytes)


def _segment_item(source: ClipFolder, number: int, config: PackConfig) -> tuple[bytes, int]:
    """Return the item of a segment and how many pictures it holds."""
    piece = source.open(number)
    frames = source.plan.tensors(piece.segment, piece.num_frames)
    file = source.files[piece.row.clip_id]
    if file.num_frames != piece.num_frames:
        raise ValueError(
            f"{str(file.path)!r} has {file.num_frames} frames, the manifest says "
            f"{piece.num_frames}; prepare the data again"
        )
    names = [n for n in file.names if config.extras or not n.startswith("extras.")]
    tensors = file.read(names, frames.start, frames.stop)
    facts = {
        "clip_id": piece.row.clip_id,
        "segment": str(number),
        "first_frame": str(frames.start),
        "num_frames": str(len(frames)),
    }
    if not config.pictures:
        return item_bytes(tensors, facts), 0
    video = source.videos[piece.row.clip_id]
    content, first = video.cut(source.plan.pictures(piece.segment, piece.num_frames))
    tensors["pictures"] = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    num_pictures = CropVideo(content).num_frames
    return item_bytes(tensors, {**facts, "first_picture": str(first)}), num_pictures


def _manifest_item(source: ClipFolder) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "manifest.parquet"
        write_manifest(file, source.rows)
        content = file.read_bytes()
    facts = {
        "kind": SHARD_KIND,
        "format": str(SHARD_VERSION),
        "split": source.split,
        "segment": str(source.plan.length),
        "window": str(source.plan.window),
        "face_model": source.face_model,
        "audio": json.dumps(source.audio, sort_keys=True),
    }
    return item_bytes({"manifest": torch.frombuffer(bytearray(content), dtype=torch.uint8)}, facts)


def _settle_index(out: Path) -> None:
    """Replace the time in litdata's index by a digest of the chunks.

    The index is then the same in every run, and a cache on a node is renewed exactly when the
    shards are others.
    """
    file = out / INDEX_FILE
    index = json.loads(file.read_text())
    digest = hashlib.sha256()
    for chunk in index["chunks"]:
        with (out / chunk["filename"]).open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    index["updated_at"] = digest.hexdigest()[:16]
    file.write_text(json.dumps(index, sort_keys=True))
