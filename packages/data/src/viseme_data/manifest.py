"""The manifest of prepared data: a row for every clip, kept or not, and why not."""

import hashlib
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from viseme_data.clips import write_whole

MANIFEST_VERSION = 1
"""Version of the columns; a manifest of another one is refused."""

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

_KEY = b"viseme_manifest"
# As far as a hash can be told from another: 48 of its bits.
_HASH_BITS = 48


@dataclass(frozen=True, kw_only=True)
class ClipRow:
    """What is known of one clip, or of a source that gave none; NaN is not measured."""

    clip_id: str = ""
    """Name of its files; empty if it was rejected before it had any."""
    source: str
    """File it comes from, relative to the folder that was prepared, with `/`."""
    source_hash: str = ""
    """SHA-256 of that file, empty if it could not be read."""
    status: Literal["kept", "rejected"]
    """Whether its files are there."""
    reasons: tuple[str, ...] = ()
    """Why it was rejected, in words to count."""
    detail: str = ""
    """The same in a sentence; of a kept clip what was wrong but could be helped."""
    speaker: str = ""
    """Who it is, by the corpus."""
    split: Literal["train", "val", "test", ""] = ""
    """What it is for, by speaker; empty if rejected."""
    language: str = ""
    """Code such as `en` or `cmn`, empty if unknown."""
    emotion: str = ""
    """Word of the corpus, empty if unknown."""
    emotion_level: int = 0
    """How strong, 0 if unknown."""
    face: int = 0
    """Number of the person among those seen at that time, the most prominent 0."""
    start_frame: int = 0
    """Frame at 25 per second of the source that it starts at."""
    num_frames: int = 0
    """Frames at 25 per second."""
    width: int = 0
    """Width of the source's pictures."""
    height: int = 0
    """Height of the source's pictures."""
    crop_cx: float = math.nan
    """Centre of the crop in source pixels."""
    crop_cy: float = math.nan
    """Centre of the crop in source pixels."""
    crop_side: float = math.nan
    """Side of the crop in source pixels."""
    crop_angle: float = math.nan
    """Turn of the crop in radians, clockwise."""
    size: int = 0
    """Side of the crop's video in pixels."""
    has_audio: bool = False
    """Whether there is sound."""
    offset_frames: float = 0.0
    """How much later than its sound the mouth came in the source; it has been removed."""
    offset_confidence: float = math.nan
    """How sure that is, as `viseme_data.sync` says."""
    face_px: float = math.nan
    """Median larger side of the landmarks' box in source pixels."""
    sharpness: float = math.nan
    """Median sharpness of the crops."""
    jitter: float = math.nan
    """Jitter of the landmarks over the eyes' distance."""
    residual: float = math.nan
    """Median error of the fitted face over the eyes' distance."""
    interpolated: float = math.nan
    """Share of frames without a detected face."""
    outside: float = math.nan
    """Share of landmarks outside the picture."""
    turn_deg: float = math.nan
    """Largest turn that nine frames in ten stay below, in degrees."""
    voiced: float = math.nan
    """Share of frames with as much energy as speech has."""
    face_model: str = ""
    """Face model of the coefficients."""


def write_manifest(path: str | Path, rows: Iterable[ClipRow]) -> None:
    """Write rows sorted by source and time; the same rows in any order give the same bytes.

    Raises:
        OSError: If it cannot be written; an older one is then left as it was.
    """
    ordered = sorted(rows, key=lambda r: (r.source, r.start_frame, r.face, r.clip_id))
    columns = {
        name: pa.array([_to_cell(getattr(row, name)) for row in ordered], kind)
        for name, kind in _columns().items()
    }
    table = pa.table(columns).replace_schema_metadata({_KEY: str(MANIFEST_VERSION)})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_whole(Path(path), buffer.getvalue())


def read_manifest(path: str | Path) -> list[ClipRow]:
    """Return the rows of a manifest.

    Args:
        path: The file, or the folder that holds it as `manifest.parquet`.

    Raises:
        ValueError: If there is none, it cannot be read, or it is of another version.
    """
    path = Path(path)
    path = path / "manifest.parquet" if path.is_dir() else path
    if not path.is_file():
        raise ValueError(
            f"there is no manifest {str(path)!r}; `viseme-data prepare` writes it at its end: "
            f"start it again if it was interrupted"
        )
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{str(path)!r} cannot be read ({error}); run `viseme-data prepare` again"
        ) from error
    version = (table.schema.metadata or {}).get(_KEY, b"").decode()
    if version != str(MANIFEST_VERSION):
        found = f"of version {version}" if version else "no manifest of viseme"
        raise ValueError(
            f"{str(path)!r} is {found}, this viseme-data reads version {MANIFEST_VERSION}; "
            f"prepare the data again, or install the version that wrote it"
        )
    return [row_from_plain(row) for row in table.to_pylist()]


def row_to_plain(row: ClipRow) -> dict[str, Any]:
    """Return a row as JSON and Parquet hold it: None for what was not measured."""
    return {column.name: _to_cell(getattr(row, column.name)) for column in fields(row)}


def row_from_plain(plain: dict[str, Any]) -> ClipRow:
    """Return the row that `row_to_plain` was given."""
    return ClipRow(**{name: _from_cell(value) for name, value in plain.items()})


def split_of(speaker: str, seed: int = 0, shares: Sequence[float] = (0.7, 0.1, 0.2)) -> Split:
    """Return the split of a speaker: by the name alone, so that other clips never move it.

    Args:
        speaker: Identity.
        seed: Another seed is another partition.
        shares: Shares of train, val and test; they add up to 1.

    Raises:
        ValueError: If the shares are not three that do.
    """
    if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"shares must be three numbers that add up to 1, got {tuple(shares)}")
    digest = hashlib.sha256(f"{seed}/{speaker}".encode()).digest()
    place = int.from_bytes(digest[: _HASH_BITS // 8], "big") / 2**_HASH_BITS
    if place < shares[0]:
        return "train"
    return "val" if place < shares[0] + shares[1] else "test"


def kept(rows: Iterable[ClipRow], split: Split | None = None) -> list[ClipRow]:
    """Return the rows that have clips, of one split or of all."""
    return [row for row in rows if row.status == "kept" and (split is None or row.split == split)]


def _columns() -> dict[str, pa.DataType]:
    kinds = get_type_hints(ClipRow)
    return {column.name: _column_type(kinds[column.name]) for column in fields(ClipRow)}


def _column_type(kind: Any) -> pa.DataType:
    if get_origin(kind) is tuple:
        return pa.list_(pa.string())
    # A Literal is one of some strings.
    return {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}.get(kind, pa.string())


def _to_cell(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    return list(value) if isinstance(value, tuple) else value


def _from_cell(value: Any) -> Any:
    # math.nan itself: rows then equal those that were written.
    if value is None:
        return math.nan
    return tuple(value) if isinstance(value, list) else value
