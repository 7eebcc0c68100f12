"""Cuts: found where shots change, and nowhere else."""

from collections.abc import Iterable

import numpy as np
import pytest

from viseme_data.scenes import mark_cuts


def room(seed: int, *, shift: int = 0) -> np.ndarray:
    """A picture of some forty large patches, the same for the same seed."""
    draw = np.random.default_rng(seed)
    patches = draw.integers(20, 220, (9, 32, 3)).astype(np.uint8)
    return np.repeat(np.repeat(patches, 20, 0), 20, 1)[:, shift : shift + 320]


def noisy(pictures: Iterable[np.ndarray]) -> list[np.ndarray]:
    draw = np.random.default_rng(7)
    return [
        np.clip(p + draw.normal(0, 3, p.shape).round(), 0, 255).astype(np.uint8) for p in pictures
    ]


def cuts(pictures: Iterable[np.ndarray]) -> list[int]:
    return [i for i, (_, is_cut) in enumerate(mark_cuts(pictures)) if is_cut]


def test_cuts_are_found_at_their_frames() -> None:
    pictures = noisy([room(0)] * 20 + [room(1)] * 15 + [room(2)] * 2 + [room(3)] * 10)
    assert cuts(pictures) == [20, 35, 37]


@pytest.mark.parametrize(("height", "width"), [(180, 320), (54, 64), (720, 96)])
def test_the_least_difference_of_a_cut_is_a_mean_over_cells(height: int, width: int) -> None:
    # Every other cell of the later shot is lighter: half of that is the difference, by the median.
    cells = np.zeros((18, 32), np.uint8)
    cells.ravel()[1::2] = 1
    rows, columns = (
        (np.arange(size) * count // size) for size, count in ((height, 18), (width, 32))
    )
    pattern = cells[rows][:, columns, None].repeat(3, -1)
    for lighter, is_found in ((19, False), (22, True)):
        before, after = np.full_like(pattern, 100), (100 + lighter * pattern).astype(np.uint8)
        found = cuts([before] * 10 + [after] * 10)
        assert found == ([10] if is_found else []), (lighter, found)


def test_every_picture_comes_back_once_and_in_order() -> None:
    for num in (0, 1, 2, 3, 9):
        pictures = [np.full((4, 6, 3), i, np.uint8) for i in range(num)]
        assert [int(p[0, 0, 0]) for p, _ in mark_cuts(pictures)] == list(range(num))


@pytest.mark.parametrize("flash", [np.full((180, 320, 3), 255, np.uint8), room(5)])
def test_one_strange_frame_is_no_cut(flash: np.ndarray) -> None:
    assert cuts(noisy([room(0)] * 10 + [flash] + [room(0)] * 10)) == []


def test_light_switched_on_is_no_cut() -> None:
    dark = room(0) // 2
    assert cuts(noisy([dark] * 10 + [dark + 60] * 10)) == []


def test_a_slow_fade_is_no_cut() -> None:
    shares = [*([0.0] * 10), *np.linspace(0, 1, 25), *([1.0] * 10)]
    mixed = [((1 - s) * room(0) + s * room(1)).astype(np.uint8) for s in shares]
    assert cuts(noisy(mixed)) == []


@pytest.mark.parametrize("speed", [3, 12, 20])
def test_a_pan_is_no_cut(speed: int) -> None:
    still = [room(0)] * 10
    pan = [room(0, shift=min(i * speed, 320)) for i in range(1, 15)]
    assert cuts(noisy(still + pan)) == []


def test_movement_at_half_the_rate_is_no_cut() -> None:
    pictures = [room(0, shift=4 * (i // 2)) for i in range(40)]
    assert cuts(pictures) == []


def test_a_cut_out_of_a_pan_is_found() -> None:
    pan = [room(0, shift=4 * i) for i in range(20)]
    assert cuts(noisy(pan + [room(1)] * 10)) == [20]


def test_a_cut_before_the_last_frame_is_found() -> None:
    assert cuts(noisy([room(0)] * 8 + [room(1)])) == [8]


def test_no_more_than_four_pictures_are_held() -> None:
    alive = 0

    class Picture(np.ndarray):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def pictures() -> Iterable[np.ndarray]:
        nonlocal alive
        for i in range(50):
            alive += 1
            yield np.full((8, 8, 3), i, np.uint8).view(Picture)

    most = 0
    for _ in mark_cuts(pictures()):
        most = max(most, alive)
    assert most <= 6  # four, and the ones that the two loops hold
