import numpy as np
import pytest

from viseme_eval.run.people import ratio_over_people


def test_a_mean_is_over_clips_and_its_interval_over_people():
    rng = np.random.default_rng(0)
    people = [f"p{k}" for k in range(12) for _ in range(5)]
    usual = rng.normal(size=12).repeat(5)
    values = usual + 0.01 * rng.normal(size=60)
    found = ratio_over_people(values.tolist(), [1.0] * 60, people)
    assert found.mean == pytest.approx(values.mean())
    # Five clips of a person say no more than one: the width is that of twelve values.
    expected = 2 * 1.96 * usual.std() / 12**0.5
    assert found.high - found.low == pytest.approx(expected, rel=0.12)
    alone = ratio_over_people(values.tolist(), [1.0] * 60, [str(k) for k in range(60)])
    assert alone.high - alone.low < 0.6 * (found.high - found.low)


def test_draws_bring_all_clips_of_whoever_is_drawn():
    tops, bottoms, people = [9.0, 1.0, 0.0], [10.0, 10.0, 20.0], ["a", "a", "b"]
    found = ratio_over_people(tops, bottoms, people)
    assert found.mean == pytest.approx(10 / 40)
    # Drawn are a alone, b alone, or both, and never one clip of a.
    assert found.low == pytest.approx(0)
    assert found.high == pytest.approx(0.5)


def test_what_is_not_known_is_left_out_and_nothing_gives_nan():
    found = ratio_over_people([1.0, np.nan, 3.0], [1.0, 1.0, 1.0], ["a", "b", "c"])
    assert found.mean == pytest.approx(2)
    assert np.isnan(ratio_over_people([np.nan], [1.0], ["a"]).mean)
    assert np.isnan(ratio_over_people([0.0], [0.0], ["a"]).mean)
