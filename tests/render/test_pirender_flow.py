import numpy as np
import pytest
import torch

from viseme_render.pirender.flow import landmark_error, sampling_grid, warp


def looked_up(picture: np.ndarray, x: float, y: float, border: str) -> float:
    """A picture's value at a place in pixels between four of them; pixel centres are whole."""
    height, width = picture.shape
    left, top = int(np.floor(x)), int(np.floor(y))
    total = 0.0
    for row, row_share in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, column_share in ((left, 1 - (x - left)), (left + 1, x - left)):
            is_inside = 0 <= row < height and 0 <= column < width
            if border == "repeat" or is_inside:
                row_in, column_in = np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)
                total += row_share * column_share * picture[row_in, column_in]
    return total


def test_warping_is_bilinear_lookup_where_the_flow_says():
    rng = np.random.default_rng(0)
    picture, flow = rng.normal(size=(9, 9)), rng.normal(size=(2, 9, 9)) * 3
    found = warp(torch.from_numpy(picture)[None, None], torch.from_numpy(flow)[None])[0, 0]
    for y in range(9):
        for x in range(9):
            # A place outside is taken to the border first.
            at = np.clip([x + flow[0, y, x], y + flow[1, y, x]], 0, 8)
            assert float(found[y, x]) == pytest.approx(looked_up(picture, at[0], at[1], "repeat"))


def test_the_public_grid_spreads_places_from_border_to_border_and_is_black_beyond():
    rng = np.random.default_rng(1)
    picture, flow = rng.normal(size=(8, 8)), rng.normal(size=(2, 8, 8)) * 2
    found = warp(torch.from_numpy(picture)[None, None], torch.from_numpy(flow)[None], "corners")[
        0, 0
    ]
    for y in range(8):
        for x in range(8):
            share = np.array([x + flow[0, y, x], y + flow[1, y, x]]) / 7
            at = share * 8 - 0.5
            assert float(found[y, x]) == pytest.approx(
                looked_up(picture, at[0], at[1], "black"), abs=1e-12
            )


@pytest.mark.parametrize("places", [4, 8, 32])
def test_no_flow_keeps_every_pixel_whatever_its_size(places):
    picture = torch.rand(2, 3, 32, 32).double()
    found = warp(picture, torch.zeros(2, 2, places, places).double())
    torch.testing.assert_close(found, picture)


def test_a_coarse_flow_counts_in_its_own_places():
    # One place of an 8 x 8 flow is four pixels of 32.
    ramp = torch.arange(32.0).expand(32, 32)
    found = warp(ramp[None, None], torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 8, 8))
    torch.testing.assert_close(found[0, 0, :, :28], ramp[:, :28] + 4)
    assert (found[0, 0, :, 28:] == 31).all()


def test_a_coarse_flow_is_enlarged_bilinearly():
    torch.manual_seed(0)
    flow = torch.randn(1, 2, 4, 4).double()
    grid = sampling_grid(flow, 8)
    # Pixel 2 of 8 lies a quarter of the way from place 0 to place 1, counting centres.
    mixed = 0.25 * flow[0, :, 0, 0] + 0.75 * flow[0, :, 0, 1]
    upper, lower = mixed, 0.25 * flow[0, :, 1, 0] + 0.75 * flow[0, :, 1, 1]
    expected = (0.75 * upper + 0.25 * lower) * 2 / 4
    still = torch.tensor([(2 * 2 + 1) / 8 - 1, (2 * 1 + 1) / 8 - 1]).double()
    torch.testing.assert_close(grid[0, :, 1, 2] - still, expected)


def test_a_flow_that_brings_landmarks_from_where_they_were_has_no_error():
    flow = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 16, 16)
    points = 0.3 + 0.4 * torch.rand(1, 50, 2)
    source = points + torch.tensor([2.0, -1.0]) / 16
    assert float(landmark_error(flow, points, source)) < 1e-6
    missed = float(landmark_error(flow, points, source + torch.tensor([0.1, 0.0])))
    assert missed == pytest.approx(0.05, abs=1e-6)


def test_landmarks_outside_of_the_picture_do_not_count():
    flow = torch.zeros(1, 2, 8, 8)
    points = torch.tensor([[[0.5, 0.5], [1.2, 0.5]]])
    assert float(landmark_error(flow, points, points + 0.1)) == pytest.approx(0.05, abs=1e-6)
