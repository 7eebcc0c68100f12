"""What `viseme-eval compare` says, as Markdown, as HTML and as JSON."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from viseme_eval.run.bootstrap import Interval
from viseme_eval.run.measure import Quantity
from viseme_eval.run.page import html_page, html_table, paper_tables_html
from viseme_eval.run.report import Report
from viseme_eval.run.rows import number_to_plain
from viseme_eval.run.tables import MISSING, Cells, heading, markdown_table, number, paper_tables


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two methods by one quantity."""

    first: str
    second: str
    interval: Interval | None
    """Of first less second over the clips that all have; None if it cannot be told."""
    verdict: str
    """Which is better, if zero is outside; or why there is none."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One quantity over all methods."""

    quantity: Quantity
    num_clips: int
    """Clips that every method has a value for."""
    means: list[Interval | None]
    """Of each method over these clips."""
    totals: list[float | None]
    """Of each method as its own report has it."""
    differences: list[Difference]


@dataclass(frozen=True, kw_only=True)
class Comparisons:
    """All quantities over all methods, and what was asked for."""

    quantities: list[Comparison]
    names: list[str]
    """Of the methods."""
    notes: list[str]
    """What readers should know."""
    resamples: int
    level: float
    seed: int

    @property
    def shown(self) -> list[Comparison]:
        """Those that any method has a value for."""
        return [one for one in self.quantities if any(total is not None for total in one.totals)]


def comparisons_markdown(comparisons: Comparisons, reports: Sequence[Report]) -> str:
    """Return all of it as Markdown."""
    parts = [
        f"# {_title(comparisons, reports)}",
        _explanation(comparisons),
        *(f"Note: {note}." for note in comparisons.notes),
        markdown_table(*_means_cells(comparisons)),
        "## Differences",
        markdown_table(*_differences_cells(comparisons)),
        "## In the papers' layouts",
        paper_tables(reports, comparisons.names),
    ]
    return "\n\n".join(parts) + "\n"


def comparisons_page(comparisons: Comparisons, reports: Sequence[Report]) -> str:
    """Return all of it as an HTML page."""
    title = _title(comparisons, reports)
    parts = [
        f"<h1>{escape(title)}</h1><p>{escape(_explanation(comparisons))}</p>",
        *(f"<p>Note: {escape(note)}.</p>" for note in comparisons.notes),
        html_table(*_means_cells(comparisons)),
        "<h2>Differences</h2>",
        html_table(*_differences_cells(comparisons)),
        "<h2>In the papers' layouts</h2>",
        *paper_tables_html(reports, comparisons.names),
    ]
    return html_page(title, parts)


def comparisons_to_plain(comparisons: Comparisons) -> dict[str, object]:
    """Return all of it as JSON takes it; infinity is the word "inf"."""
    return {
        "kind": "viseme_eval_comparison",
        "methods": comparisons.names,
        "resamples": comparisons.resamples,
        "level": comparisons.level,
        "seed": comparisons.seed,
        "notes": comparisons.notes,
        "quantities": {one.quantity.name: _plain(one) for one in comparisons.quantities},
    }


def _plain(one: Comparison) -> dict[str, object]:
    return {
        "num_clips": one.num_clips,
        "totals": [
            None if total is None or math.isnan(total) else number_to_plain(total)
            for total in one.totals
        ],
        "means": [_plain_interval(mean) for mean in one.means],
        "differences": [
            {
                "first": difference.first,
                "second": difference.second,
                "interval": _plain_interval(difference.interval),
                "verdict": difference.verdict,
            }
            for difference in one.differences
        ],
    }


def _plain_interval(interval: Interval | None) -> list[float | str | None] | None:
    return None if interval is None else [number_to_plain(value) for value in interval]


def _title(comparisons: Comparisons, reports: Sequence[Report]) -> str:
    return f"{', '.join(comparisons.names)} on {reports[0].dataset}"


def _means_cells(comparisons: Comparisons) -> Cells:
    lines = [
        [
            heading(one.quantity),
            one.quantity.unit or "-",
            *(
                number(total) if mean is None else _interval(mean)
                for mean, total in zip(one.means, one.totals, strict=True)
            ),
            str(one.num_clips) if one.num_clips else "set",
        ]
        for one in comparisons.shown
    ]
    return ["measure", "unit", *comparisons.names, "clips"], lines


def _differences_cells(comparisons: Comparisons) -> Cells:
    lines = [
        [
            heading(one.quantity)
            + (" (distance)" if one.quantity.direction == "reference" else ""),
            f"{difference.first} - {difference.second}",
            _interval(difference.interval),
            difference.verdict,
        ]
        for one in comparisons.shown
        for difference in one.differences
    ]
    return ["measure", "difference", "mean [interval]", "verdict"], lines


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return MISSING
    return f"{number(interval.mean)} [{number(interval.low, 3)}, {number(interval.high, 3)}]"


def _explanation(comparisons: Comparisons) -> str:
    return (
        f"Means over the clips that all have, with {comparisons.level:.0%} intervals: the middle "
        f"of {comparisons.resamples} means over clips drawn with replacement (seed "
        f"{comparisons.seed}), the same draws for all methods. Where nearer the reference is "
        f"better, differences are of the distances to it. Each is judged alone: among twenty "
        f"quantities that do not differ, one is likely to seem to."
    )
