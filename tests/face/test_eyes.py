"""Eyeballs: gaze against projection, and lids that shut."""

import math

import pytest
import torch
from torch import Tensor

from viseme_face.coverage import window_around
from viseme_face.eyes import (
    EyeStyle,
    draw_eyeball,
    gaze_of_angles,
    gaze_of_mesh,
    place_eyeballs,
    rays_through,
)
from viseme_face.layouts import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS
from viseme_face.lids import draw_lids
from viseme_face.parts import read_builtin
from viseme_face.pose import euler_to_matrix, pose_vertices, project
from viseme_face.regions import close_eyes

SIZE = 512
POSE = torch.tensor([[0.1, -0.3, 0.05, 0.02, -0.1, -3.0]])


def mean_face() -> Tensor:
    return read_builtin().mean_V3


def centre_of_iris(gaze: Tensor, eye: int, pose: Tensor) -> Tensor:
    """Where the black of a black iris on a white ball without a highlight lies, in pixels."""
    face = mean_face()
    balls = place_eyeballs(face)
    outline = SIZE * project(pose_vertices(face[None, list((RIGHT_EYE, LEFT_EYE)[eye])], pose))
    # Wide enough that nothing cuts the iris.
    window = window_around(outline, 30, SIZE)
    style = EyeStyle(iris=(0, 0, 0), sclera=(1, 1, 1))
    behind = torch.tensor([[0.0, 0, -1]])
    rays = rays_through(window, pose, SIZE)
    color, _ = draw_eyeball(rays, balls, eye, gaze, behind, style, SIZE)
    # Green falls off to 0.55 at the corners of the white.
    dark = (0.5 - color[:, 1]).clamp(min=0)
    x = (dark * window.columns[:, None]).sum() / dark.sum()
    y = (dark * window.rows[..., None]).sum() / dark.sum()
    return torch.stack([x, y])


@pytest.mark.parametrize("eye", [0, 1])
@pytest.mark.parametrize("angles", [(0.0, 0.0), (0.2, 0.0), (0.0, -0.35), (-0.15, 0.25)])
def test_gaze_moves_the_iris_to_where_the_ball_projects_it(eye: int, angles: tuple[float, float]):
    balls = place_eyeballs(mean_face())
    down, right = angles
    # By hand: rx turns +z to -y, then ry turns it to +x.
    looks = torch.tensor(
        [math.cos(down) * math.sin(right), -math.sin(down), math.cos(down) * math.cos(right)]
    )
    # The rim of the iris is a circle on the ball, as far from where it looks as the iris is wide.
    radius, iris = balls.radius_2[eye], balls.iris_radius_2[eye]
    pupil = balls.centre_23[eye] + radius * (1 - (iris / radius) ** 2 / 2) * looks
    rotated = euler_to_matrix(POSE[0, :3]) @ pupil + POSE[0, 3:]
    u = 0.5 + 1015 / 224 * rotated[0] / (10 - rotated[2])
    v = 0.5 - 1015 / 224 * rotated[1] / (10 - rotated[2])
    gaze = gaze_of_angles(torch.tensor([angles]))[:, eye]
    # Perspective shifts the middle of a tilted circle a little.
    assert torch.dist(centre_of_iris(gaze, eye, POSE), SIZE * torch.stack([u, v])) < 0.7


def test_default_gaze_puts_the_iris_on_the_landmark():
    face = mean_face()
    moved = face[None].clone()
    moved[:, list(RIGHT_IRIS)] += torch.tensor([0.03, -0.01, 0.0])
    moved[:, list(LEFT_IRIS)] += torch.tensor([0.03, -0.01, 0.0])
    still = torch.tensor([[0.0, 0, 0, 0, 0, -3.0]])
    gaze = gaze_of_mesh(moved, place_eyeballs(face))
    for eye, iris in enumerate((RIGHT_IRIS, LEFT_IRIS)):
        landmark = SIZE * project(pose_vertices(moved[:, [iris[0]]], still))[0, 0]
        # The landmark lies near the ball, not on it: half a pixel of an iris 22 pixels wide.
        assert torch.dist(centre_of_iris(gaze[:, eye], eye, still), landmark) < 1


def test_eyeballs_touch_the_contour_of_the_lids():
    face = mean_face()
    balls = place_eyeballs(face)
    for eye, ring in enumerate((RIGHT_EYE, LEFT_EYE)):
        depth = (face[list(ring)] - balls.centre_23[eye]).norm(dim=-1) - balls.radius_2[eye]
        assert depth.abs().mean() < 0.03
    # An eyeball is 1.2 cm from middle to front; ours may be two fifths larger.
    assert ((balls.radius_2 > 0.11) & (balls.radius_2 < 0.17)).all()
    # Left and right are mirror images.
    assert torch.allclose(
        balls.centre_23[0] * torch.tensor([-1, 1, 1]), balls.centre_23[1], atol=1e-3
    )


@pytest.mark.parametrize("ring", [RIGHT_EYE, LEFT_EYE])
@pytest.mark.parametrize("turn", [0.0, 0.5, -0.5])
def test_closed_eyes_show_nothing_of_the_ball(ring: tuple[int, ...], turn: float):
    pose = torch.tensor([[0.0, turn, 0.2, 0, 0, -3.0]])
    shut = SIZE * project(pose_vertices(close_eyes(mean_face()[None]), pose))[:, list(ring)]
    lids = draw_lids(shut, window_around(shut, 4, SIZE))
    assert lids.opening_Thw.count_nonzero() == 0
    assert lids.lash_Thw.max() > 0.9


def test_open_eyes_show_nearly_the_area_of_their_contour():
    pose = torch.tensor([[0.0, 0, 0, 0, 0, -3.0]])
    outline = SIZE * project(pose_vertices(mean_face()[None], pose))[:, list(RIGHT_EYE)]
    x, y = outline[0].T
    area = ((x * y.roll(-1) - x.roll(-1) * y).sum() / 2).abs()
    seen = draw_lids(outline, window_around(outline, 4, SIZE)).opening_Thw.sum()
    assert 0.85 * area < seen < area
