"""Closed-form starts for a fit: the pose of a rigid face, then what its shape leaves over."""

from dataclasses import replace

import torch
from torch import Tensor

from viseme_face.least_squares import Observed, State, weighted_mean
from viseme_face.pose import CAMERA_DISTANCE, FOCAL


def closed_form_pose(observed: Observed, rest_3K: Tensor, num_coefficients: int) -> State:
    """Return the pose of the rigid rest shape that fits best, with coefficients 0.

    In space it is the Procrustes rotation; in the image the scaled orthographic pose, each row of
    whose 2x3 matrix is a linear least squares problem, brought to the nearest rotation.
    """
    centre_T31 = weighted_mean(rest_3K[None], observed.weights_TK)
    rest_T3K = rest_3K - centre_T31
    points_TRK = observed.points_TRK - observed.mean()
    covariance_TR3 = (points_TRK * observed.weights_TK[:, None]) @ rest_T3K.mT
    if observed.kind == "space":
        rotation_T33 = _nearest_rotation(covariance_TR3)
        shift = observed.mean() - rotation_T33 @ centre_T31
    else:
        square_T33 = (rest_T3K * observed.weights_TK[:, None]) @ rest_T3K.mT
        left_T22, size_T2, right_T23 = torch.linalg.svd(
            covariance_TR3 @ torch.linalg.pinv(square_T33), full_matrices=False
        )
        two_T23 = left_T22 @ right_T23
        third_T13 = torch.linalg.cross(two_T23[:, :1], two_T23[:, 1:])
        rotation_T33 = torch.cat([two_T23, third_T13], 1)
        depth_T11 = (FOCAL / size_T2.mean(-1)).clamp(0.1 * CAMERA_DISTANCE, 10 * CAMERA_DISTANCE)
        depth_T11 = depth_T11[:, None, None]
        centre = torch.cat([observed.mean() * depth_T11 / FOCAL, CAMERA_DISTANCE - depth_T11], 1)
        shift = centre - rotation_T33 @ centre_T31
    shift_T3 = shift[..., 0]
    return State(rotation_T33, shift_T3, shift_T3.new_zeros(len(shift_T3), num_coefficients))


def closed_form_coefficients(
    observed: Observed, rest_3K: Tensor, basis_C3K: Tensor, pose: State, prior: float
) -> State:
    """Return the pose with coefficients that explain what the rigid shape left over.

    One linear system serves all frames: the rotation drops out of it in space, and crop points are
    taken to space at the depth of the rigid shape.
    """
    rotation_T33, shift_T31 = pose.rotation_T33, pose.shift_T3[..., None]
    points_T3K = observed.points_TRK
    if observed.kind == "image":
        z = (rotation_T33 @ rest_3K + shift_T31)[:, 2:]
        depth = CAMERA_DISTANCE - z
        points_T3K = torch.cat([points_T3K * depth / FOCAL, z], 1)
        prior = prior * (CAMERA_DISTANCE / FOCAL) ** 2
    left_over_T3K = rotation_T33.mT @ (points_T3K - shift_T31) - rest_3K
    weighted_C3K = basis_C3K * observed.weights_TK.mean(0)
    weighted, flat = weighted_C3K.flatten(1), basis_C3K.flatten(1)
    normal_CC = weighted @ flat.T + prior * torch.eye(len(flat)).to(flat)
    seen_T3K = left_over_T3K * (observed.weights_TK > 0)[:, None]
    coefficients_TC = torch.linalg.solve(normal_CC, weighted @ seen_T3K.flatten(1).T).T
    return replace(pose, coefficients_TC=coefficients_TC)


def _nearest_rotation(covariance_T33: Tensor) -> Tensor:
    left, _, right = torch.linalg.svd(covariance_T33)
    flip = torch.ones_like(left[:, 0])
    flip[:, 2] = torch.det(left @ right)
    return (left * flip[:, None]) @ right
