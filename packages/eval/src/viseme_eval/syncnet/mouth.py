"""What the sync network sees of a face: lips and jaw, free of head pose, scale and place.

Each frame's face is turned onto a mean face by the points that speech leaves in place (temples,
nose, corners of the eyes). Letters: T frames, K landmarks.
"""

import torch
from torch import Tensor, nn

from viseme_core.types import NUM_EXPRESSION, NUM_IDENTITY
from viseme_face import MorphableModel
from viseme_face.layouts import (
    CONTENT_SLICE,
    CONTOUR,
    LEFT_EYE_CORNERS,
    NOSE_BASE,
    NOSE_BRIDGE,
    RIGHT_EYE_CORNERS,
    positions,
)

LAYOUT = "talk131"
RIGID = (
    *CONTOUR[:4],
    *CONTOUR[21:],
    *NOSE_BRIDGE,
    *NOSE_BASE,
    *RIGHT_EYE_CORNERS,
    *LEFT_EYE_CORNERS,
)
"""Mesh ids of the points that a face is turned by."""
NUM_POINTS = CONTENT_SLICE.stop
"""Points of lips and jaw."""

# Brings what moves to about 1: lips move by some hundredths of the mean face's size.
_GAIN = 20.0


class MouthShape(nn.Module):
    """Turns landmarks into the shape of lips and jaw.

    The mean face is kept with the weights, so that a later face model does not change a network.
    """

    template_R3: Tensor

    def __init__(self) -> None:
        super().__init__()
        model = MorphableModel.builtin()
        mean_K3 = model.landmarks(torch.zeros(NUM_IDENTITY), torch.zeros(NUM_EXPRESSION), LAYOUT)
        self.register_buffer("template_R3", _centred(mean_K3[positions(RIGID, LAYOUT)]))
        self._rigid = positions(RIGID, LAYOUT).tolist()

    def forward(self, points_TK3: Tensor) -> Tensor:
        """Return the shape (..., T, 57 x 3) of landmarks `talk131` (..., T, 131, 3).

        In units of about the size of movements; the mouth's place in the face is still in it.
        """
        # Pictures have y down and depth away from the camera, the model neither: half a turn, which
        # the rotation includes.
        rigid_TR3 = points_TK3[..., self._rigid, :]
        middle_T13 = rigid_TR3.mean(-2, keepdim=True)
        rotation_T33, scale_T = turn_onto(rigid_TR3 - middle_T13, self.template_R3)
        mouth_TK3 = points_TK3[..., CONTENT_SLICE, :] - middle_T13
        turned_TK3 = mouth_TK3 @ rotation_T33.mT * scale_T[..., None, None]
        return _GAIN * turned_TK3.flatten(-2)


def turn_onto(points_TR3: Tensor, target_R3: Tensor) -> tuple[Tensor, Tensor]:
    """Return rotations (..., 3, 3) and scales (...) that bring points nearest to a target.

    Least squares over all points, both around their middle (Umeyama 1991).

    Args:
        points_TR3: Points around 0, shape (..., R, 3).
        target_R3: Target around 0.
    """
    u_T33, size_T3, vh_T33 = torch.linalg.svd(target_R3.mT @ points_TR3)
    # A mirrored face is none.
    flip_T3 = torch.ones_like(size_T3)
    flip_T3[..., 2] = torch.linalg.det(u_T33 @ vh_T33).sign()
    rotation_T33 = (u_T33 * flip_T3[..., None, :]) @ vh_T33
    power_T = points_TR3.square().sum((-2, -1)).clamp_min(1e-12)
    return rotation_T33, (size_T3 * flip_T3).sum(-1) / power_T


def _centred(points_R3: Tensor) -> Tensor:
    """Return points around their middle, of root mean square distance 1."""
    points_R3 = points_R3 - points_R3.mean(0)
    return points_R3 / points_R3.square().sum(-1).mean().sqrt()
