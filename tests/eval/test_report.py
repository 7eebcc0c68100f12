"""Reports: what is written is read again, tables and pages say what was measured."""

import json
import math
import re

import numpy as np
import pytest

from viseme_eval.run.charts import curves_chart
from viseme_eval.run.measure import Findings, Quantity, Reading
from viseme_eval.run.measures.registry import MEASURES
from viseme_eval.run.page import MAX_SHOWN, report_page
from viseme_eval.run.report import Report, Total, read_report, report_to_plain, total_of
from viseme_eval.run.rows import ClipRow, dumps, from_plain, to_plain
from viseme_eval.run.tables import PAPER_TABLES, paper_tables, report_markdown

PSNR = Quantity("psnr", "PSNR", "dB", "higher", "Signal over noise.")
CPBD = Quantity("cpbd", "CPBD", "", "higher", "Sharp edges.")
LSE = Quantity("lse_c", "LSE-C", "", "higher", "Lips and sound.")
GENERATED, REFERENCE = "#d2542d", "#3b7dd8"
ABSENT = "skipped: weights absent, put A at B"


def row(name, psnr, cpbd, own):
    findings = Findings(
        values={
            "psnr": Reading(psnr),
            "cpbd": Reading(cpbd, "" if cpbd is not None else "skipped: too small"),
            "lse_c": Reading(None, ABSENT),
        },
        reference={"cpbd": Reading(own)},
        curves={"eye aspect ratio": {"generated": [0.3, math.nan, 0.1234567], "reference": [0.2]}},
    )
    return ClipRow(
        name=name, status="done", key=f"key{name}", num_frames=50, audio_from="generated",
        crop_reference=[1.0, 2.0, 3.0, 0.0], findings=findings, notes=["something was odd"],
    )  # fmt: skip


@pytest.fixture
def report():
    rows = [
        row("a", math.inf, 0.5, 0.8),
        row("<b>", 30.0, None, 0.6),
        ClipRow(name="broken", status="failed", reason="cannot be | read"),
    ]
    quantities = [PSNR, CPBD, LSE]
    return Report(
        name="ours",
        dataset="faces",
        settings={"crop": "face", "size": 256, "versions": {"torch": "2"}},
        networks={"net": {"file": "net.pth", "sha256": "abc123"}},
        measured_by={"lse_c": ["net"]},
        quantities=quantities,
        totals={q.name: total_of(q, [r for r in rows if r.status == "done"]) for q in quantities},
        rows=rows,
    )


def test_totals_are_means_over_the_clips_that_have_a_value(report):
    assert report.totals["cpbd"] == Total(value=0.5, reference=0.8, num_clips=1)
    assert report.totals["lse_c"].reason == ABSENT
    # Documented: one clip like its reference makes the mean infinite, as papers print it.
    assert report.totals["psnr"].value == math.inf
    assert total_of(PSNR, []).reason == "no clip was compared"


def test_a_report_is_read_as_it_was_written(report, tmp_path):
    (tmp_path / "report.json").write_bytes(dumps(report_to_plain(report)))
    again = read_report(tmp_path)
    for one in report.rows:
        one.findings.curves = {}
    assert again == report


def test_a_row_keeps_its_curves_short_and_its_gaps(report):
    plain = json.loads(dumps(to_plain(report.rows[0], with_curves=True)))
    assert plain["values"]["psnr"] == {"value": "inf"}
    assert plain["values"]["lse_c"] == {"value": None, "reason": ABSENT}
    assert plain["curves"]["eye aspect ratio"]["generated"] == [0.3, None, 0.12346]
    again = from_plain(plain)
    assert math.isnan(again.findings.curves["eye aspect ratio"]["generated"][1])
    assert again.findings.values == report.rows[0].findings.values


def test_markdown_has_every_measure_or_its_reason_and_the_papers_tables(report):
    text = report_markdown(report)
    assert "| PSNR &uarr; | dB | inf | - | 2 |" in text
    assert f"| LSE-C | {ABSENT} |" in text
    assert "| broken | cannot be \\| read |" in text
    assert "network net: net.pth, sha256 abc123" in text
    assert "- **CPBD** (`cpbd`): Sharp edges." in text
    for table in PAPER_TABLES:
        assert f"### {table.title}" in text


def test_papers_tables_have_a_row_for_the_reference_and_each_method(report):
    text = paper_tables([report, report], ["one", "two"])
    first = text.split("### ")[1].splitlines()
    assert first[0] == "DisentTalk, Table I"
    assert first[2].count("|") == 7
    assert first[4] == "| Reference | - | 0 | - | 0.8 | inf |"
    assert first[5] == "| one | n/a | n/a | n/a | 0.5 | inf |"
    assert first[6].startswith("| two |")


def test_every_column_of_a_papers_table_is_a_quantity_that_exists():
    names = {quantity.name for kind in MEASURES for quantity in kind.quantities}
    for table in PAPER_TABLES:
        assert {name for _, name in table.columns} <= names


def test_the_page_stands_alone_and_shows_what_there_is(report, tmp_path):
    (tmp_path / "keya.jpg").write_bytes(b"\xff\xd8")
    page = report_page(report, tmp_path)
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "<script" not in page
    assert page.count("data:image/jpeg") == 1
    assert page.count("<svg") == 2
    # What people call their files is text.
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert "something was odd" in page
    assert "cannot be | read" in page
    assert "<dt>CPBD &uarr;<dd><code>cpbd</code>. Sharp edges." in page


def test_a_page_of_many_clips_says_which_it_leaves_out(report, tmp_path):
    many = [row(f"clip{i}", 30.0, 0.5, 0.5) for i in range(MAX_SHOWN + 3)]
    report.rows = many
    page = report_page(report, tmp_path)
    assert page.count("<h3>clip") == MAX_SHOWN
    assert "3 more clips" in page


def points(svg, color=GENERATED):
    lines = re.findall(rf'<polyline [^>]*stroke="{color}"[^>]*points="([^"]*)"', svg)
    return [[tuple(map(float, pair.split(","))) for pair in line.split()] for line in lines]


def test_curves_are_drawn_to_scale_with_gaps_where_nothing_is_known():
    svg = curves_chart("c", {"generated": [0, 1, math.nan, 1, 0], "reference": [0.5] * 5})
    first, second = points(svg)
    (flat,) = points(svg, REFERENCE)
    assert len(first) == len(second) == 2
    low, high = first[0][1], first[1][1]
    assert low > high
    assert {y for _, y in flat} == {(low + high) / 2}
    assert second[0][0] > first[1][0]
    assert "0.2 s" in svg


def test_a_long_curve_keeps_its_blinks():
    curve = np.full(15_000, 0.3)
    curve[7000:7003] = 0.05
    svg = curves_chart("eyes", {"generated": curve.tolist()})
    (line,) = points(svg)
    assert len(line) == 1000
    # The axis still begins where the eyes are shut.
    assert ">0.05<" in svg


def test_a_curve_without_any_value_says_so():
    assert "not measured" in curves_chart("c", {"generated": [math.nan]})
    assert "not measured" in curves_chart("c", {})


def test_the_references_mean_is_over_the_clips_that_the_other_is_over(report):
    total = report.totals["cpbd"]
    # The second clip has only the reference's own value.
    assert (total.value, total.reference, total.num_clips) == (0.5, 0.8, 1)
    total = total_of(CPBD, [report.rows[1]])
    assert (total.value, total.reference) == (None, 0.6)


def test_a_report_says_which_network_measured_what(report, tmp_path):
    assert "network net: net.pth, sha256 abc123; measures lse_c" in report_markdown(report)
    path = tmp_path / "report.json"
    path.write_bytes(dumps(report_to_plain(report)))
    assert read_report(path).measured_by == {"lse_c": ["net"]}
