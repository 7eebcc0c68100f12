"""Outlines and lines against brute force."""

import numpy as np
import pytest
import torch

from viseme_face.coverage import (
    Layer,
    Window,
    cover_outline,
    distance_to_line,
    lay_over,
    window_around,
)


def whole(size: int, num_frames: int = 1) -> Window:
    zero_T = torch.zeros(num_frames, dtype=torch.int64)
    return Window(zero_T, zero_T, size, size)


# Right along the upper side and back along the lower one.
LEAF = torch.tensor([[[2.3, 9.1], [6.2, 4.4], [12.9, 3.7], [17.5, 8.2], [12.1, 14.6], [5.5, 13.3]]])


def inside_of(points_K2: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Even-odd rule."""
    odd = np.zeros(np.broadcast(x, y).shape, bool)
    for (x0, y0), (x1, y1) in zip(points_K2, np.roll(points_K2, -1, 0), strict=True):
        if y0 != y1:
            odd ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return odd


def test_coverage_of_an_outline_is_its_share_of_samples():
    fine = (np.arange(20 * 32) + 0.5) / 32
    inside = inside_of(LEAF[0].numpy(), fine[None], fine[:, None])
    expected = inside.reshape(20, 32, 20, 32).mean((1, 3))
    share = cover_outline(LEAF, whole(20)).share_Thw[0].numpy()
    # Three columns per pixel: off where a steep side cuts one, nowhere by more than a sixth.
    assert np.abs(share - expected).max() < 0.17
    assert share.sum() == pytest.approx(expected.sum(), rel=0.01)


def test_an_outline_whose_sides_coincide_covers_nothing():
    upper_5 = torch.tensor([[2.1, 9.3], [6.0, 9.9], [9.7, 10.4], [14.2, 9.8], [17.9, 9.1]])
    closed = torch.cat([upper_5, upper_5[1:-1].flip(0)])[None]
    assert cover_outline(closed, whole(20)).share_Thw.count_nonzero() == 0


def test_an_outline_whose_sides_have_crossed_covers_nothing():
    crossed = LEAF.clone()
    crossed[..., 1] = 18 - crossed[..., 1]
    assert cover_outline(crossed, whole(20)).share_Thw.count_nonzero() == 0


def test_a_hundredth_of_a_pixel_changes_coverage_by_as_much():
    moved = LEAF + torch.tensor([0.0, 0.01])
    moved[:, [0, 1, 2, 3]] = LEAF[:, [0, 1, 2, 3]]
    change = cover_outline(moved, whole(20)).share_Thw - cover_outline(LEAF, whole(20)).share_Thw
    # Of the lower side, the middle third moves by all of it and the ends by part.
    width = 12.1 - 5.5
    ends = (17.5 - 12.1 + 5.5 - 2.3) / 2
    assert float(change.sum()) == pytest.approx(0.01 * (width + ends), rel=0.05)


def test_top_and_bottom_are_those_of_the_outline():
    covered = cover_outline(LEAF, whole(20))
    # Column 9 has its middle at 9.5, between the corners (6.2, 4.4) and (12.9, 3.7) above.
    assert float(covered.top_Tw[0, 9]) == pytest.approx(4.4 - 0.7 * 3.3 / 6.7, abs=0.05)
    assert covered.top_Tw[0, 0] == torch.inf
    assert covered.bottom_Tw[0, 19] == -torch.inf


def test_distance_to_a_line_is_the_least_over_its_points():
    line = torch.tensor([[[2.0, 3.0], [9.0, 5.0], [11.0, 14.0]]])
    distance, position = distance_to_line(line, whole(16))
    share = np.linspace(0, 1, 2001)[:, None]
    first, second, third = line[0].numpy()
    along = np.concatenate(
        [(1 - share) * first + share * second, (1 - share) * second + share * third]
    )
    for row, column in ((0, 0), (7, 3), (15, 15), (4, 9)):
        gaps = np.hypot(along[:, 0] - column - 0.5, along[:, 1] - row - 0.5)
        assert float(distance[0, row, column]) == pytest.approx(gaps.min(), abs=1e-4)
        expected = gaps.argmin() / 2001
        assert float(position[0, row, column]) == pytest.approx(expected, abs=2e-3)


def test_a_layer_changes_only_what_it_covers():
    before = torch.rand(2, 12, 12, 3)
    window = Window(torch.tensor([2, 5]), torch.tensor([1, 7]), 4, 3)
    alpha = torch.full((2, 4, 3), 0.25)
    picture = before.clone()
    lay_over(picture, Layer(window, torch.ones(2, 3, 4, 3), alpha))
    expected = before.clone()
    expected[0, 1:5, 2:5] = 0.75 * before[0, 1:5, 2:5] + 0.25
    expected[1, 7:11, 5:8] = 0.75 * before[1, 7:11, 5:8] + 0.25
    torch.testing.assert_close(picture, expected)


@pytest.mark.parametrize("shift", [-40.0, 0.0, 40.0])
def test_a_window_stays_inside_the_picture(shift: float):
    window = window_around(LEAF + shift, 2, 20)
    assert 0 <= int(window.left_T) <= 20 - window.width
    assert 0 <= int(window.top_T) <= 20 - window.height
