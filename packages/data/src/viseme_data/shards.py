"""Shards as a source: segments by random access from a local folder or object storage.

litdata brings chunks to the disk and maps them; an item is a view of which only what is asked for
is touched. Which segment comes when is not litdata's business: `chunked_order` keeps an epoch
within a few chunks at a time, the same for any number of processes.
"""

import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from viseme_core.draws import Draws
from viseme_data.clips import rows_per_frame
from viseme_data.items import Item
from viseme_data.manifest import Split, read_manifest
from viseme_data.pack import INDEX_FILE, SHARD_KIND, SHARD_VERSION, item_order
from viseme_data.pictures import CropVideo
from viseme_data.segments import SegmentPlan
from viseme_data.sources import Piece, Recent, Source, kept_of

POOL = 8
"""Chunks whose segments are mixed with each other."""


class Shards(Source):
    """What `viseme-data pack` wrote for one split.

    Args:
        address: Folder, or address in object storage as litdata knows them (`s3://`, `gs://`, ...).
        split: Which part of it.
        cache: Folder for chunks that come from object storage; litdata's own by default.

    Raises:
        ValueError: If there are no shards, they are incomplete, or of another version.
    """

    def __init__(self, address: str, split: Split, cache: str | None = None) -> None:
        self.where = f"{address.rstrip('/')}/{split}"
        self.split = split
        folder = f"{cache}/{split}" if cache else None
        self._streams: Recent[_Stream] = Recent(1, partial(_Stream, folder))
        if "://" not in address and not address.startswith("local:"):
            _check_folder(Path(self.where))
        manifest = self._item(0)
        facts = manifest.facts
        if facts.get("kind") != SHARD_KIND:
            raise ValueError(f"{self.where} is a litdata set, but no shards of viseme-data")
        if facts["format"] != str(SHARD_VERSION):
            raise ValueError(
                f"{self.where} is of shard format {facts['format']}, this viseme-data reads "
                f"{SHARD_VERSION}; pack again, or install the version that wrote it"
            )
        with tempfile.TemporaryDirectory() as temporary:
            file = Path(temporary) / "manifest.parquet"
            file.write_bytes(manifest.read_bytes("manifest"))
            self.rows = kept_of(read_manifest(file), split, self.where)
        self.plan = SegmentPlan(length=int(facts["segment"]), window=int(facts["window"]))
        self.segments = self.plan.cut(row.num_frames for row in self.rows)
        self.face_model, self.audio = facts["face_model"], json.loads(facts["audio"])
        order = torch.from_numpy(item_order(len(self.segments)))
        self._place = order.argsort() + 1
        self.chunk_of = self._chunks()

    def open(self, index: int) -> Piece:
        """Return the segment with this number, open for reading."""
        segment = self.segments[index]
        row = self.rows[segment.clip]
        item = self._item(int(self._place[index]))
        if (item.facts.get("clip_id"), item.facts.get("segment")) != (row.clip_id, str(index)):
            raise ValueError(
                f"{self.where} holds another segment where {index} of clip {row.clip_id} should "
                f"be; its chunks are of different packs: copy the shards again"
            )
        return _ShardPiece(row, segment, self.plan, item, f"clip {row.clip_id} in {self.where}")

    def _item(self, place: int) -> Item:
        where = f"item {place} of {self.where}"
        try:
            return Item(self._streams[self.where][place], where=where)
        except (OSError, RuntimeError, IndexError) as error:
            raise ValueError(f"{where} cannot be read ({error}); copy the shards again") from error

    def _chunks(self) -> list[int]:
        """Return the chunk of every segment."""
        sizes = [end - start for start, _, _, end in self._streams[self.where].chunk_intervals()]
        chunk_of_place = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
        return chunk_of_place[self._place].tolist()


class _Stream:
    """litdata's data set, by places.

    Args:
        address: Of one split.
        cache: Folder for chunks from object storage.
    """

    def __init__(self, cache: str | None, address: str) -> None:
        try:
            from litdata import StreamingDataset
        except ImportError as error:
            raise ImportError(
                "reading shards needs litdata; install it with `pip install viseme-data[train]`"
            ) from error
        self._data = StreamingDataset(address, cache_dir=cache)

    def __getitem__(self, place: int) -> memoryview:
        return self._data[place]

    def chunk_intervals(self) -> list[tuple[int, int, int, int]]:
        """Return first and last place of every chunk."""
        _ = self._data[0]
        cache: Any = self._data.cache
        return cache._reader.get_chunk_intervals()

    def close(self) -> None:
        """Nothing: litdata lets go of its files itself."""


@dataclass(frozen=True)
class _ShardPiece(Piece):
    item: Item
    name: str

    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, Tensor]:
        first, num = int(self.item.facts["first_frame"]), int(self.item.facts["num_frames"])
        if not first <= start < stop <= first + num:
            raise ValueError(
                f"{self.name}: the item has frames {first} to {first + num}, got {start} to {stop}"
            )
        tensors = {}
        for name in names:
            rows = rows_per_frame(name)
            inside = (rows * (start - first), rows * (stop - first)) if rows else ()
            tensors[name] = self.item.read(name, *inside)
        return tensors

    def pictures(self, numbers: Iterable[int]) -> Tensor:
        if "pictures" not in self.item:
            raise ValueError(f"{self.name} was packed without pictures; pack again with them")
        first = int(self.item.facts["first_picture"])
        video = CropVideo(self.item.read_bytes("pictures"), name=self.name)
        try:
            return video.read(number - first for number in numbers)
        finally:
            video.close()


def chunked_order(chunk_of: Sequence[int], draws: Draws, pool: int = POOL) -> Tensor:
    """Return all segments in a random order that stays within a few chunks at a time.

    Chunks are shuffled and taken `pool` at a time; the segments of a pool are shuffled among
    themselves.

    Args:
        chunk_of: Chunk of every segment.
        draws: One sample's draws: of a seed and an epoch.
        pool: Chunks that are mixed.
    """
    (generator,) = draws.generators("data/order")
    chunk_of_segment = torch.as_tensor(chunk_of)
    num_chunks = int(chunk_of_segment.max()) + 1
    pool_of_chunk = torch.randperm(num_chunks, generator=generator) // pool
    shuffled = torch.randperm(len(chunk_of_segment), generator=generator)
    return shuffled[pool_of_chunk[chunk_of_segment[shuffled]].argsort(stable=True)]


def _check_folder(path: Path) -> None:
    """Refuse shards that are not all there, for which litdata would wait.

    Raises:
        ValueError: If the index is missing or makes no sense, or a chunk is missing or cut off.
    """
    file = path / INDEX_FILE
    try:
        chunks = {c["filename"]: c["chunk_bytes"] for c in json.loads(file.read_text())["chunks"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{str(file)!r} cannot be read ({error}); give the folder that `viseme-data pack` "
            f"finished"
        ) from error
    for name, size in chunks.items():
        found = (path / name).stat().st_size if (path / name).is_file() else None
        if found != size:
            state = "is missing" if found is None else f"has {found} bytes instead of {size}"
            raise ValueError(f"chunk {name!r} of {str(path)!r} {state}; copy the shards again")
