"""`viseme-data inspect`: a prepared folder as one HTML page."""

import base64
import io
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path

import numpy as np

from viseme_core.types import FPS
from viseme_data.clips import PreparedClip, read_clip, write_whole
from viseme_data.inspection.charts import bars, histogram
from viseme_data.inspection.sheets import contact_sheet
from viseme_data.manifest import SPLITS, ClipRow, kept, read_manifest
from viseme_data.media import MediaError
from viseme_face import MorphableModel

logger = logging.getLogger(__name__)

_MEASURES = {
    "seconds": "length in seconds",
    "face_px": "face in source pixels",
    "sharpness": "sharpness",
    "jitter": "jitter / eye distance",
    "residual": "error of the fit / eye distance",
    "turn_deg": "turn in degrees",
    "interpolated": "share interpolated",
    "outside": "share outside the picture",
    "voiced": "share with speech energy",
    "offset_frames": "offset removed, frames",
    "offset_confidence": "confidence of the offset",
}
_JPEG_QUALITY = 80


@dataclass(frozen=True, kw_only=True)
class InspectConfig:
    """What to look at, and where to write the page."""

    folder: str
    """Prepared folder."""
    out: str = ""
    """HTML file to write; empty is report.html in the folder."""
    clips: int = 24
    """Clips to show as pictures, spread evenly over the manifest."""
    videos: str = ""
    """Folder that was prepared: with it the pictures show the crop in its source too."""

    def __post_init__(self) -> None:
        if self.clips < 0:
            raise ValueError(f"inspect.clips must be at least 0, got {self.clips}")


def inspect_dataset(config: InspectConfig) -> Path:
    """Return the page that it writes: totals, distributions, rejects by reason, pictures.

    Raises:
        ValueError: If the folder holds no prepared data.
    """
    folder = Path(config.folder).expanduser()
    rows = read_manifest(folder)
    clips = kept(rows)
    shown = _spread(clips, config.clips)
    parts = [
        _totals(rows),
        _section("Where they come from", _counts(clips)),
        _section("Clips", _distributions(clips)),
        _section("Coefficients", _coefficients(folder, shown)),
        _section("Rejected", _rejects(rows)),
        _section("Pictures", _pictures(folder, shown, config.videos)),
    ]
    style = resources.files("viseme_data").joinpath("inspection/page.css").read_text()
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{escape(folder.name)}</title><style>{style}</style>"
        f"<h1>{escape(folder.name)}</h1>{''.join(parts)}</html>"
    )
    out = Path(config.out).expanduser() if config.out else folder / "report.html"
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, page.encode())
    logger.info("wrote %s: %d clips, %d rejected", out, len(clips), len(rows) - len(clips))
    return out


def _totals(rows: Sequence[ClipRow]) -> str:
    clips = kept(rows)
    lines = [("all", clips), *((split, kept(rows, split)) for split in SPLITS)]
    cells = "".join(
        f"<tr><th>{name}<td>{len(some)}<td>{_hours(some)}<td>{len({r.speaker for r in some})}"
        for name, some in lines
    )
    sources = len({row.source for row in rows})
    return (
        f"<p>{sources} sources gave {len(clips)} clips; {len(rows) - len(clips)} were rejected.</p>"
        f"<table><tr><th><th>clips<th>length<th>speakers{cells}</table>"
    )


def _hours(rows: Sequence[ClipRow]) -> str:
    seconds = sum(row.num_frames for row in rows) / FPS
    return f"{seconds / 3600:.2f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def _counts(clips: Sequence[ClipRow]) -> Iterator[str]:
    charts: dict[str, Callable[[ClipRow], str]] = {
        "clips by language": lambda row: row.language,
        "clips by emotion": lambda row: row.emotion,
        "clips by size of the source": lambda row: f"{row.width} x {row.height}",
    }
    for title, of in charts.items():
        yield bars(Counter(of(row) for row in clips), title)
    minutes: Counter[str] = Counter()
    for row in clips:
        minutes[row.speaker] += row.num_frames
    yield bars({name: n / FPS / 60 for name, n in minutes.items()}, "minutes by speaker")


def _distributions(clips: Sequence[ClipRow]) -> Iterator[str]:
    for name, title in _MEASURES.items():
        values = [r.num_frames / FPS if name == "seconds" else getattr(r, name) for r in clips]
        yield histogram(values, title)


def _coefficients(folder: Path, shown: Sequence[ClipRow]) -> Iterator[str]:
    clips = [_clip(folder, row) for row in shown]
    if not clips:
        return
    expression = np.concatenate([clip.motion.expression.numpy() for clip in clips])
    pose = np.concatenate([clip.motion.pose.numpy() for clip in clips])
    yield histogram(expression.std(0).tolist(), "deviation of each expression coefficient")
    yield histogram(np.abs(expression).max(0).tolist(), "largest of each expression coefficient")
    for column, axis in enumerate(("nod", "turn", "tilt")):
        yield histogram(np.rad2deg(pose[:, column]).tolist(), f"{axis} in degrees")


def _rejects(rows: Sequence[ClipRow]) -> Iterator[str]:
    rejected = [row for row in rows if row.status == "rejected"]
    if not rejected:
        yield "<p>Nothing was rejected.</p>"
        return
    by_reason: dict[str, list[ClipRow]] = {}
    for row in rejected:
        for reason in row.reasons:
            by_reason.setdefault(reason, []).append(row)
    yield bars({reason: len(some) for reason, some in by_reason.items()}, "rejected by reason")
    lines = "".join(
        f"<tr><td>{escape(row.source)}<td>{row.start_frame}<td>{escape(', '.join(row.reasons))}"
        f"<td>{escape(row.detail)}"
        for row in rejected
    )
    yield (
        f"<details><summary>each of them</summary><table>"
        f"<tr><th>source<th>frame<th>reasons<th>what is wrong{lines}</table></details>"
    )


def _pictures(folder: Path, shown: Sequence[ClipRow], videos: str) -> Iterator[str]:
    yield (
        "<p>Green: landmarks of a face that was found. Red: interpolated. Blue: the fitted face. "
        "Yellow: the crop.</p>"
    )
    model = MorphableModel.builtin()
    for row in shown:
        source = Path(videos).expanduser() / row.source if videos else None
        try:
            sheet = contact_sheet(
                _clip(folder, row),
                folder / "clips" / f"{row.clip_id}.mp4",
                # Coefficients of another model would draw another face.
                model=model if row.face_model == model.name else None,
                source=(source, row.start_frame) if source and source.is_file() else None,
            )
        except MediaError as error:
            yield f"<figure><figcaption>{escape(str(error))}</figcaption></figure>"
            continue
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=_JPEG_QUALITY)
        data = base64.b64encode(buffer.getvalue()).decode()
        caption = (
            f"{row.source} from {row.start_frame / FPS:.2f} s, {row.num_frames / FPS:.2f} s, "
            f"speaker {row.speaker}, {row.split}; error of the fit {row.residual:.2%}, offset "
            f"{row.offset_frames:+.1f} frames (confidence {row.offset_confidence:.2f})"
        )
        yield (
            f'<figure><img src="data:image/jpeg;base64,{data}" alt=""><figcaption>'
            f"{escape(caption)}</figcaption></figure>"
        )


def _clip(folder: Path, row: ClipRow) -> PreparedClip:
    return read_clip(folder / "clips" / f"{row.clip_id}.safetensors")


def _spread(clips: Sequence[ClipRow], most: int) -> list[ClipRow]:
    places = np.linspace(0, len(clips) - 1, min(most, len(clips))).round().astype(int)
    return [clips[i] for i in np.unique(places)]


def _section(title: str, parts: Iterator[str]) -> str:
    return f"<h2>{title}</h2><div>{''.join(parts)}</div>"
