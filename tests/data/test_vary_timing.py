"""Frames of a face that follow a changed speed."""

import numpy as np
import pytest
import torch

from viseme_data.vary.timing import (
    nearest_rows,
    places_at,
    seen_rows,
    smooth_rows,
    straight_rows,
)

SPEEDS = [0.8625, 0.95, 1.0, 1.0875, 1.15625]


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_frame_shows_what_was_at_the_middle_of_its_samples(speed):
    places = places_at(100, speed)
    assert len(places) == int(100 / speed + 0.5)
    seconds = (np.arange(len(places)) + 0.5) / 25
    np.testing.assert_allclose(places.numpy(), np.clip(25 * speed * seconds - 0.5, 0, 99))


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("frame", [10, 37, 80])
def test_a_movement_lands_in_the_frame_that_its_sound_lands_in(speed, frame):
    # As wide as a closure of the lips.
    rows = torch.exp(-((torch.arange(100.0) - frame) ** 2) / 4)[:, None]
    moved = smooth_rows(rows, places_at(100, speed))
    assert int(moved.argmax()) == round((frame + 0.5) / speed - 0.5)
    assert abs(int(moved.argmax()) - frame / speed) < 1


def test_without_a_change_of_speed_rows_are_themselves():
    rows = torch.randn(30, 4, 3, generator=torch.Generator().manual_seed(0))
    places = places_at(30, 1.0)
    for move in (smooth_rows, straight_rows, nearest_rows):
        assert torch.equal(move(rows, places), rows)


@pytest.mark.parametrize("move", [smooth_rows, straight_rows])
def test_what_changes_evenly_stays_even(move):
    rows = torch.arange(40.0)[:, None] * torch.tensor([1.0, -2.0])
    places = places_at(40, 1.1)[2:-2]
    expected = places[:, None] * torch.tensor([1.0, -2.0])
    torch.testing.assert_close(move(rows, places), expected.float())


def test_movements_of_lips_keep_nearly_all_of_their_size():
    frames = torch.arange(200, dtype=torch.float64)
    lips = torch.sin(2 * torch.pi * 5 * frames / 25)[:, None]
    places = frames[10:-10] + 0.5
    true = torch.sin(2 * torch.pi * 5 * places / 25)[:, None]

    def size(rows: torch.Tensor) -> float:
        return float((rows * true).sum() / true.square().sum())

    # Between two frames: cos(pi/5) of it, and 9/8 cos(pi/5) - 1/8 cos(3 pi/5).
    assert size(straight_rows(lips, places)) == pytest.approx(0.809, abs=1e-3)
    assert size(smooth_rows(lips, places)) == pytest.approx(0.949, abs=1e-3)


def test_cubics_are_those_of_catmull_and_rom():
    rows = torch.tensor([0.0, 1.0, 4.0, 2.0, -1.0]).double()
    share = 0.3
    powers = np.array([1, share, share**2, share**3])
    matrix = 0.5 * np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]])
    expected = powers @ matrix @ rows[1:5].numpy()
    found = smooth_rows(rows, torch.tensor([2.3], dtype=torch.float64))
    assert float(found) == pytest.approx(expected)


def test_numbers_of_things_are_never_mixed():
    numbers = torch.tensor([3, 3, 1007, 5, 5], dtype=torch.int16)
    moved = nearest_rows(numbers, torch.tensor([0.2, 1.6, 2.4, 2.6, 4.0], dtype=torch.float64))
    assert moved.tolist() == [3, 1007, 1007, 5, 5]
    assert moved.dtype == torch.int16


def test_a_frame_between_one_that_was_seen_and_one_that_was_not_was_not_seen():
    seen = torch.tensor([True, True, False, True])
    places = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0], dtype=torch.float64)
    assert seen_rows(seen, places).tolist() == [True, True, True, False, False, False, True]


def test_a_clip_of_one_frame_has_one_at_any_speed():
    for speed in SPEEDS:
        places = places_at(1, speed)
        assert places.tolist() == [0.0]
        assert smooth_rows(torch.ones(1, 2), places).tolist() == [[1, 1]]
