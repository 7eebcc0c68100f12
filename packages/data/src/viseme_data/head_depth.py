"""How deep a head is: one picture hardly tells, so it is turned, drawn and looked at again.

A head that is drawn too flat is seen to turn by less than it turns. By how much, FaceMesh says of
the portrait itself, which is moved as the mesh renderer moves it: the same sheet, eyes and mouth as
the portrait has them.
"""

import math
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_core.types import ReferenceFace
from viseme_data.facemesh import FaceNets, square_around
from viseme_face import MorphableModel, fit_clip, pose_vertices, project
from viseme_face.parts import read_builtin
from viseme_face.shading import interpolate
from viseme_face.sheet import PortraitWarp, look_up, rasterize_sheet
from viseme_face.sheet.topology import AROUND, topology

_TURN_DEG = 15.0
# The nets see 192 pixels of a square half as wide again as the face.
_LOOK_PX = 256
# FaceMesh expects a usual head, and sees less of a change than was made: it looks twice.
_LOOKS = 2
# Expected error of FaceMesh and of a linear model together, in crop units.
_NOISE = 2e-3
# Blurred faces and animals are read wrongly by more than heads differ.
_LEAST, _MOST = 0.8, 1.25
# Who sees less of a turn than this has not found the face.
_NO_TURN = 0.4


def head_depth(reference: ReferenceFace, model: MorphableModel, nets: FaceNets) -> float:
    """Return how much deeper a head is than its fit: `ReferenceFace.depth`.

    Args:
        reference: The portrait, square, on the CPU.
        model: Its face model, on the built-in mesh.
        nets: What looks at it.

    Returns:
        A factor from 0.8 to 1.25; 1 if the face is not found, or hardly seen to turn.
    """
    depth = 1.0
    for _ in range(_LOOKS):
        share = turn_seen(replace(reference, depth=depth), model, nets)
        if not share > _NO_TURN:
            return 1.0
        depth = min(max(depth / share, _LEAST), _MOST)
    return depth


@torch.no_grad()
def turn_seen(reference: ReferenceFace, model: MorphableModel, nets: FaceNets) -> float:
    """Return which share of its turn a head is seen to turn by, NaN if it is not found.

    Args:
        reference: The portrait, square, on the CPU.
        model: Its face model, on the built-in mesh.
        nets: What looks at it.
    """
    pose_36 = reference.pose.repeat(3, 1)
    pose_36[1:, 1] += torch.tensor([-_TURN_DEG, _TURN_DEG]).deg2rad()
    warp = PortraitWarp(reference, model)
    expected_3K2 = _LOOK_PX * project(pose_vertices(warp.points_K3.expand(3, -1, -1), pose_36))
    found = []
    pictures = _drawn(reference, warp, pose_36)
    for picture_HW3, expected_K2 in zip(pictures, expected_3K2, strict=True):
        points_K3 = nets.landmarks(picture_HW3, square_around(expected_K2.numpy()))
        if points_K3 is None:
            return math.nan
        found.append(torch.from_numpy(points_K3[:, :2]) / _LOOK_PX)
    identity = reference.identity
    # What is seen of the portrait as it is steadies the fit of what is seen of its turns.
    seen_36 = fit_clip(model, torch.stack(found), "mp478", identity=identity, noise=_NOISE).pose
    return float(seen_36[2, 1] - seen_36[1, 1]) / math.radians(2 * _TURN_DEG)


def _drawn(reference: ReferenceFace, warp: PortraitWarp, pose_T6: Tensor) -> np.ndarray:
    """Return the portrait in other poses, uint8 RGB (T, H, W, 3)."""
    sheet = topology()
    # Lips and lids stay as they are, so that all between them can stay on the mesh.
    triangles_P3 = torch.cat(
        [read_builtin().triangles_P3, sheet.triangles_P3[sheet.part_P == AROUND]]
    )
    moved = warp.move(reference.expression.expand(len(pose_T6), -1), pose_T6)
    raster = rasterize_sheet(moved, triangles_P3, _LOOK_PX)
    picture_13HW = reference.frame_3HW[None]
    if picture_13HW.shape[-1] > _LOOK_PX:
        picture_13HW = F.interpolate(
            picture_13HW, (_LOOK_PX, _LOOK_PX), mode="bilinear", antialias=True
        )
    flow_THW2 = interpolate(raster, triangles_P3, moved.source_TN2)
    frames_T3HW = look_up(picture_13HW[0], flow_THW2, mode="bilinear")
    return ((frames_T3HW + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
