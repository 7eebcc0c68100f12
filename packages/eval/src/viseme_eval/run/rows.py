"""One clip's part of a report, as an object and as plain JSON."""

import json
import math
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from viseme_eval.run.measure import Findings, Reading

Status = Literal["done", "failed", "unpaired"]


@dataclass(kw_only=True)
class ClipRow:
    """What became of one pair."""

    name: str
    """Path under the folders, without suffix."""
    status: Status
    """done: it was compared; failed: it could not be; unpaired: it has no partner."""
    reason: str = ""
    """Why it was not compared."""
    key: str = ""
    """Hash of contents, settings and networks: the name of its file in `clips/`."""
    generated_sha256: str = ""
    """Hash of the generated video."""
    reference_sha256: str = ""
    """Hash of the reference."""
    num_frames: int = 0
    """Frames compared, at 25 per second."""
    cut_generated_sec: float = 0.0
    """Seconds at the end of the generated video that the reference does not have."""
    cut_reference_sec: float = 0.0
    """Seconds at the end of the reference that the generated video does not have."""
    seen_generated: float = 0.0
    """Share of frames with a face."""
    seen_reference: float = 0.0
    """Share of frames with a face."""
    audio_from: str = ""
    """Whose sound was listened to: --audio, generated, reference, or nobody's."""
    crop_generated: list[float] | None = None
    """cx, cy, side, angle in source pixels; null is the whole frame."""
    crop_reference: list[float] | None = None
    """The same of the reference."""
    notes: list[str] = field(default_factory=list)
    """What was wrong and could be helped."""
    findings: Findings = field(default_factory=Findings)
    """Values, and curves."""

    @property
    def seconds(self) -> float:
        """Length of what was compared."""
        return self.num_frames / 25


def to_plain(row: ClipRow, *, with_curves: bool) -> dict[str, Any]:
    """Return a row as JSON takes it."""
    # Not `asdict`, which would copy every number of every curve.
    plain = {one.name: getattr(row, one.name) for one in fields(row) if one.name != "findings"}
    for part in ("values", "reference"):
        plain[part] = {
            name: {"value": number_to_plain(value), **({"reason": reason} if reason else {})}
            for name, (value, reason) in getattr(row.findings, part).items()
        }
    if with_curves:
        plain["curves"] = {
            name: {side: [rounded(value) for value in values] for side, values in sides.items()}
            for name, sides in row.findings.curves.items()
        }
    return plain


def from_plain(plain: dict[str, Any]) -> ClipRow:
    """Return a row from what `to_plain` made of it."""
    plain = dict(plain)
    parts = {
        part: {
            name: Reading(number_from_plain(entry["value"]), entry.get("reason", ""))
            for name, entry in plain.pop(part).items()
        }
        for part in ("values", "reference")
    }
    curves = {
        name: {
            side: [math.nan if v is None else v for v in values] for side, values in sides.items()
        }
        for name, sides in plain.pop("curves", {}).items()
    }
    return ClipRow(**plain, findings=Findings(**parts, curves=curves))


def as_read(row: ClipRow) -> ClipRow:
    """Return a row as it comes back from its file."""
    return from_plain(json.loads(dumps(to_plain(row, with_curves=True))))


def number_to_plain(value: float | None) -> float | str | None:
    """Return a number as JSON takes it: JSON knows no infinity, which is then a word."""
    if value is None or math.isfinite(value):
        return value
    return str(float(value))


def number_from_plain(value: float | str | None) -> float | None:
    """Return the number that `number_to_plain` was given."""
    return None if value is None else float(value)


def rounded(value: float) -> float | None:
    """Return a number of a curve, short; null where there is none."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def dumps(plain: Any) -> bytes:
    """Return JSON that any reader takes, the same bytes for the same content."""
    return (json.dumps(plain, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
