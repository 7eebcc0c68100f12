import math

import pytest
import torch

from viseme_eval.functional import speed
from viseme_eval.functional.speed import Stopwatch, real_time_factor
from viseme_eval.metrics.speed import RealTimeFactor


class Clock:
    """A clock that goes on by a second whenever it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_stopwatch_adds_up_what_runs_inside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(speed.time, "perf_counter", clock)
    watch = Stopwatch()
    for _ in range(3):
        with watch:
            clock.now += 2
        clock.now += 50  # reading, writing
    assert watch.seconds == 6


def test_a_stopwatch_stops_where_work_fails_and_is_not_started_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(speed.time, "perf_counter", clock)
    watch = Stopwatch()

    def fail() -> None:
        with watch:
            clock.now += 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    clock.now += 10
    assert watch.seconds == 1
    with watch, pytest.raises(ValueError, match="running"):
        watch.__enter__()


@pytest.mark.gpu
def test_a_stopwatch_waits_for_the_gpu() -> None:
    big = torch.rand(8192, 8192, device="cuda")
    torch.cuda.synchronize()
    with Stopwatch() as watch:
        for _ in range(20):
            big = (big @ big).clamp(0, 1)
    with Stopwatch() as after:
        torch.cuda.synchronize()
    assert after.seconds < 0.1 * watch.seconds


def test_factor_is_video_over_waiting() -> None:
    assert real_time_factor(10, 4) == 2.5
    assert math.isnan(real_time_factor(10, 0))


def test_long_clips_weigh_more_in_the_factor_of_all() -> None:
    metric, other = RealTimeFactor(), RealTimeFactor()
    metric.update(100, 10)
    other.update(1, 1)
    metric.merge_state(other)
    assert float(metric.compute()) == pytest.approx(101 / 11, rel=1e-14)


def test_no_time_has_no_factor_and_negative_time_is_refused() -> None:
    metric = RealTimeFactor()
    metric.update(1, 0)
    assert metric.compute().isnan()
    with pytest.raises(ValueError, match="negative"):
        metric.update(1, -1)
