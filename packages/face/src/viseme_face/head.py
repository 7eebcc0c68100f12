"""A head around the face mesh: skull, ears, neck, hair and shoulders as simple smooth surfaces.

The mesh of 478 points ends at the face's oval. Everything here is built once per person from the
face at rest and hangs on it: it shares the oval's vertices, follows the jaw near it, turns with the
head, and ends in shoulders that stay.
"""

from math import pi

import torch
from torch import Tensor

from viseme_face.hair import add_cap, add_curtain
from viseme_face.head_shape import LOWER_OVAL, UPPER_OVAL, HeadShape, Skull
from viseme_face.surfaces import (
    EAR,
    NECK,
    PLAIN_UV,
    SCALP,
    SKIN,
    HeadMesh,
    Surfaces,
    close_sides,
    spread,
)

_RINGS = 9
_NECK_Z = -0.78


def build_head(neutral_K3: Tensor, shape: HeadShape) -> HeadMesh:
    """Return the surfaces around a face.

    Args:
        neutral_K3: `mp478` points of the face at rest in model space.
        shape: Hair and neck.
    """
    parts = Surfaces(neutral_K3, len(LOWER_OVAL))
    skull = Skull(neutral_K3)
    angles_RC = skull.angles(torch.linspace(0, 1, _RINGS))
    skull_RC3 = skull.at(angles_RC)
    parts.add(skull_RC3, SKIN, spread(SCALP, *angles_RC.shape), first_ids=UPPER_OVAL)
    close_sides(parts, skull_RC3, SKIN, SCALP)
    _add_underjaw(parts, shape)
    _add_neck(parts, shape)
    for side in (-1, 1):
        _add_ear(parts, side)
    if shape.hair != "bald":
        add_cap(parts, neutral_K3, shape)
    if shape.hair in ("bob", "long"):
        add_curtain(parts, skull, shape)
    return parts.build()


def _add_underjaw(parts: Surfaces, shape: HeadShape) -> None:
    """Skin from the jaw back to the neck; it goes with the jaw and loses it on the way."""
    jaw_C3 = parts.face_K3[list(LOWER_OVAL)]
    flat_C2 = (jaw_C3 - jaw_C3.new_tensor([0, 0, _NECK_Z]))[:, [0, 2]]
    flat_C2 = flat_C2 / flat_C2.norm(dim=1, keepdim=True) * 0.44 * shape.neck
    neck_C3 = torch.stack([flat_C2[:, 0], jaw_C3[:, 1] - 0.1, flat_C2[:, 1] + _NECK_Z], 1)
    share_R = torch.tensor([0, 0.12, 0.45, 1.0])
    grid_RC3 = torch.lerp(jaw_C3[None], neck_C3[None], share_R[:, None, None])
    grid_RC3[1, :, 1] -= 0.025
    follow_RCK = (1 - share_R)[:, None, None] * torch.eye(len(LOWER_OVAL))
    occlusion_RC = torch.tensor([1, 0.8, 0.55, 0.45])[:, None].expand(4, len(LOWER_OVAL))
    parts.add(
        grid_RC3,
        SKIN,
        torch.tensor(PLAIN_UV).expand(*grid_RC3.shape[:2], 2),
        first_ids=LOWER_OVAL,
        follow_RCK=follow_RCK,
        occlusion_RC=occlusion_RC,
    )


# Height of each ring of the neck, its half axes, how far it stays and the light that it gets.
_NECK_RINGS = torch.tensor(
    [
        [0.25, 0.66, 0.60, 0.0, 0.8],
        [-0.05, 0.60, 0.58, 0.0, 0.7],
        [-0.40, 0.50, 0.50, 0.0, 0.5],
        [-0.70, 0.47, 0.45, 0.15, 0.42],
        [-0.90, 0.47, 0.45, 0.4, 0.55],
        [-1.08, 0.50, 0.48, 0.75, 0.8],
        [-1.22, 0.56, 0.54, 1.0, 0.95],
        [-1.40, 0.75, 0.64, 1.0, 1.0],
    ]
)


def _add_neck(parts: Surfaces, shape: HeadShape) -> None:
    angle_C = torch.linspace(0, 2 * pi, 21)[:-1]
    height_R1, half_x_R1, half_z_R1, stay_R1, occlusion_R1 = _NECK_RINGS.split(1, 1)
    lift = parts.face_K3[152, 1] + 0.86
    low_R1 = (height_R1 < -0.8).float()
    grid_RC3 = torch.stack(
        [
            half_x_R1 * shape.neck * angle_C.sin(),
            # The collar lies lower in front than behind.
            height_R1 + lift - 0.12 * low_R1 * angle_C.cos(),
            _NECK_Z - 0.06 * low_R1 + half_z_R1 * angle_C.cos(),
        ],
        -1,
    )
    parts.add(
        grid_RC3,
        NECK,
        torch.tensor(PLAIN_UV).expand(*grid_RC3.shape[:2], 2),
        closed=True,
        stay_R=stay_R1[:, 0],
        occlusion_RC=occlusion_R1.expand(grid_RC3.shape[:2]),
    )


def _add_ear(parts: Surfaces, side: int) -> None:
    root_3 = parts.face_K3[[234, 127] if side < 0 else [454, 356]].mean(0)
    around_C = torch.linspace(0, 2 * pi, 15)[:-1]
    # Rows from the middle of the ear's hollow out over the rim and behind.
    reach_R = torch.tensor([0.01, 0.45, 0.78, 1.0, 0.9])
    height_R = torch.tensor([-0.03, -0.01, 0.05, 0.02, -0.10])
    depth = 0.17 * reach_R[:, None] * around_C.cos()
    up = 0.26 * reach_R[:, None] * around_C.sin() * (1 + 0.12 * around_C.sin())
    out = height_R[:, None]
    # Turned outwards: the front edge is at the head, the back edge stands off.
    grid_RC3 = torch.stack(
        [
            root_3[0] + side * (0.03 + 0.85 * out + 0.45 * (0.17 - depth) - 0.06),
            root_3[1] + 0.02 + up,
            root_3[2] - 0.12 + 0.85 * depth + 0.2 * out,
        ],
        -1,
    )
    occlusion_RC = torch.tensor([0.45, 0.6, 0.95, 1.0, 0.6])[:, None].expand(5, 14)
    parts.add(
        grid_RC3,
        EAR,
        torch.tensor(PLAIN_UV).expand(5, 14, 2),
        closed=True,
        occlusion_RC=occlusion_RC,
    )


def build_shoulders(neutral_K3: Tensor, shape: HeadShape) -> tuple[Tensor, Tensor]:
    """Return vertices (N, 3) in model space and triangles of clothed shoulders."""
    # Height, half width, half depth, forwards.
    rings_R4 = torch.tensor(
        [
            [-0.98, 0.05, 0.05, 0.0],
            [-1.10, 0.47, 0.43, 0.0],
            [-1.15, 0.62, 0.55, 0.0],
            [-1.20, 0.85, 0.60, 0.0],
            [-1.30, 1.20, 0.64, 0.0],
            [-1.42, 1.60, 0.68, 0.02],
            [-1.65, 1.95, 0.76, 0.05],
            [-2.20, 2.10, 0.85, 0.08],
            [-3.60, 2.05, 0.90, 0.1],
        ]
    )
    angle_C = torch.linspace(0, 2 * pi, 33)[:-1]
    height_R, half_x_R, half_z_R, forward_R = rings_R4.unbind(1)
    lift = neutral_K3[152, 1] + 0.86
    front_C = angle_C.cos()
    dip_R = torch.tensor([0, 0.12, 0.12, 0.1, 0.06, 0.03, 0, 0, 0])
    # Squarer than an ellipse lower down.
    grid_RC3 = torch.stack(
        [
            half_x_R[:, None] * shape.neck * angle_C.sin(),
            height_R[:, None] + lift - dip_R[:, None] * front_C,
            _NECK_Z - 0.06 + forward_R[:, None] + half_z_R[:, None] * front_C,
        ],
        -1,
    )
    parts = Surfaces(torch.zeros(0, 3))
    parts.add(
        grid_RC3, SKIN, torch.zeros(*grid_RC3.shape[:2], 2), closed=True, inside=(0, -2.0, _NECK_Z)
    )
    mesh = parts.build()
    return mesh.rest_N3, mesh.triangles_P3
