"""Pose and camera: from model space to camera space to the crop, and back.

A pose is (rx, ry, rz, tx, ty, tz), radians and model units. R = Rz Ry Rx acts on column vectors in
a right-handed space with x to the right of the screen, y up and z towards the camera; the camera
sits on +z at distance 10 and sees the crop with a focal length of 1015/224 of its side, as
Deep3DFaceReconstruction has it. Everything is batched over leading dimensions and differentiable.
"""

import torch
from torch import Tensor

CAMERA_DISTANCE = 10.0
"""Distance of the camera from the origin, in model units."""
FOCAL = 1015.0 / 224.0
"""Focal length as a fraction of the crop's side."""

# Below this cosine of ry, rx and rz turn about the same axis (gimbal lock).
_GIMBAL = 1e-6


def euler_to_matrix(angles_X3: Tensor) -> Tensor:
    """Return R = Rz Ry Rx.

    Args:
        angles_X3: (rx, ry, rz) in radians, shape (..., 3).

    Returns:
        Rotation matrices (..., 3, 3) for column vectors.
    """
    (cx, cy, cz), (sx, sy, sz) = angles_X3.cos().unbind(-1), angles_X3.sin().unbind(-1)
    rows = [
        torch.stack([cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx], -1),
        torch.stack([sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx], -1),
        torch.stack([-sy, cy * sx, cy * cx], -1),
    ]
    return torch.stack(rows, -2)


def matrix_to_euler(matrix_X33: Tensor) -> Tensor:
    """Return (rx, ry, rz) with `euler_to_matrix` of it equal to the matrix.

    ry lies in [-pi/2, pi/2]; at its ends only rx - rz or rx + rz is determined and rz is set to 0.

    Args:
        matrix_X33: Rotation matrices (..., 3, 3).

    Returns:
        Angles in radians, shape (..., 3).
    """
    m = matrix_X33
    cos_y = (m[..., 0, 0] ** 2 + m[..., 1, 0] ** 2).clamp_min(_GIMBAL**4).sqrt()
    locked = cos_y < _GIMBAL
    rx = torch.atan2(
        torch.where(locked, -m[..., 1, 2], m[..., 2, 1]),
        torch.where(locked, m[..., 1, 1], m[..., 2, 2]),
    )
    ry = torch.atan2(-m[..., 2, 0], cos_y)
    rz = torch.atan2(
        torch.where(locked, torch.zeros_like(cos_y), m[..., 1, 0]),
        torch.where(locked, torch.ones_like(cos_y), m[..., 0, 0]),
    )
    return torch.stack([rx, ry, rz], -1)


def pose_vertices(vertices_BV3: Tensor, pose_B6: Tensor) -> Tensor:
    """Return vertices in camera space, R v + t.

    Args:
        vertices_BV3: Vertices in model space, shape (..., V, 3).
        pose_B6: Poses (..., 6) that broadcast against the vertices' leading dimensions.
    """
    rotation_B33 = euler_to_matrix(pose_B6[..., :3])
    return vertices_BV3 @ rotation_B33.mT + pose_B6[..., None, 3:]


def project(points_BV3: Tensor) -> Tensor:
    """Return where camera-space points fall in the crop.

    u = 1/2 + f X / (10 - Z) to the right, v = 1/2 - f Y / (10 - Z) down, both in [0, 1] inside it.

    Args:
        points_BV3: Points in camera space, shape (..., 3).

    Returns:
        Crop coordinates (..., 2).
    """
    scale = FOCAL / (CAMERA_DISTANCE - points_BV3[..., 2])
    return torch.stack([0.5 + scale * points_BV3[..., 0], 0.5 - scale * points_BV3[..., 1]], -1)


def camera_depth(points_BV3: Tensor) -> Tensor:
    """Return the distance 10 - Z from the camera's plane, shape (...): larger is farther."""
    return CAMERA_DISTANCE - points_BV3[..., 2]


def to_landmark_points(points_BV3: Tensor, origin_z_B: Tensor) -> Tensor:
    """Return crop coordinates with relative depth, the convention of `Landmarks`.

    The third coordinate is f (tz - Z) / (10 - tz): depth behind the model's origin in the unit in
    which x and y of a point at the origin's depth are measured, growing away from the camera.

    Args:
        points_BV3: Points in camera space, shape (..., V, 3).
        origin_z_B: Z of the model's origin, the pose's tz, shape (...).

    Returns:
        (u, v, depth), shape (..., V, 3).
    """
    origin = origin_z_B[..., None]
    depth = FOCAL * (origin - points_BV3[..., 2]) / (CAMERA_DISTANCE - origin)
    return torch.cat([project(points_BV3), depth[..., None]], -1)


def from_landmark_points(points_BV3: Tensor, origin_z_B: Tensor) -> Tensor:
    """Return camera-space points of (u, v, depth), the inverse of `to_landmark_points`.

    Args:
        points_BV3: Crop coordinates with relative depth, shape (..., V, 3).
        origin_z_B: Z of the model's origin, the pose's tz, shape (...).

    Returns:
        Points in camera space, shape (..., V, 3).
    """
    origin = origin_z_B[..., None]
    z = origin - points_BV3[..., 2] * (CAMERA_DISTANCE - origin) / FOCAL
    spread = (CAMERA_DISTANCE - z) / FOCAL
    return torch.stack(
        [(points_BV3[..., 0] - 0.5) * spread, (0.5 - points_BV3[..., 1]) * spread, z], -1
    )
