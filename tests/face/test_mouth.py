"""The inside of the mouth: what is fixed to the skull and what goes with the jaw."""

import math

import pytest
import torch
from torch import Tensor

from viseme_face.coverage import Covered, Window
from viseme_face.eyes import rays_through
from viseme_face.mouth import (
    CHIN_IDS,
    Inside,
    MouthShape,
    MouthStyle,
    draw_inside,
    jaw_angle,
    place_mouth,
)
from viseme_face.parts import read_builtin
from viseme_face.pose import FOCAL, euler_to_matrix

SIZE = 512
DEPTH = 13.0
STILL = torch.tensor([[0.0, 0, 0, 0, 0, 10 - DEPTH]])


def mean_face() -> Tensor:
    return read_builtin().mean_V3


def look_inside(
    shape: MouthShape, jaw: float, *, pose: Tensor = STILL, tongue: float = 0.0
) -> Inside:
    """The inside through an opening as large as the window: no lips in the way."""
    top, left, height, width = 240, 146, 140, 220
    window = Window(torch.tensor([left]), torch.tensor([top]), height, width)
    lips = Covered(
        torch.ones(1, height, width),
        torch.full((1, width), float(top)),
        torch.full((1, width), float(top + height)),
    )
    return draw_inside(
        rays_through(window, pose, SIZE),
        lips,
        window.rows,
        shape,
        torch.tensor([jaw]),
        torch.tensor([tongue]),
        MouthStyle(),
        SIZE,
    )


def turned_about_ears(face: Tensor, angle: float) -> Tensor:
    hinge = face[[234, 454]].mean(0)
    return (face - hinge) @ euler_to_matrix(torch.tensor([angle, 0.0, 0.0])).T + hinge


def test_upper_teeth_do_not_move_with_the_jaw():
    shape = place_mouth(mean_face())
    shut, wide = look_inside(shape, 0.05), look_inside(shape, 0.3)
    assert shut.upper_Thw.sum() > 200
    assert torch.equal(shut.upper_Thw, wide.upper_Thw)


def test_lower_teeth_move_down_as_the_jaw_turns():
    shape = place_mouth(mean_face())
    middle = 110
    tops = []
    for angle in (0.2, 0.3):
        lower = look_inside(shape, angle).lower_Thw[0, :, middle - 4 : middle + 4].mean(1)
        tops.append(int((lower > 0.5).nonzero()[0]))
    # A point of the edge, turned about the hinge by hand.
    edge = shape.origin_3 + torch.tensor([0.0, -0.014, -0.03]) - shape.hinge_3
    rows = []
    for angle in (0.2, 0.3):
        y = edge[1] * math.cos(angle) - edge[2] * math.sin(angle) + shape.hinge_3[1]
        z = edge[1] * math.sin(angle) + edge[2] * math.cos(angle) + shape.hinge_3[2]
        rows.append(float(SIZE * (0.5 - FOCAL * y / (DEPTH - z))))
    assert tops[0] + 240 == pytest.approx(rows[0], abs=2)
    assert tops[1] - tops[0] == pytest.approx(rows[1] - rows[0], abs=1.5)


def test_teeth_move_with_the_head():
    shape = place_mouth(mean_face())
    pose = torch.tensor([[0.0, 0.0, 0.0, 0.1, 0.0, 10 - DEPTH]])
    middles = []
    for at in (STILL, pose):
        teeth = look_inside(shape, 0.2, pose=at).upper_Thw[0].sum(0)
        middles.append(float((teeth * torch.arange(len(teeth))).sum() / teeth.sum()))
    expected = 0.1 * FOCAL * SIZE / (DEPTH - float(shape.origin_3[2]))
    assert middles[1] - middles[0] == pytest.approx(expected, rel=0.05)


def test_jaw_angle_is_that_by_which_the_chin_turned():
    face = mean_face()
    shape = place_mouth(face)
    moved = face.clone()
    moved[list(CHIN_IDS)] = turned_about_ears(face, 0.17)[list(CHIN_IDS)]
    assert float(jaw_angle(moved[None], shape)) == pytest.approx(0.17, abs=1e-3)
    assert float(jaw_angle(face[None], shape)) == pytest.approx(0, abs=1e-5)


def test_a_jaw_does_not_close_further_than_its_teeth():
    face = mean_face()
    moved = turned_about_ears(face, -0.1)
    assert float(jaw_angle(moved[None], place_mouth(face))) == 0


def test_teeth_scale_with_the_width_of_the_mouth():
    face = mean_face()
    wide = face * 1.2
    assert float(place_mouth(wide).scale / place_mouth(face).scale) == pytest.approx(1.2, rel=1e-5)
    assert look_inside(place_mouth(wide), 0.2).upper_Thw.sum() > (
        1.2 * look_inside(place_mouth(face), 0.2).upper_Thw.sum()
    )


def test_a_raised_tongue_stands_higher():
    shape = place_mouth(mean_face())
    rows = torch.arange(140.0)[:, None]
    heights = []
    for raised in (0.0, 1.0):
        tongue = look_inside(shape, 0.3, tongue=raised).tongue_Thw[0]
        heights.append(float((tongue * rows).sum() / tongue.sum()))
    assert heights[1] < heights[0] - 3


def test_the_inside_grows_darker_towards_the_cheeks():
    inside = look_inside(place_mouth(mean_face()), 0.0)
    teeth = inside.upper_Thw[0] > 0.9
    brightness = inside.color_T3hw[0].mean(0)
    near, far = brightness[:, 102:118][teeth[:, 102:118]], brightness[:, 50:74][teeth[:, 50:74]]
    assert near.mean() > 1.2 * far.mean()


def test_a_mouth_turned_away_stays_finite():
    pose = torch.tensor([[0.0, math.pi / 2, 0, 0, 0, 10 - DEPTH]])
    assert look_inside(place_mouth(mean_face()), 0.2, pose=pose).color_T3hw.isfinite().all()
