from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from viseme_core.audio.plan import WindowCutter, WindowPlan


def written_out_windows(signal, num_units, length, context, unit):
    windows = []
    for own in range(0, num_units, length):
        start, stop = max(0, own - context), min(own + length + context, num_units)
        frames = list(range(start, stop))[own - start : own - start + length]
        windows.append((signal[start * unit : stop * unit].tolist(), stop - start, frames))
    return windows


@given(
    num_samples=st.integers(1, 200),
    length=st.integers(1, 9),
    context=st.integers(0, 12),
    unit=st.integers(1, 7),
    cuts=st.lists(st.integers(0, 200), max_size=20),
)
def test_any_chunking_gives_the_windows_of_the_written_out_loop(
    num_samples, length, context, unit, cuts
):
    signal = torch.arange(num_samples, dtype=torch.float32)
    num_units = max(1, int(num_samples / unit + 0.5))
    cutter = WindowCutter(WindowPlan(length, context), unit)
    bounds = sorted({0, num_samples, *(min(cut, num_samples) for cut in cuts)})
    windows = []
    for start, stop in pairwise(bounds):
        piece = signal[start:stop].clone()
        windows += cutter.push(piece)
        piece.fill_(-1.0)
    windows += cutter.finish(num_units)
    got = []
    for block, window in enumerate(windows):
        start = max(0, block * length - context)
        frames = list(range(start, start + window.num_units))[window.keep]
        got.append((window.samples_S.tolist(), window.num_units, frames))
    assert got == written_out_windows(signal, num_units, length, context, unit)


def test_a_window_comes_out_with_the_sample_that_completes_its_context():
    plan = WindowPlan(length=4, context=2)
    cutter = WindowCutter(plan, unit=10)
    arrived = [bool(cutter.push(torch.zeros(1))) for _ in range(110)]
    assert [i for i, out in enumerate(arrived, start=1) if out] == [plan.latency * 10, 100]


def test_only_samples_that_a_later_window_needs_are_held():
    cutter = WindowCutter(WindowPlan(length=4, context=2), unit=10)
    for _ in range(500):
        cutter.push(torch.zeros(7))
        held = sum(piece.untyped_storage().nbytes() // 4 for piece in cutter._pieces)
        assert held <= (4 + 2 * 2) * 10 + 7
