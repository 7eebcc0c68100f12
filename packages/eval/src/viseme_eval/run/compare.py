"""`viseme-eval compare`: methods side by side, and which differences are more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from viseme_data.clips import write_whole
from viseme_eval.run.bootstrap import Interval, intervals
from viseme_eval.run.comparisons import (
    Comparison,
    Comparisons,
    Difference,
    comparisons_markdown,
    comparisons_page,
    comparisons_to_plain,
)
from viseme_eval.run.measure import Quantity
from viseme_eval.run.report import Report, read_report
from viseme_eval.run.rows import ClipRow, dumps

# Fewer clips than this give intervals that are too narrow, however often one draws: of two, every
# other pair of methods that do not differ would seem to.
_FEW = 8


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """Which reports to set side by side."""

    reports: tuple[str, ...]
    """Two reports or more: report.json files, or the folders that hold them."""
    out: str = ""
    """Folder for compare.md, compare.html and compare.json; by default they are only printed."""
    resamples: int = 10_000
    """How often clips are drawn for the intervals."""
    level: float = 0.95
    """Confidence of the intervals."""
    seed: int = 0
    """Of the draws: the same seed gives the same intervals."""

    def __post_init__(self) -> None:
        if len(self.reports) < 2:
            raise ValueError(f"compare takes two reports or more, got {len(self.reports)}")
        if self.resamples < 100:
            raise ValueError(f"--resamples must be at least 100, got {self.resamples}")
        if not 0 < self.level < 1:
            raise ValueError(f"--level must lie between 0 and 1, got {self.level}")


def compare(config: CompareConfig) -> str:
    """Set reports side by side, with paired bootstrap intervals over clips."""
    reports = [read_report(path) for path in config.reports]
    names = _names(reports)
    notes = check_comparable(reports, names)
    comparisons = [
        compare_quantity(quantity, reports, names, config) for quantity in _shared(reports)
    ]
    said = Comparisons(
        quantities=comparisons,
        names=names,
        notes=notes,
        resamples=config.resamples,
        level=config.level,
        seed=config.seed,
    )
    text = comparisons_markdown(said, reports)
    if config.out:
        folder = Path(config.out).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "compare.md", text.encode())
        write_whole(folder / "compare.html", comparisons_page(said, reports).encode())
        write_whole(folder / "compare.json", dumps(comparisons_to_plain(said)))
    return text


def check_comparable(reports: Sequence[Report], names: Sequence[str]) -> list[str]:
    """Return what readers should know, and refuse what cannot be compared.

    Raises:
        ValueError: If crops, sizes or networks differ, or there is no clip in common.
    """
    first, notes = reports[0], []
    for report, name in zip(reports[1:], names[1:], strict=True):
        for setting in ("crop", "size"):
            one, other = first.settings.get(setting), report.settings.get(setting)
            if one != other:
                raise ValueError(
                    f"{names[0]!r} was measured with {setting} {one!r}, {name!r} with {other!r}: "
                    f"the numbers cannot be compared; run one of them again"
                )
        for network in sorted({*first.networks} & {*report.networks}):
            if first.networks[network]["sha256"] != report.networks[network]["sha256"]:
                raise ValueError(
                    f"{names[0]!r} and {name!r} used different files of the network {network!r}; "
                    f"run one of them again with the other's"
                )
        for quantity in sorted({*first.measured_by} & {*report.measured_by}):
            one, other = (" and ".join(r.measured_by[quantity]) for r in (first, report))
            if one != other:
                raise ValueError(
                    f"{names[0]!r} has {quantity} from the network {one}, {name!r} from {other}: "
                    f"the numbers cannot be compared; run one of them again with the other's"
                )
        if first.settings.get("versions") != report.settings.get("versions"):
            notes.append(f"{names[0]} and {name} were measured with different package versions")
    shared = set.intersection(*({row.name for row in report.done} for report in reports))
    if not shared:
        raise ValueError("the reports have no compared clip in common; give reports of one set")
    for name in sorted(shared):
        hashes = {_row(report, name).reference_sha256 for report in reports}
        if len(hashes) > 1:
            raise ValueError(
                f"the reports have different references of the clip {name!r}; run one again"
            )
    alone = set.union(*({row.name for row in report.done} for report in reports)) - shared
    if alone:
        notes.append(f"{len(alone)} clips that not all reports have are left out")
    if len(shared) < _FEW:
        notes.append(
            f"with {len(shared)} clips only, intervals are too narrow and there is no verdict"
        )
    return notes


def compare_quantity(
    quantity: Quantity, reports: Sequence[Report], names: Sequence[str], config: CompareConfig
) -> Comparison:
    """Return one quantity over the clips that all reports have it for."""
    clips = _values(quantity, reports)
    totals = [_total(report, quantity.name) for report in reports]
    reason = ""
    if any(report.totals[quantity.name].is_set for report in reports):
        reason = "one value of the whole set: no interval over clips"
    elif not clips:
        reason = "no clip has it in all reports"
    values_NM = np.array([[value for value, _ in line] for line in clips], float)
    if clips and not np.isfinite(values_NM).all():
        reason = "infinite for some clip"
    means: list[Interval | None] = [None] * len(reports)
    draws = {"resamples": config.resamples, "seed": config.seed}
    if not reason:
        means = [*intervals(values_NM, **draws, level=config.level)]
    differences = []
    for one, other in combinations(range(len(reports)), 2):
        interval, verdict = None, reason
        if not reason:
            gaps = _gaps(quantity, clips, one, other)
            (interval,) = intervals(gaps[:, None], **draws, level=config.level)
            verdict = _verdict(quantity, interval, len(clips), names[one], names[other])
        differences.append(
            Difference(first=names[one], second=names[other], interval=interval, verdict=verdict)
        )
    return Comparison(
        quantity=quantity,
        num_clips=0 if reason.startswith("one value") else len(clips),
        means=means,
        totals=totals,
        differences=differences,
    )


_Line = list[tuple[float, float | None]]
"""Value and the reference's own of one clip, for each report."""


def _values(quantity: Quantity, reports: Sequence[Report]) -> list[_Line]:
    name = quantity.name
    by_clip = [{row.name: row for row in report.done} for report in reports]
    lines = []
    for clip in sorted(set.intersection(*(set(rows) for rows in by_clip))):
        found = [rows[clip].findings for rows in by_clip]
        values = [findings.values.get(name) for findings in found]
        if any(value is None or value.value is None for value in values):
            continue
        own = [findings.reference.get(name) for findings in found]
        if quantity.direction == "reference" and any(o is None or o.value is None for o in own):
            # How far it is from the reference cannot be told.
            continue
        lines.append(
            [
                (float(value.value), reference.value if reference else None)
                for value, reference in zip(values, own, strict=True)
                if value is not None and value.value is not None
            ]
        )
    return lines


def _gaps(quantity: Quantity, clips: Sequence[_Line], one: int, other: int) -> np.ndarray:
    """Return by how much the first is above the second in each clip."""
    gaps = []
    for line in clips:
        (a, own_a), (b, own_b) = line[one], line[other]
        if quantity.direction == "reference" and own_a is not None and own_b is not None:
            # What counts is how far each is from its reference.
            a, b = abs(a - own_a), abs(b - own_b)
        gaps.append(a - b)
    return np.array(gaps)


def _verdict(quantity: Quantity, interval: Interval, num: int, first: str, second: str) -> str:
    if num < _FEW:
        return f"{num} clips are too few to say"
    if not interval.excludes_zero:
        return "no difference shown"
    if quantity.direction == "none":
        return "differ"
    is_first = (interval.mean > 0) == (quantity.direction == "higher")
    return f"{first if is_first else second} is better"


def _shared(reports: Sequence[Report]) -> list[Quantity]:
    others = [{quantity.name for quantity in report.quantities} for report in reports[1:]]
    return [q for q in reports[0].quantities if all(q.name in names for names in others)]


def _names(reports: Sequence[Report]) -> list[str]:
    """Return a name for each report, numbered where two are alike."""
    names = [report.name for report in reports]
    return [
        name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})"
        for i, name in enumerate(names)
    ]


def _row(report: Report, name: str) -> ClipRow:
    return next(row for row in report.done if row.name == name)


def _total(report: Report, name: str) -> float | None:
    total = report.totals.get(name)
    return None if total is None else total.value
