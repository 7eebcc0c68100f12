"""Tables in the papers' layouts, and plain ones, as Markdown.

A paper's column shows that paper's quantity or nothing: stand-ins have rows of their own elsewhere.
Arrows are entities, which Markdown and HTML both show.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from viseme_eval.run.measure import Direction, Quantity
from viseme_eval.run.report import Report, Total

ARROWS: dict[Direction, str] = {
    "higher": "&uarr;",
    "lower": "&darr;",
    "reference": "&asymp;",
    "none": "",
}
"""How a heading says which values are better; the wavy one: nearer the reference's own."""
MISSING = "n/a"

PAPERS_NOTE = (
    "Reference: what the real videos score themselves. Numbers of papers were made with other "
    "crops, other landmarks or other networks; compare methods in one report."
)

Cells = tuple[list[str], list[list[str]]]
"""Heads and lines of a table."""


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper."""

    title: str
    columns: tuple[tuple[str, str], ...]
    """Heading as printed, name of the quantity."""
    note: str = ""
    """Where ours differs."""


PAPER_TABLES = (
    PaperTable(
        "DisentTalk, Table I",
        (
            ("LSE-C &uarr;", "lse_c"),
            ("LMD &darr;", "lmd_mouth"),
            ("Blink &uarr;", "blink_rate"),
            ("CPBD &uarr;", "cpbd"),
            ("PSNR &uarr;", "psnr"),
        ),
    ),
    PaperTable(
        "FD2Talk, Table 1",
        (
            ("LSE-C &uarr;", "lse_c"),
            ("SyncNet &uarr;", "syncnet_confidence"),
            ("Diversity &uarr;", "diversity"),
            ("Beat Align &uarr;", "beat_align"),
            ("FID &darr;", "fid"),
            ("PSNR &uarr;", "psnr"),
            ("SSIM &uarr;", "ssim"),
        ),
    ),
    PaperTable(
        "TalkFormer, Table I",
        (
            ("PSNR &uarr;", "psnr_lower"),
            ("SSIM &uarr;", "ssim_lower"),
            ("LPIPS &darr;", "lpips_lower"),
            ("FID &darr;", "fid_lower"),
            ("CSIM &uarr;", "csim_lower"),
            ("SyncScore &uarr;", "syncnet_confidence"),
        ),
        "Picture quality of the lower half of the face, as the paper says.",
    ),
    PaperTable(
        "ImagineID, Table 1",
        (
            ("Shape &uarr;", "shape_similarity"),
            ("Age &uarr;", "age_similarity"),
            ("Gender &uarr;", "gender_similarity"),
            ("Emotion &uarr;", "emotion_similarity"),
            ("FID &darr;", "fid"),
        ),
    ),
    PaperTable(
        "ImagineID, Table 2",
        (
            ("EACC", "emotion_accuracy"),
            ("LMD &darr;", "lmd_mouth"),
            ("Sync &uarr;", "syncnet_confidence"),
            ("FID &darr;", "fid"),
            ("PSNR &uarr;", "psnr"),
            ("SSIM &uarr;", "ssim"),
        ),
        "The paper prints EACC with an arrow down although it is called an accuracy.",
    ),
)


def number(value: float | None, digits: int = 4) -> str:
    """Return a number as tables show it: `inf` where pictures are identical."""
    return MISSING if value is None else f"{value:.{digits}g}"


def paper_tables(reports: Sequence[Report], names: Sequence[str]) -> str:
    """Return the papers' tables with a row for each report, and one for the reference itself."""
    return "\n\n".join(_paper_table(table, reports, names) for table in PAPER_TABLES)


def paper_table_cells(
    table: PaperTable, reports: Sequence[Report], methods: Sequence[str]
) -> Cells:
    """Return heads and lines of a paper's table: the references, then each report."""
    names = [name for _, name in table.columns]
    lines = [["Reference", *(_reference(reports[0].totals.get(name), name) for name in names)]]
    for report, method in zip(reports, methods, strict=True):
        lines.append([method, *(_cell(report.totals.get(name)) for name in names)])
    return ["Method", *(head for head, _ in table.columns)], lines


def _paper_table(table: PaperTable, reports: Sequence[Report], methods: Sequence[str]) -> str:
    text = f"### {table.title}\n\n{markdown_table(*paper_table_cells(table, reports, methods))}"
    return f"{text}\n\n{table.note}" if table.note else text


def _cell(total: Total | None) -> str:
    return MISSING if total is None else number(total.value)


def _reference(total: Total | None, name: str) -> str:
    """Return what a reference scores, which is known where a video is compared with itself."""
    if total is not None and total.reference is not None:
        return number(total.reference)
    return _OF_ITSELF.get(name, "-")


# As DisentTalk prints it in the row of the ground truth.
_OF_ITSELF = {"psnr": "inf", "psnr_lower": "inf", "lmd_mouth": "0", "ssim": "1", "ssim_lower": "1"}


def report_markdown(report: Report) -> str:
    """Return the whole report as Markdown."""
    parts = [
        f"# {report.name} on {report.dataset}",
        facts(report),
        "## Measures",
        totals_table(report),
        skipped_table(report),
        "## In the papers' layouts",
        PAPERS_NOTE,
        paper_tables([report], [report.name]),
        "## Clips",
        markdown_table(*clips_table(report)),
        "## Definitions",
        "\n".join(f"- **{q.title}** (`{q.name}`): {q.definition}" for q in report.quantities),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def facts(report: Report) -> str:
    """Return how values came about, as a list."""
    settings = dict(report.settings)
    versions = settings.pop("versions", {})
    settings.pop("measures", None)
    lines = [f"- {len(report.done)} of {len(report.rows)} clips compared"]
    lines += [f"- {name}: {value}" for name, value in settings.items()]
    lines.append("- versions: " + ", ".join(f"{name} {text}" for name, text in versions.items()))
    for name, network in report.networks.items():
        uses = [quantity for quantity, names in report.measured_by.items() if name in names]
        lines.append(
            f"- network {name}: {network['file']}, sha256 {network['sha256']}; measures "
            f"{', '.join(uses) or 'nothing'}"
        )
    return "\n".join(lines)


def totals_table(report: Report) -> str:
    """Return a Markdown table of all quantities that have a value."""
    return markdown_table(*totals_cells(report))


def skipped_table(report: Report) -> str:
    """Return a Markdown table of the others and why they have none; empty if there are none."""
    heads, lines = skipped_cells(report)
    return markdown_table(heads, lines) if lines else ""


def skipped_cells(report: Report) -> Cells:
    """Return a table of quantities without a value, those of one reason together."""
    names: dict[str, list[str]] = {}
    for quantity in report.quantities:
        total = report.totals[quantity.name]
        if total.value is None:
            names.setdefault(total.reason, []).append(quantity.title)
    return ["not measured", "why"], [["; ".join(some), why] for why, some in names.items()]


def totals_cells(report: Report) -> Cells:
    """Return a table of all quantities that have a value, with unit and direction."""
    lines = []
    for quantity in report.quantities:
        total = report.totals[quantity.name]
        if total.value is None:
            continue
        lines.append(
            [
                heading(quantity),
                quantity.unit or "-",
                number(total.value),
                number(total.reference) if total.reference is not None else "-",
                f"{total.num_clips}, as a set" if total.is_set else str(total.num_clips),
            ]
        )
    return ["measure", "unit", report.name, "reference", "clips"], lines


def clips_table(report: Report) -> Cells:
    """Return a table of all clips and the quantities that any of them has."""
    shown = [
        quantity
        for quantity in report.quantities
        if report.totals[quantity.name].num_clips and not report.totals[quantity.name].is_set
    ]
    lines = []
    for row in report.rows:
        if row.status != "done":
            lines.append([row.name, row.reason, *([""] * len(shown))])
            continue
        values = [row.findings.values.get(quantity.name) for quantity in shown]
        cells = [number(value.value) if value else MISSING for value in values]
        lines.append([row.name, f"{row.seconds:.2f} s", *cells])
    return ["clip", "length", *(heading(quantity) for quantity in shown)], lines


def heading(quantity: Quantity) -> str:
    """Return a quantity's title with its arrow."""
    return f"{quantity.title} {ARROWS[quantity.direction]}".strip()


def markdown_table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(_escaped(cell) for cell in row)} |" for row in rows)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
