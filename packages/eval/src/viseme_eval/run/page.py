"""A report as one HTML page: tables, curves, frames, definitions; no script, no other file."""

import base64
from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from pathlib import Path

from viseme_eval.run.charts import curves_chart
from viseme_eval.run.report import Report
from viseme_eval.run.rows import ClipRow
from viseme_eval.run.tables import (
    PAPER_TABLES,
    PAPERS_NOTE,
    clips_table,
    facts,
    heading,
    paper_table_cells,
    skipped_cells,
    totals_cells,
)

# Beyond this many clips a page takes minutes to open; the others are in the tables.
MAX_SHOWN = 60


def report_page(report: Report, clips: Path) -> str:
    """Return the page.

    Args:
        report: What was measured.
        clips: Folder with the clips' frame strips.
    """
    title = f"{report.name} on {report.dataset}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        _list(facts(report)),
        "<h2>Measures</h2>",
        html_table(*totals_cells(report)),
        html_table(*skipped_cells(report)),
        "<h2>In the papers' layouts</h2>",
        f"<p>{escape(PAPERS_NOTE)}</p>",
        *paper_tables_html([report], [report.name]),
        "<h2>Clips</h2>",
        html_table(*clips_table(report)),
        *_clips(report.rows, clips),
        "<h2>Definitions</h2>",
        _definitions(report),
    ]
    return html_page(title, parts)


def html_page(title: str, parts: Sequence[str]) -> str:
    """Return a page with the style of reports."""
    style = resources.files("viseme_eval").joinpath("run/page.css").read_text()
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{style}</style>{''.join(parts)}</html>\n"
    )


def html_table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table; cells are text, in which entities stand for arrows."""
    head = "".join(f"<th>{_cell(text)}" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{_cell(text)}" for text in line) for line in lines)
    return f'<div class="scroll"><table><tr>{head}{body}</table></div>'


def _cell(text: str) -> str:
    # Arrows are written as entities, for Markdown's sake; all else is text.
    return (
        escape(text)
        .replace("&amp;uarr;", "&uarr;")
        .replace("&amp;darr;", "&darr;")
        .replace("&amp;asymp;", "&asymp;")
    )


def paper_tables_html(reports: Sequence[Report], names: Sequence[str]) -> Iterator[str]:
    """Yield the papers' tables."""
    for table in PAPER_TABLES:
        cells = paper_table_cells(table, reports, names)
        yield f"<h3>{escape(table.title)}</h3>{html_table(*cells)}"
        if table.note:
            yield f'<p class="note">{escape(table.note)}</p>'


def _clips(rows: Sequence[ClipRow], clips: Path) -> Iterator[str]:
    done = [row for row in rows if row.status == "done"]
    yield (
        '<p>Above and <span class="g-name">red: generated</span>; below and '
        '<span class="r-name">blue: reference</span>.</p>'
    )
    for row in done[:MAX_SHOWN]:
        yield f"<h3>{escape(row.name)}</h3>{_strip(row, clips)}"
        yield f'<p class="note">{escape(clip_facts(row))}</p><div>'
        for name, curves in row.findings.curves.items():
            yield curves_chart(name, curves)
        yield "</div>"
    if len(done) > MAX_SHOWN:
        yield f"<p>{len(done) - MAX_SHOWN} more clips have no pictures here.</p>"


def _strip(row: ClipRow, clips: Path) -> str:
    file = clips / f"{row.key}.jpg"
    if not file.is_file():
        return ""
    data = base64.b64encode(file.read_bytes()).decode()
    return f'<figure><img src="data:image/jpeg;base64,{data}" alt="frames"></figure>'


def clip_facts(row: ClipRow) -> str:
    """Return what was compared of a clip, in a sentence or more."""
    parts = [f"{row.num_frames} frames ({row.seconds:.2f} s) compared"]
    for side, cut in (("generated", row.cut_generated_sec), ("reference", row.cut_reference_sec)):
        if cut:
            parts.append(f"{cut:.2f} s at the end of the {side} left out")
    parts.append(
        f"face found in {row.seen_generated:.0%} of the generated and {row.seen_reference:.0%} of "
        f"the reference frames"
    )
    parts.append(f"sound from {row.audio_from}" if row.audio_from else "no sound")
    return "; ".join([*parts, *row.notes]) + "."


def _definitions(report: Report) -> str:
    entries = "".join(
        f"<dt>{_cell(heading(quantity))}<dd><code>{escape(quantity.name)}</code>"
        f"{', ' + escape(quantity.unit) if quantity.unit else ''}. {escape(quantity.definition)}"
        for quantity in report.quantities
    )
    return f"<dl>{entries}</dl>"


def _list(markdown: str) -> str:
    lines = "".join(f"<li>{escape(line[2:])}" for line in markdown.splitlines())
    return f"<ul>{lines}</ul>"
