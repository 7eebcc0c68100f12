"""The crop: one square per clip, invertible, true to every source pixel."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.data.faces import flat_face
from viseme_core.types import CropBox
from viseme_data.crop import crop_box, roll_of, to_crop, warp


def clip(num_frames: int = 30, *, step: float = 4.0) -> Tensor:
    """A face of 100 px that walks to the right."""
    return torch.from_numpy(
        np.stack([flat_face(300 + step * i, 200, 100) for i in range(num_frames)])
    )


def turned(points_TK3: Tensor, angle: float, about: tuple[float, float]) -> Tensor:
    cos, sin = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[cos, -sin], [sin, cos]])
    flat = (points_TK3[..., :2] - torch.tensor(about)) @ turn.T + torch.tensor(about)
    return torch.cat([flat, points_TK3[..., 2:]], -1)


def dots(size: int, places: list[tuple[float, float]]) -> np.ndarray:
    """A black picture with soft round dots around places, in pixels from its corner."""
    grid = np.arange(size) + 0.5
    picture = np.zeros((size, size))
    for x, y in places:
        picture += np.exp(-((grid[None] - x) ** 2 + (grid[:, None] - y) ** 2) / (2 * 3.0**2))
    return np.repeat((255 * picture.clip(0, 1)).astype(np.uint8)[..., None], 3, 2)


def centre_of_mass(picture: np.ndarray) -> tuple[float, float]:
    weight = picture[..., 0].astype(float)
    grid = np.arange(len(weight)) + 0.5
    return float((weight.sum(0) * grid).sum() / weight.sum()), float(
        (weight.sum(1) * grid).sum() / weight.sum()
    )


def test_side_is_1_8_times_the_box_of_all_frames() -> None:
    box = crop_box(clip(1))
    assert (box.cx, box.cy, box.side, box.angle) == pytest.approx((300, 200, 180, 0))
    # 29 steps, less what the median over seven frames rounds off at the ends.
    walk = crop_box(clip(30))
    assert walk.cx == pytest.approx(300 + 29 * 4 / 2)
    assert 1.8 * (100 + 25 * 4) <= walk.side <= 1.8 * (100 + 29 * 4)


def test_a_moving_face_stays_inside() -> None:
    points = clip(40, step=9)
    inside = to_crop(points, crop_box(points)).points_TKD[..., :2]
    assert float(inside.min()) > 0.1
    assert float(inside.max()) < 0.9


def test_wild_frames_leave_no_trace() -> None:
    points = clip(30)
    wild = points.clone()
    wild[10:13] += 500
    wild[20] *= 3
    assert crop_box(wild) == crop_box(points)


def test_crop_and_back_is_where_it_was() -> None:
    points = turned(clip(), 0.4, (300, 200))
    box = crop_box(points, level=True)
    cropped = to_crop(points, box)
    torch.testing.assert_close(
        box.to_source(cropped.points_TKD[..., :2].double()).float(), points[..., :2]
    )


def test_depth_is_a_share_of_the_side() -> None:
    points = clip(1)
    points[..., 2] = 36
    assert to_crop(points, crop_box(points)).points_TKD[..., 2].unique().tolist() == pytest.approx(
        [0.2]
    )


@pytest.mark.parametrize("angle", [-2.8, -0.5, 0.0, 0.3, 3.1])
def test_level_turns_the_eyes_level(angle: float) -> None:
    points = clip(9, step=0)
    points[:, 33, :2] = torch.tensor([270.0, 180.0])
    points[:, 263, :2] = torch.tensor([330.0, 180.0])
    points = turned(points, angle, (300.0, 200.0))
    box = crop_box(points, level=True)
    (right_x, right_y), (left_x, left_y) = (
        to_crop(points, box).points_TKD[0, [33, 263], :2].tolist()
    )
    assert roll_of(points[..., :2]) == pytest.approx(angle, abs=1e-5)
    assert right_y == pytest.approx(left_y, abs=1e-5)
    assert right_x < left_x
    # The turned box is the box of the face before it was turned.
    assert (box.cx, box.cy, box.side) == pytest.approx((300, 200, 180), rel=1e-4)


@pytest.mark.parametrize("side", [100.0, 256.0, 331.3, 700.0, 1500.0])
@pytest.mark.parametrize("angle", [0.0, 0.35])
def test_a_landmark_lands_on_its_pixels(side: float, angle: float) -> None:
    box = CropBox(cx=371.3, cy=402.7, side=side, angle=angle)
    place = box.to_source(torch.tensor([0.37, 0.61], dtype=torch.float64)).tolist()
    crop = warp(dots(800, [(place[0], place[1])]), box, 256)
    x, y = centre_of_mass(crop)
    # Within a tenth of the larger of source and crop pixel.
    assert (x / 256, y / 256) == pytest.approx((0.37, 0.61), abs=0.1 * max(1 / 256, 1 / side))


def test_a_crop_of_its_own_size_is_the_source() -> None:
    frame = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    box = CropBox(cx=32, cy=32, side=64)
    assert np.array_equal(warp(frame, box, 64), frame)


@pytest.mark.parametrize("times", [2, 4, 8])
@pytest.mark.parametrize("corner", [64, 3])
def test_a_shrunk_crop_is_the_mean_of_its_pixels(times: int, corner: int) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (256, 256, 3)).astype(np.uint8)
    size = 128 // times
    crop = warp(frame, CropBox(cx=corner + 64, cy=corner + 64, side=128), size)
    square = frame[corner : corner + 128, corner : corner + 128]
    mean = square.reshape(size, times, size, times, 3).mean((1, 3))
    assert np.abs(crop - mean).max() <= 2  # each halving rounds


@pytest.mark.parametrize("side", [301.0, 400.0, 555.0, 777.0])
def test_fine_stripes_turn_grey(side: float) -> None:
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = warp(stripes, CropBox(cx=400, cy=400, side=side), 200)
    assert crop.std() < 40  # sampling without averaging leaves about 127
    assert crop.mean() == pytest.approx(127.5, abs=3)


def test_what_lies_outside_repeats_the_border() -> None:
    frame = np.full((50, 70, 3), 10, np.uint8)
    frame[:, -2:] = 200
    crop = warp(frame, CropBox(cx=70, cy=25, side=40), 40)
    assert (crop[:, 22:] == 200).all()
    assert (crop[:, :17] == 10).all()
    far = warp(frame, CropBox(cx=900, cy=-700, side=400), 20)
    assert (far == 200).all()


def test_missing_landmarks_are_refused() -> None:
    points = clip(5)
    points[2] = torch.nan
    with pytest.raises(ValueError, match="interpolate"):
        crop_box(points)
    with pytest.raises(ValueError, match="coincide"):
        crop_box(torch.ones(4, 478, 3))
