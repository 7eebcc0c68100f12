"""Means over clips: undefined ones, precision, several processes."""

import warnings
from pathlib import Path

import pytest
import torch

from tests.eval.processes import on_two_processes
from viseme_eval.metrics.clip_mean import ClipMean


class Largest(ClipMean):
    def update(self, values: torch.Tensor) -> None:
        self.take(values.max() if len(values) else torch.nan)


CLIPS = [torch.tensor(values) for values in ([1.0, 0.1], [0.7], [], [3.0, 5.0, 4.0])]


def test_every_clip_counts_once_and_undefined_ones_are_skipped() -> None:
    metric = Largest()
    values = [float(metric(clip)) for clip in CLIPS]
    assert values == pytest.approx([1, 0.7, float("nan"), 5], nan_ok=True)
    assert float(metric.compute()) == pytest.approx((1 + 0.7 + 5) / 3, rel=1e-7)
    assert (int(metric.count), int(metric.skipped)) == (3, 1)


def test_sums_stay_in_double() -> None:
    metric = Largest()
    metric.half()
    metric.update(torch.tensor([1e8], dtype=torch.float64))
    for _ in range(8):
        metric.update(torch.tensor([1.0], dtype=torch.float64))
    assert metric.compute().dtype == torch.float64
    assert float(metric.compute()) == (1e8 + 8) / 9


def test_without_a_defined_clip_there_is_no_mean() -> None:
    metric = Largest()
    metric.update(CLIPS[2])
    assert metric.compute().isnan()
    metric.reset()
    assert int(metric.skipped) == 0


def test_merged_states_are_one_process() -> None:
    whole, first, second = Largest(), Largest(), Largest()
    for clip in CLIPS:
        whole.update(clip)
    first.update(CLIPS[3])
    for clip in CLIPS[:3]:
        second.update(clip)
    first.merge_state(second)
    assert float(first.compute()) == pytest.approx(float(whole.compute()), rel=1e-14)
    assert int(first.skipped) == 1


def mean_of_share(share: list[int]) -> tuple[float, int]:
    metric = Largest()
    for number in share:
        metric.update(CLIPS[number])
    with warnings.catch_warnings():
        # torchmetrics warns on a process that got no clip.
        warnings.simplefilter("ignore")
        mean = float(metric.compute())
    # After compute the state is the process's own again; inside, it is everybody's.
    with metric.sync_context():
        return mean, int(metric.skipped)


@pytest.mark.slow
def test_two_processes_agree_with_one(tmp_path: Path) -> None:
    # In the second round the first one has nothing to do.
    here, there = [[0, 1], []], [[2, 3], [0, 1, 2, 3]]
    for mean, skipped in on_two_processes(mean_of_share, here, there, tmp_path):
        assert mean == pytest.approx((1 + 0.7 + 5) / 3, rel=1e-7)
        assert skipped == 1
