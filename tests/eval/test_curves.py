import numpy as np
import pytest
import torch
from torch import Tensor

from viseme_eval.functional.curves import (
    best_lag,
    curve_correlation,
    lag_correlation,
    spread_ratio,
)


def speech(num_frames: int = 100, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(num_frames, generator=generator, dtype=torch.float64)


def test_correlation_is_numpys() -> None:
    a, b = speech(seed=1), speech(seed=2) + 0.5 * speech(seed=1)
    expected = np.corrcoef(a.numpy(), b.numpy())[0, 1]
    assert float(curve_correlation(a, b)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("late", [-15, -2, 0, 7, 15])
def test_best_lag_is_how_much_later_the_generated_curve_is(late: int) -> None:
    curve = speech(140)
    reference = curve[20:120]
    generated = 3 - 0.2 + 2 * curve[20 - late : 120 - late]
    lag = best_lag(generated, reference)
    assert float(lag.frames) == late
    assert float(lag.correlation) == pytest.approx(1)


def test_lag_curve_is_the_correlation_of_the_common_frames() -> None:
    a, b = speech(40, 1), speech(40, 2)
    values = lag_correlation(a, b, max_lag=4)
    for lag in range(-4, 5):
        x, y = (a[lag:], b[: 40 - lag]) if lag >= 0 else (a[:lag], b[-lag:])
        expected = np.corrcoef(x.numpy(), y.numpy())[0, 1]
        assert float(values[4 + lag]) == pytest.approx(expected, rel=1e-10)


def test_lags_longer_than_half_the_clip_are_not_sought() -> None:
    values = lag_correlation(speech(10, 1), speech(10, 2), max_lag=7)
    assert values.isnan().tolist() == [True, True] + [False] * 11 + [True, True]


def test_frames_unknown_in_either_curve_are_left_out() -> None:
    a, b = speech(seed=1), speech(seed=2)
    a_gap, b_gap = a.clone(), b.clone()
    a_gap[3], b_gap[50:60] = torch.nan, torch.nan
    keep = torch.ones(100, dtype=torch.bool)
    keep[3], keep[50:60] = False, False
    assert float(curve_correlation(a_gap, b_gap)) == pytest.approx(
        float(curve_correlation(a[keep], b[keep]))
    )
    assert float(spread_ratio(a_gap, b_gap)) == pytest.approx(
        float(a[keep].std() / b[keep].std()), rel=1e-12
    )


@pytest.mark.parametrize("num_frames", [0, 1, 2])
def test_too_few_frames_have_no_answer(num_frames: int) -> None:
    a, b = speech(num_frames, 1), speech(num_frames, 2)
    answers = [curve_correlation(a, b), spread_ratio(a, b), *best_lag(a, b)]
    assert all(x.isnan() for x in answers)


def test_a_curve_that_does_not_move_has_no_correlation_and_no_spread_to_compare_with() -> None:
    # The mean of these differs from them in the last bit, so that they seem to move.
    still, moving = torch.full((33,), 0.7, dtype=torch.float64), speech(33)
    assert float(still.std()) > 0
    assert curve_correlation(still, moving).isnan()
    assert best_lag(moving, still).frames.isnan()
    assert spread_ratio(moving, still).isnan()
    assert float(spread_ratio(still, moving)) == pytest.approx(0, abs=1e-7)


def test_spread_ratio_is_the_part_of_the_movement_that_is_made() -> None:
    assert float(spread_ratio(5 - 0.4 * speech(), speech())) == pytest.approx(0.4)


def test_curves_of_different_length_and_negative_lags_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        best_lag(speech(), speech(), max_lag=-1)
    with pytest.raises(ValueError, match="cut both"):
        curve_correlation(speech(10), speech(11))
