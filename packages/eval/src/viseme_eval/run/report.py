"""A report: what was measured over a set of clips, and how; one JSON file."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from viseme_eval.run.measure import Direction, Quantity, Reading
from viseme_eval.run.rows import ClipRow, from_plain, number_from_plain, number_to_plain, to_plain

FORMAT_VERSION = 2
_KIND = "viseme_eval_report"


@dataclass(frozen=True, kw_only=True)
class Total:
    """A quantity over all clips."""

    value: float | None
    """Mean over the clips that have it, each counting once; or the value of the set."""
    reference: float | None = None
    """The same of the references alone, where it describes one video."""
    num_clips: int = 0
    """Clips that have it."""
    is_set: bool = False
    """Whether it is one value of the whole set, which no clip has."""
    reason: str = ""
    """Why there is none."""


@dataclass(kw_only=True)
class Report:
    """All of a run."""

    name: str
    """The method."""
    dataset: str
    """The set of clips."""
    settings: dict[str, Any]
    """What decides over values: crop, size, versions."""
    networks: dict[str, dict[str, str]]
    """File and hash of every network used, by name."""
    measured_by: dict[str, list[str]]
    """Names of networks by quantity, of those that need any: several can give a CSIM."""
    quantities: list[Quantity]
    """What was asked for, in order."""
    totals: dict[str, Total]
    """By quantity."""
    rows: list[ClipRow] = field(default_factory=list)
    """All pairs by name."""

    @property
    def done(self) -> list[ClipRow]:
        """Rows of the clips that were compared."""
        return [row for row in self.rows if row.status == "done"]


def total_of(quantity: Quantity, rows: Sequence[ClipRow]) -> Total:
    """Return a quantity's mean over clips; infinite if one clip's is.

    The references' mean is over the same clips, so that the two can be set side by side.
    """
    rows = [row for row in rows if quantity.name in row.findings.values]
    readings = [row.findings.values[quantity.name] for row in rows]
    values = [reading.value for reading in readings if reading.value is not None]
    references = [
        own.value
        for row, reading in zip(rows, readings, strict=True)
        if (reading.value is not None or not values)
        and (own := row.findings.reference.get(quantity.name))
        and own.value is not None
    ]
    reason = "" if values else _usual(readings) or "no clip was compared"
    return Total(
        value=_mean(values),
        reference=_mean(references),
        num_clips=len(values),
        reason=reason,
    )


def _mean(values: Sequence[float]) -> float | None:
    if not values:
        return None
    # fsum refuses infinities.
    return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else sum(values)


def _usual(readings: Sequence[Reading]) -> str:
    counts = Counter(reading.reason for reading in readings)
    return counts.most_common(1)[0][0] if counts else ""


def report_to_plain(report: Report) -> dict[str, Any]:
    """Return a report as JSON takes it; infinity is the word "inf"."""
    totals = {
        name: {
            **asdict(total),
            "value": number_to_plain(total.value),
            "reference": number_to_plain(total.reference),
        }
        for name, total in report.totals.items()
    }
    return {
        "kind": _KIND,
        "format": FORMAT_VERSION,
        "name": report.name,
        "dataset": report.dataset,
        "settings": report.settings,
        "networks": report.networks,
        "measured_by": report.measured_by,
        "quantities": [asdict(quantity) for quantity in report.quantities],
        "totals": totals,
        "clips": [to_plain(row, with_curves=False) for row in report.rows],
    }


def read_report(path: str | Path) -> Report:
    """Return a report from its `report.json`, or from the folder that holds it.

    Raises:
        ValueError: If there is none, or it is no report of this format.
    """
    path = Path(path).expanduser()
    file = path / "report.json" if path.is_dir() else path
    try:
        plain = json.loads(file.read_bytes())
    except OSError as error:
        raise ValueError(
            f"{str(file)!r} cannot be read ({error.strerror}); give the report.json of a run"
        ) from error
    except ValueError as error:
        raise ValueError(f"{str(file)!r} is no JSON ({error}); run the evaluation again") from error
    if not isinstance(plain, dict) or plain.get("kind") != _KIND:
        raise ValueError(f"{str(file)!r} is no report; give the report.json of a run")
    if plain.get("format") != FORMAT_VERSION:
        raise ValueError(
            f"{str(file)!r} is of format {plain.get('format')}, this viseme-eval reads "
            f"{FORMAT_VERSION}; run the evaluation again"
        )
    return Report(
        name=plain["name"],
        dataset=plain["dataset"],
        settings=plain["settings"],
        networks=plain["networks"],
        measured_by=plain["measured_by"],
        quantities=[_quantity(entry) for entry in plain["quantities"]],
        totals={name: _total(entry) for name, entry in plain["totals"].items()},
        rows=[from_plain(row) for row in plain["clips"]],
    )


def _quantity(entry: Mapping[str, Any]) -> Quantity:
    if entry["direction"] not in get_args(Direction):
        raise ValueError(f"unknown direction {entry['direction']!r} of {entry['name']!r}")
    return Quantity(**entry)


def _total(entry: Mapping[str, Any]) -> Total:
    numbers = {key: number_from_plain(entry[key]) for key in ("value", "reference")}
    return Total(**{**entry, **numbers})
