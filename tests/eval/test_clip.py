"""Measures of a run: a new one is one small class, and what breaks is a row of its own."""

from dataclasses import replace

import pytest
import torch

from tests.eval.pairs import config_of, make_folders
from viseme_eval.run.evaluate import evaluate
from viseme_eval.run.measure import PairMeasure, Quantity, SetMeasure, SkippedError, VideoMeasure


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed):
    # Work this small takes longer when it is shared.
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    torch.set_num_threads(1)
    return make_folders(tmp_path_factory.mktemp("eval"))


def row_of(report, name):
    return next(row for row in report.rows if row.name == name)


def quantities(*names):
    return tuple(Quantity(name, name, "", "none", "For tests.") for name in names)


class Counting(VideoMeasure):
    """Counts frames; the sound of the reference would be an error."""

    quantities = quantities("frames", "never")

    def start(self, clip):
        self.count = 0

    def update(self, view):
        self.count += view.num_frames

    def finish(self):
        return {"frames": float(self.count)}

    def curves(self):
        return {"count": [float(i) for i in range(self.count)]}


class Breaking(PairMeasure):
    """Breaks in the middle of a clip."""

    quantities = quantities("breaks")

    def update(self, chunk):
        if chunk.generated.start > 0:
            raise RuntimeError("out of something")

    def finish(self):
        return {"breaks": 1.0}


class Hungry(PairMeasure):
    """Needs a network that nobody has."""

    quantities = quantities("hungry")
    networks = ("no such network",)


class Brightest(SetMeasure):
    """The brightest frame of all clips, by files left behind."""

    quantities = quantities("brightest")

    def start(self, clip):
        self.work, self.most = clip.work, -1.0

    def update(self, chunk):
        self.most = max(self.most, float(chunk.generated.frames_T3HW.mean((1, 2, 3)).max()))

    def finish(self):
        (self.work / "most.txt").write_text(str(self.most))
        return {}

    def combine(self, works):
        if not works:
            raise SkippedError("no clip")
        return {"brightest": max(float((work / "most.txt").read_text()) for work in works)}


@pytest.fixture
def odd(folders):
    """A run of measures that are not as they should be; its second run reads files alone."""
    config = replace(config_of(folders, "odd"), crop="none", batch=8)
    kinds = (Counting, Breaking, Hungry, Brightest)
    evaluate(config, kinds=kinds)
    return evaluate(config, kinds=kinds)


def test_a_new_measure_is_one_small_class(odd):
    row = row_of(odd, "short")
    assert row.findings.values["frames"].value == row.findings.reference["frames"].value == 20
    assert "nothing in this clip" in row.findings.values["never"].reason
    assert row.findings.curves["count"]["reference"][:3] == [0, 1, 2]
    assert odd.totals["frames"].num_clips == 6


def test_what_breaks_in_one_measure_is_its_own_row(odd):
    reading = row_of(odd, "same").findings.values["breaks"]
    assert (reading.value, reading.reason) == (None, "failed: out of something")
    assert odd.totals["breaks"].reason == "failed: out of something"


def test_absent_networks_give_skipped_rows_that_say_what_to_do(odd):
    assert odd.totals["hungry"].value is None
    assert odd.totals["hungry"].reason.startswith("skipped: ")
    assert odd.networks == {}


def test_a_set_measure_has_one_value_for_all_clips_after_a_break_too(odd):
    total = odd.totals["brightest"]
    assert total.is_set
    assert total.num_clips == 6
    assert -1 < total.value < 1
    assert "brightest" not in row_of(odd, "same").findings.values


def test_what_the_machine_lacked_is_tried_again_and_what_a_file_lacks_is_not(folders, monkeypatch):
    config = replace(config_of(folders, "again"), crop="none", batch=8)
    evaluate(config, kinds=(Breaking, Hungry))
    # Nothing but the broken file's and the wide video's rows is final.
    assert len([*(folders / "again/clips").glob("*.json")]) == 2
    monkeypatch.setattr(Breaking, "update", lambda *_: None)
    report = evaluate(config, kinds=(Breaking, Hungry))
    assert row_of(report, "same").findings.values["breaks"].value == 1
    assert len([*(folders / "again/clips").glob("*.json")]) == 8
    assert not [*(folders / "again/clips").glob("*/*.landmarks")]
