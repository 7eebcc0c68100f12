"""What a head is built on: the oval of the face, the skull behind it, and how heads differ."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

HairStyle = Literal["bald", "short", "full", "bob", "long"]

UPPER_OVAL = (
    *(234, 127, 162, 21, 54, 103, 67, 109, 10),
    *(338, 297, 332, 284, 251, 389, 356, 454),
)
"""Oval of the face from the right ear over the forehead to the left ear."""
LOWER_OVAL = (
    *(454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152),
    *(148, 176, 149, 150, 136, 172, 58, 132, 93, 234),
)
"""The rest of it, from the left ear under the chin to the right ear."""

SKULL_END = 3.7
"""Angle at which the skull ends at the nape."""


@dataclass(frozen=True, kw_only=True)
class HeadShape:
    """What a head looks like beyond its face; lengths are decimetres."""

    hair: HairStyle = "short"
    """How long the hair is."""
    volume: float = 0.1
    """Thickness of the hair."""
    hairline: float = 0.0
    """Angle by which the hair begins above the oval of the face (receding) or below it, radians."""
    parting: float = 0.0
    """How much higher the hair begins on one side than on the other, radians."""
    roughness: float = 0.02
    """Size of the hair's bumps."""
    neck: float = 1.0
    """Width of the neck and shoulders over that of the mean head."""
    seed: int = 0
    """Which bumps the hair has."""


class Skull:
    """An ellipsoid with its poles at the ears that meets the face's oval.

    Args:
        face_K3: The face at rest.
        refine: Columns per step between two points of the oval.
    """

    def __init__(self, face_K3: Tensor, refine: int = 1) -> None:
        oval_C3 = face_K3[list(UPPER_OVAL)]
        if refine > 1:
            num_columns = (len(oval_C3) - 1) * refine + 1
            oval_C3 = F.interpolate(
                oval_C3.T[None], num_columns, mode="linear", align_corners=True
            )[0].T
        ears_3 = face_K3[[127, 356]].mean(0)
        top_y = face_K3[10, 1] + 0.45
        self.centre_3 = torch.stack([ears_3[0], ears_3[1] + 0.16, ears_3[2] - 0.13])
        half_x = (face_K3[356, 0] - face_K3[127, 0]) / 2 * 1.02
        self.half_3 = torch.stack([half_x, top_y - self.centre_3[1], half_x * 1.26])
        unit_C3 = (oval_C3 - self.centre_3) / self.half_3
        self.side_C = unit_C3[:, 0].clamp(-0.97, 0.97).acos()
        self.start_C = torch.atan2(unit_C3[:, 1], unit_C3[:, 2])
        self.offset_C3 = oval_C3 - self._ball(self.start_C[None])[0]

    def angles(self, share_R: Tensor) -> Tensor:
        """Return angles about the axis through the ears, from the oval to the nape, (R, C)."""
        return torch.lerp(self.start_C[None], torch.tensor(SKULL_END), share_R[:, None])

    def at(self, angle_RC: Tensor) -> Tensor:
        """Return points of the skull, which leaves the oval smoothly, (R, C, 3)."""
        share_RC = ((angle_RC - self.start_C) / (SKULL_END - self.start_C)).clamp(0, 1)
        return self._ball(angle_RC) + ((1 - share_RC) ** 4)[..., None] * self.offset_C3

    def _ball(self, angle_RC: Tensor) -> Tensor:
        side_RC = self.side_C.expand_as(angle_RC)
        unit_RC3 = torch.stack(
            [side_RC.cos(), side_RC.sin() * angle_RC.sin(), side_RC.sin() * angle_RC.cos()], -1
        )
        return self.centre_3 + self.half_3 * unit_RC3
