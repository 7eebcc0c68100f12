"""Where the time of a run goes, by a clock that is known."""

import re

import pytest
import torch

from tests.eval.pairs import config_of, film, frames
from viseme_eval.functional import speed
from viseme_eval.run.evaluate import evaluate
from viseme_eval.run.measures import picture
from viseme_eval.run.throughput import Throughput


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""
    now = [0.0]
    monkeypatch.setattr(speed, "_now", lambda: now[0])
    return now


def test_rates_are_frames_over_seconds_of_all_and_of_each_step(clock):
    pace = Throughput()
    pace.num_frames = 50
    with pace.total:
        for name, seconds in (("slow", 4.0), ("quick", 1.0), ("slow", 4.0), ("nothing", 0.01)):
            with pace.step(name):
                clock[0] += seconds
        clock[0] += 0.99
    said = pace.summary()
    # Two seconds of video in ten.
    assert said.startswith("2.0 s of video in 10.0 s, 0.2 times real time, 5 pairs of frames")
    assert said.endswith("slow 6.25, quick 50")


def test_where_nothing_was_measured_nothing_is_said(clock):
    pace = Throughput()
    assert pace.summary() == ""
    pace.num_frames = 5
    assert pace.summary() == ""


def test_a_run_says_how_fast_it_was_and_its_report_does_not(tmp_path, caplog):
    torch.set_num_threads(1)
    for name in ("made", "real"):
        film(tmp_path / name / "a.mp4", frames(5))
    caplog.set_level("INFO")
    config = config_of(tmp_path, "out", crop="none", pictures=0)
    evaluate(config, kinds=(picture.Psnr, picture.Ssim))
    assert re.search(r"0\.2 s of video in .* times real time.*: ", caplog.text)
    for name in ("report.json", "report.md", "report.html"):
        assert "real time" not in (tmp_path / "out" / name).read_text()
    caplog.clear()
    # A finished clip takes no time and is not counted.
    evaluate(config, kinds=(picture.Psnr, picture.Ssim))
    assert "real time" not in caplog.text
