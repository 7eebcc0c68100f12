"""Glasses: two rims, a bridge and arms, as lines that turn with the head."""

import torch
from torch import Tensor

from viseme_face.coverage import Layer, distance_to_line, window_around
from viseme_face.eyes import EYES
from viseme_face.pose import CAMERA_DISTANCE, FOCAL, euler_to_matrix, pose_vertices, project

Color = tuple[float, float, float]
# Decimetres on the mean face, whose eyes are 0.26 wide.
_EYE_WIDTH = 0.26
_HALF_WIDTH, _HALF_HEIGHT = 0.26, 0.185
_FORWARD = 0.14
_LINE = 0.022
_CORNERS = 22
_EARS = (127, 356)


class Glasses:
    """Glasses that fit one person.

    Args:
        neutral_K3: `mp478` points of the face at rest in model space, shape (478, 3).
        color: Linear RGB of the rims.
        arms: Whether the arms show; long hair hides them.
    """

    def __init__(self, neutral_K3: Tensor, color: Color, *, arms: bool = True) -> None:
        self.color = color
        turn_K = torch.linspace(0, 2 * torch.pi, _CORNERS + 1)
        # Rounded rectangles.
        x_K = turn_K.cos().sign() * turn_K.cos().abs() ** 0.7
        y_K = turn_K.sin().sign() * turn_K.sin().abs() ** 0.7
        lines: list[Tensor] = []
        corners_223 = torch.stack([neutral_K3[[ring[0], ring[8]]] for ring, _ in EYES])
        self._scale = (corners_223[:, 0] - corners_223[:, 1]).norm(dim=-1).mean() / _EYE_WIDTH
        forward = corners_223[..., 2].mean() + _FORWARD * self._scale
        for side, middle_3 in zip((-1, 1), corners_223.mean(1), strict=True):
            centre_x = middle_3[0] + side * 0.02 * self._scale
            x = centre_x + _HALF_WIDTH * self._scale * x_K
            y = middle_3[1] + self._scale * (_HALF_HEIGHT * y_K - 0.03)
            # The rims bend back around the face.
            z = forward - 0.25 * (x - neutral_K3[168, 0]) ** 2 / self._scale
            lines.append(torch.stack([x, y, z], 1))
        inner_23 = torch.stack([lines[0][0], lines[1][_CORNERS // 2]])
        arch_33 = torch.lerp(inner_23[0], inner_23[1], torch.tensor([[0.0], [0.5], [1.0]]))
        arch_33[:, 1] += torch.tensor([0.03, 0.06, 0.03]) * self._scale
        lines.append(arch_33)
        self._sides: list[int | None] = [None, None, None]
        if arms:
            for side, rim_K3, at, ear in (
                (-1, lines[0], _CORNERS // 2, _EARS[0]),
                (1, lines[1], 0, _EARS[1]),
            ):
                ear_3 = neutral_K3[ear] + torch.tensor([side * 0.05, 0.05, -0.1])
                start_3 = rim_K3[at] + torch.tensor([0, 0.05, 0])
                lines.append(torch.stack([start_3, ear_3]))
                self._sides.append(side)
        self._lines = lines

    def layers(self, pose_T6: Tensor, size: int) -> list[Layer]:
        """Return the layers of a clip, to be laid over everything else.

        Args:
            pose_T6: Pose of every frame.
            size: Side of the picture in pixels.
        """
        width_T = _LINE * self._scale * FOCAL * size / (CAMERA_DISTANCE - pose_T6[:, 5])
        sideways_T3 = euler_to_matrix(pose_T6[:, :3])[:, :, 0]
        layers = []
        for line_K3, side in zip(self._lines, self._sides, strict=True):
            screen_TK2 = size * project(pose_vertices(line_K3, pose_T6))
            window = window_around(screen_TK2, 2, size)
            distance_Thw, _ = distance_to_line(screen_TK2, window)
            share_Thw = (width_T[:, None, None] / 2 - distance_Thw + 0.5).clamp(0, 1)
            if side is not None:
                # An arm on the far side is behind the head.
                seen_T = (5 * (side * sideways_T3[:, 2] + 0.35)).clamp(0, 1)
                share_Thw = share_Thw * seen_T[:, None, None]
            color_311 = share_Thw.new_tensor(self.color)[:, None, None]
            layers.append(
                Layer(window, color_311.expand(len(pose_T6), 3, *share_Thw.shape[1:]), share_Thw)
            )
        return layers
