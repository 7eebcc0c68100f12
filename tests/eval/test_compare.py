"""Methods side by side: intervals, verdicts, and what may not be compared."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from viseme_eval.run.bootstrap import intervals
from viseme_eval.run.compare import CompareConfig, compare
from viseme_eval.run.measure import Findings, Quantity, Reading
from viseme_eval.run.report import Report, report_to_plain, total_of
from viseme_eval.run.rows import ClipRow, dumps

HIGH = Quantity("high", "High", "dB", "higher", "More is better.")
LOW = Quantity("low", "Low", "", "lower", "Less is better.")
NEAR = Quantity("near", "Near", "", "reference", "Near the reference's is better.")
QUANTITIES = [HIGH, LOW, NEAR]


def write(folder, name, values, *, own=1.0, clips=None, **changes):
    """Write a report with a row for each line of values (clips, quantities)."""
    rows = []
    for i, line in enumerate(values):
        given = zip(QUANTITIES, line, strict=False)
        found = Findings(
            values={
                quantity.name: Reading(value if value is None else float(value), "")
                for quantity, value in given
            },
            reference={"near": Reading(own)},
        )
        clip = f"clip{i}" if clips is None else clips[i]
        rows.append(
            ClipRow(name=clip, status="done", reference_sha256=f"real{clip}", findings=found)
        )
    report = Report(
        name=name,
        dataset="faces",
        settings={"crop": "face", "size": 256, "versions": {}, **changes.get("settings", {})},
        networks=changes.get("networks", {}),
        measured_by=changes.get("measured_by", {}),
        quantities=QUANTITIES,
        totals={quantity.name: total_of(quantity, rows) for quantity in QUANTITIES},
        rows=rows,
    )
    path = folder / f"{name}{len(list(folder.iterdir()))}.json"
    path.write_bytes(dumps(report_to_plain(report)))
    return str(path)


def compared(folder, *paths, **settings):
    out = folder / "out"
    text = compare(CompareConfig(reports=tuple(paths), out=str(out), **settings))
    return text, json.loads((out / "compare.json").read_text())["quantities"]


def test_intervals_agree_with_scipys_bootstrap():
    values = np.random.default_rng(1).gamma(2.0, size=40)
    (found,) = intervals(values[:, None], resamples=10_000, seed=3)
    expected = stats.bootstrap((values,), np.mean, n_resamples=10_000, method="percentile")
    spread = float(expected.standard_error)
    assert found.mean == pytest.approx(values.mean())
    # Each end is itself drawn: it wavers by some hundredths of the mean's own deviation.
    assert found.low == pytest.approx(expected.confidence_interval.low, abs=0.1 * spread)
    assert found.high == pytest.approx(expected.confidence_interval.high, abs=0.1 * spread)


def test_ninety_five_of_a_hundred_intervals_hold_the_truth():
    random = np.random.default_rng(0)
    values = random.normal(size=(400, 30))
    held = [intervals(line[:, None], resamples=500, seed=i)[0] for i, line in enumerate(values)]
    share = np.mean([one.low <= 0 <= one.high for one in held])
    # Percentile intervals of thirty are a little narrow.
    assert 0.9 < share < 0.98


def test_a_difference_in_every_clip_is_shown_where_means_alone_could_not(tmp_path):
    random = np.random.default_rng(0)
    hard = random.normal(scale=10, size=(20, 1))
    gap = random.normal(1, 0.3, size=(20, 1))
    one = write(tmp_path, "ours", np.hstack([hard + gap, hard, 0 * hard + 1]))
    two = write(tmp_path, "theirs", np.hstack([hard, hard + gap, 0 * hard + 2]))
    text, found = compared(tmp_path, one, two)
    means = found["high"]["means"]
    # Each method's own interval holds the other's mean: only pairs tell them apart.
    assert means[0][1] < means[1][0] < means[0][2]
    for name in ("high", "low", "near"):
        assert found[name]["differences"][0]["verdict"] == "ours is better"
    assert found["high"]["differences"][0]["interval"][0] == pytest.approx(float(gap.mean()))
    assert "ours is better" in text


def test_nearer_the_reference_is_better_where_it_is_the_measure(tmp_path):
    # Above the reference by one, and below by two.
    one = write(tmp_path, "above", np.full((9, 3), 4.0), own=3.0)
    two = write(tmp_path, "below", np.full((9, 3), 1.0), own=3.0)
    (difference,) = compared(tmp_path, one, two)[1]["near"]["differences"]
    assert difference["interval"] == [-1, -1, -1]
    assert difference["verdict"] == "above is better"


def test_no_difference_is_claimed_where_there_is_none(tmp_path):
    random = np.random.default_rng(4)
    paths = [write(tmp_path, name, random.normal(size=(25, 3))) for name in ("a", "b")]
    _, found = compared(tmp_path, *paths)
    assert found["high"]["differences"][0]["verdict"] == "no difference shown"


def test_the_same_seed_gives_the_same_intervals(tmp_path):
    values = np.random.default_rng(0).normal(size=(9, 3))
    paths = [write(tmp_path, name, values + k) for k, name in enumerate("ab")]
    assert compared(tmp_path, *paths)[0] == compared(tmp_path, *paths)[0]
    assert compared(tmp_path, *paths)[0] != compared(tmp_path, *paths, seed=1)[0]


def test_only_clips_that_all_have_are_compared_and_it_is_said(tmp_path):
    one = write(tmp_path, "a", [[1, 1, 1], [2, 2, 2], [9, 9, 9]], clips=["x", "y", "z"])
    two = write(tmp_path, "b", [[1, 1, 1], [None, 2, 2]], clips=["x", "y"])
    text, found = compared(tmp_path, one, two)
    assert "1 clips that not all reports have are left out" in text
    assert (found["high"]["num_clips"], found["low"]["num_clips"]) == (1, 2)
    assert found["low"]["means"][0][0] == 1.5
    assert found["high"]["differences"][0]["verdict"] == "1 clips are too few to say"
    assert "intervals are too narrow" in text


def test_infinite_values_have_no_interval(tmp_path):
    one = write(tmp_path, "a", [[math.inf, 1, 1], [math.inf, 1, 1]])
    two = write(tmp_path, "b", [[30, 1, 1], [31, 1, 1]])
    text, found = compared(tmp_path, one, two)
    assert found["high"]["totals"] == ["inf", 30.5]
    assert found["high"]["differences"][0]["verdict"] == "infinite for some clip"
    assert "| inf | 30.5 |" in text


def test_three_methods_make_three_differences_and_equal_names_are_told_apart(tmp_path):
    values = np.ones((9, 3))
    paths = [write(tmp_path, name, values) for name in ("a", "b", "a")]
    text, found = compared(tmp_path, *paths)
    pairs = [(one["first"], one["second"]) for one in found["high"]["differences"]]
    assert pairs == [("a (1)", "b"), ("a (1)", "a (2)"), ("b", "a (2)")]
    assert text.startswith("# a (1), b, a (2) on faces")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": {"crop": "none"}}, "crop 'face', 'b' with 'none'"),
        ({"settings": {"size": 128}}, "size 256, 'b' with 128"),
        ({"networks": {"n": {"file": "f", "sha256": "2"}}}, "different files of the network 'n'"),
        ({"clips": ["other"]}, "no compared clip in common"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(tmp_path, changes, words):
    one = write(tmp_path, "a", [[1, 1, 1]], networks={"n": {"file": "f", "sha256": "1"}})
    two = write(tmp_path, "b", [[1, 1, 1]], **changes)
    with pytest.raises(ValueError, match=words):
        compared(tmp_path, one, two)


def test_another_reference_of_the_same_name_is_refused(tmp_path):
    one, two = (write(tmp_path, name, [[1, 1, 1]]) for name in "ab")
    text = Path(two).read_text().replace("realclip0", "another")
    Path(two).write_text(text)
    with pytest.raises(ValueError, match="different references of the clip 'clip0'"):
        compared(tmp_path, one, two)


def test_settings_are_checked():
    with pytest.raises(ValueError, match="two reports or more"):
        CompareConfig(reports=("a",))
    with pytest.raises(ValueError, match="--level"):
        CompareConfig(reports=("a", "b"), level=95)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "viseme_eval_report", "format": 99}'])
def test_what_is_no_report_is_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=r"x\.json"):
        compare(CompareConfig(reports=(str(tmp_path / "x.json"),) * 2))


def test_one_quantity_from_two_networks_is_refused(tmp_path):
    paths = [
        write(
            tmp_path, name, [[1, 1, 1]], networks={network: {"file": "f", "sha256": name}},
            measured_by={"low": [network]},
        )
        for name, network in (("a", "arcface_r50"), ("b", "ir_se50"))
    ]  # fmt: skip
    with pytest.raises(ValueError, match="has low from the network arcface_r50, 'b' from ir_se50"):
        compared(tmp_path, *paths)


def test_of_few_clips_there_is_no_verdict(tmp_path):
    paths = [write(tmp_path, name, np.full((5, 3), k)) for k, name in enumerate("ab")]
    text, found = compared(tmp_path, *paths)
    assert found["high"]["differences"][0]["interval"] == [-1, -1, -1]
    assert found["high"]["differences"][0]["verdict"] == "5 clips are too few to say"
    assert "a is better" not in text
    assert "b is better" not in text


def test_a_clip_whose_own_value_is_not_known_does_not_count_where_nearness_does(tmp_path):
    # Ten clips at a distance of one, and one that would look like a distance of a hundred.
    one, two = (write(tmp_path, name, np.full((11, 3), 2.0), own=1.0) for name in "ab")
    plain = json.loads(Path(one).read_text())
    plain["clips"][10]["values"]["near"]["value"] = 100.0
    plain["clips"][10]["reference"]["near"]["value"] = None
    Path(one).write_text(json.dumps(plain))
    _, found = compared(tmp_path, one, two)
    assert (found["near"]["num_clips"], found["high"]["num_clips"]) == (10, 11)
    assert found["near"]["differences"][0]["interval"] == [0, 0, 0]
