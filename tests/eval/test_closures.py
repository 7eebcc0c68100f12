import numpy as np
import pytest
import torch

from viseme_eval.functional.closures import (
    closed_level,
    closes,
    closes_anywhere,
    closure_windows,
)


def wave(num_frames: int = 200) -> torch.Tensor:
    return 0.1 + 0.1 * torch.sin(torch.arange(num_frames).double() / 3)


def test_the_level_is_a_tenth_of_the_way_between_the_percentiles_of_what_is_known():
    opening_T = torch.from_numpy(np.random.default_rng(0).uniform(size=300))
    opening_T[::7] = torch.nan
    low, high = np.nanpercentile(opening_T.numpy(), [5, 95])
    assert float(closed_level(opening_T)) == pytest.approx(low + 0.1 * (high - low))
    assert float(closed_level(opening_T, share=0.5)) == pytest.approx((low + high) / 2)


def test_a_window_holds_the_frames_that_a_closure_touches_and_one_more_either_way():
    # Frames are 40 ms: 0.10 to 0.19 s touches 2, 3 and 4; 0.08 to 0.12 s frame 2 alone.
    spans_N2 = torch.tensor([[0.10, 0.19], [0.08, 0.12], [0.0, 0.02], [0.39, 0.5], [0.4, 0.5]])
    windows_N2 = closure_windows(spans_N2, 10)
    assert windows_N2.tolist() == [[1, 6], [1, 4], [0, 2], [8, 10]]


def test_lips_close_if_one_frame_of_the_window_is_as_low_as_the_level():
    opening_T = torch.tensor([1, 1, 0.1, 1, 1, torch.nan]).double()
    windows_N2 = torch.tensor([[0, 2], [1, 3], [2, 3], [3, 6]])
    found = closes(opening_T, windows_N2, torch.tensor(0.1).double())
    assert found.tolist() == [False, True, True, False]


def test_windows_anywhere_are_those_drawn_at_random_in_speech():
    opening_T, level = wave(), torch.tensor(0.02).double()
    is_speech_T = torch.arange(200) < 120
    windows_N2 = torch.tensor([[10, 13], [50, 57], [0, 300]])
    found = closes_anywhere(opening_T, windows_N2, level, is_speech_T)
    for share, length in zip(found[:2], (3, 7), strict=True):
        hits = [
            bool((opening_T[start : start + length] <= level).any())
            for start in range(200 - length + 1)
            if start + length // 2 < 120
        ]
        assert float(share) == pytest.approx(np.mean(hits))
    assert found[2].isnan()


def test_a_mouth_that_never_opens_closes_always_and_anywhere_alike():
    level, windows_N2 = closed_level(wave()), torch.tensor([[10, 14], [50, 53]])
    shut_T, is_speech_T = torch.zeros(200).double(), torch.ones(200, dtype=torch.bool)
    assert closes(shut_T, windows_N2, level).all()
    assert (closes_anywhere(shut_T, windows_N2, level, is_speech_T) == 1).all()


def test_a_mouth_that_mumbles_closes_nowhere_by_the_level_of_the_true_one():
    true_T = wave()
    mumbling_T = 0.09 + 0.1 * (true_T - 0.1)
    windows_N2 = torch.tensor([[0, 200]])
    assert closes(true_T, windows_N2, closed_level(true_T)).all()
    assert not closes(mumbling_T, windows_N2, closed_level(true_T)).any()
