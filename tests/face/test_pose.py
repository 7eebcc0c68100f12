import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch.testing import assert_close

from viseme_face.pose import (
    camera_depth,
    euler_to_matrix,
    from_landmark_points,
    matrix_to_euler,
    pose_vertices,
    project,
    to_landmark_points,
)


def random_angles(num: int) -> torch.Tensor:
    return (torch.rand(num, 3, dtype=torch.float64) - 0.5) * torch.tensor([6.0, 3.0, 6.0])


def test_rotation_agrees_with_scipy() -> None:
    angles = random_angles(50)
    # Capital letters in reverse: scipy's intrinsic ZYX is Rz Ry Rx.
    expected = Rotation.from_euler("ZYX", angles.numpy()[:, ::-1]).as_matrix()
    assert_close(euler_to_matrix(angles), torch.from_numpy(expected))


def test_angles_survive_the_round_trip() -> None:
    angles = random_angles(200)
    assert_close(matrix_to_euler(euler_to_matrix(angles)), angles)


@pytest.mark.parametrize("ry", [math.pi / 2, -math.pi / 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gimbal_lock_returns_the_same_rotation(ry: float, dtype: torch.dtype) -> None:
    angles = torch.tensor([[0.4, ry, -0.7], [0.0, ry, 0.0], [-1.0, ry, 2.0]], dtype=dtype)
    matrix = euler_to_matrix(angles)
    again = matrix_to_euler(matrix)
    assert_close(euler_to_matrix(again), matrix, atol=1e-6, rtol=0)
    assert again.isfinite().all()


@pytest.mark.parametrize("ry", [0.0, 0.3, math.pi / 2])
def test_gradients_through_angles_are_finite(ry: float) -> None:
    angles = torch.tensor([0.1, ry, 0.2], requires_grad=True)
    matrix_to_euler(euler_to_matrix(angles)).sum().backward()
    assert angles.grad is not None
    assert angles.grad.isfinite().all()


def test_projection_agrees_with_the_pinhole_written_out() -> None:
    vertices, pose = torch.randn(4, 7, 3), torch.randn(4, 6) * 0.3
    image = project(pose_vertices(vertices, pose))
    for b in range(4):
        rotation = Rotation.from_euler("ZYX", pose[b, :3].numpy()[::-1]).as_matrix()
        for k in range(7):
            x, y, z = rotation @ vertices[b, k].numpy() + pose[b, 3:].numpy()
            # Deep3D: 1015 px of focal length on a crop of 224 px, v growing downwards.
            u = (112 + 1015 * x / (10 - z)) / 224
            v = 1 - (112 + 1015 * y / (10 - z)) / 224
            np.testing.assert_allclose(image[b, k].numpy(), [u, v], atol=1e-5)


def test_turning_the_head_left_moves_the_nose_to_the_right_of_the_picture() -> None:
    nose = torch.tensor([[[0.0, 0.0, 0.7]]])
    turned = project(pose_vertices(nose, torch.tensor([[0.0, 0.3, 0.0, 0.0, 0.0, 0.0]])))
    assert turned[0, 0, 0] > 0.55
    lifted = project(pose_vertices(nose, torch.tensor([[-0.3, 0.0, 0.0, 0.0, 0.0, 0.0]])))
    assert lifted[0, 0, 1] < 0.45


def test_landmark_points_survive_the_round_trip() -> None:
    points, origin = torch.randn(3, 20, 3) * 0.5, torch.tensor([0.0, 0.7, -1.5])
    landmarks = to_landmark_points(points, origin)
    assert_close(from_landmark_points(landmarks, origin), points, atol=1e-5, rtol=0)
    assert_close(landmarks[..., :2], project(points))


def test_relative_depth_has_the_unit_of_x_and_grows_away() -> None:
    # Two points 0.1 apart sideways and in depth, at the depth of the origin.
    points = torch.tensor([[[0.0, 0.0, 0.5], [0.1, 0.0, 0.5], [0.0, 0.0, 0.4]]])
    landmarks = to_landmark_points(points, torch.tensor([0.5]))[0]
    sideways = landmarks[1, 0] - landmarks[0, 0]
    assert_close(landmarks[2, 2] - landmarks[0, 2], sideways)
    assert landmarks[2, 2] > 0
    assert_close(camera_depth(points)[0], torch.tensor([9.5, 9.5, 9.6]))
