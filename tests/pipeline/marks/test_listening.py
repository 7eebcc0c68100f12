import numpy as np
import pytest

from viseme_pipeline.marks.listening import MIN_WINDOW, WINDOW, equalise, hear, listen
from viseme_pipeline.marks.pattern import GRID, NUM_WAVES, ORDERS_N, PERIOD


def test_what_stands_still_or_drifts_is_not_heard() -> None:
    generator = np.random.default_rng(0)
    still, drift = generator.uniform(0, 200, (2, 1, GRID, GRID))
    time = np.linspace(0, 1, WINDOW)[:, None, None]
    film = (still + 0.2 * drift * time - 0.1 * drift * time**2).astype(np.float32)
    # Noise is at least rounding, one for this window: the swing is in its multiples.
    assert np.abs(hear(film, 0).swing_GG).max() < 1e-2


@pytest.mark.parametrize("start", [0, 7, 50])
def test_a_swing_is_heard_with_its_phase_by_the_films_own_clock(start: int) -> None:
    phases = np.random.default_rng(1).uniform(-3, 3, (GRID, GRID))
    time = (start + np.arange(WINDOW))[:, None, None]
    film = 100 + 5 * np.cos(2 * np.pi * time / PERIOD - phases)
    heard = np.angle(hear(film.astype(np.float32), start).swing_GG)
    # Two seconds are no whole number of periods: the mirrored frequency leaks a little.
    assert np.abs(np.angle(np.exp(1j * (heard - phases)))).max() < 0.25


def test_a_film_is_heard_in_windows_and_short_rests_are_left_out() -> None:
    frame = np.zeros((64, 64, 3), np.uint8)

    def spans(num_frames: int) -> list[tuple[int, int]]:
        return [(w.start, w.num_frames) for w in listen([frame] * num_frames)]

    assert spans(2 * WINDOW) == [(0, WINDOW), (WINDOW, WINDOW)]
    assert spans(WINDOW + MIN_WINDOW) == [(0, WINDOW), (WINDOW, MIN_WINDOW)]
    assert spans(WINDOW + MIN_WINDOW - 1) == [(0, WINDOW)]
    assert spans(MIN_WINDOW - 1) == []


def test_equalised_waves_are_alike_in_strength_at_every_length() -> None:
    generator = np.random.default_rng(2)
    steep = generator.standard_normal((2, NUM_WAVES)) * ORDERS_N**-3
    equal = np.abs(equalise(steep + 0j)) ** 2
    long, short = equal[:, ORDERS_N < 10].mean(), equal[:, ORDERS_N > 15].mean()
    assert 0.7 < long / short < 1.4


def test_equalising_is_a_running_mean_over_like_lengths() -> None:
    row = np.random.default_rng(3).standard_normal(NUM_WAVES) + 0j
    order = np.argsort(ORDERS_N, kind="stable")
    place = 100
    near = order[place - 20 : place + 21]
    expected = row[order[place]] / np.sqrt(np.mean(np.abs(row[near]) ** 2))
    assert abs(equalise(row[None])[0, order[place]] - expected) < 1e-9
