"""Faces for the tests of tracking: a portrait that moves, and landmarks without a picture."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from viseme_face import MorphableModel, pose_vertices, project

_PORTRAIT = Path(__file__).parent / "assets" / "portrait.jpg"
PORTRAIT_FACE_PX = 100
"""Larger side of the face in the portrait, from chin to hairline, about."""


def portrait() -> np.ndarray:
    """The portrait, uint8 RGB (320, 320, 3), face at (153, 122)."""
    return np.ascontiguousarray(cv2.imread(str(_PORTRAIT))[..., ::-1])


def scene(
    *,
    width: int = 320,
    height: int = 320,
    zoom: float = 1.0,
    at: tuple[float, float] = (0.0, 0.0),
    turn: float = 0.0,
    face: bool = True,
    under: np.ndarray | None = None,
) -> np.ndarray:
    """A picture of a wall with the portrait on it, its corner at `at`, turned about its middle."""
    if under is None:
        shade = np.linspace(90, 150, width).astype(np.uint8)
        under = np.repeat(np.broadcast_to(shade[None, :, None], (height, width, 1)), 3, 2).copy()
    if not face:
        return under
    picture = portrait()
    if zoom < 1:
        side = max(1, round(320 * zoom))
        picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    matrix = portrait_matrix(zoom, at, turn, side=len(picture))
    # From pixel edges to the pixel centres that OpenCV counts from.
    matrix[:, 2] += matrix[:, :2].sum(1) / 2 - 0.5
    return cv2.warpAffine(
        picture, matrix, (width, height), dst=under, borderMode=cv2.BORDER_TRANSPARENT
    )


def portrait_matrix(
    zoom: float, at: tuple[float, float], turn: float = 0.0, *, side: int = 320
) -> np.ndarray:
    """The map (2, 3) from the portrait's pixels to those of `scene`, from edge to edge."""
    scale = 320 * zoom / side
    cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
    turned = np.array([[cos, -sin], [sin, cos]])
    middle = np.full(2, side / 2)
    shift = np.array(at) + scale * middle - turned @ middle
    return np.concatenate([turned, shift[:, None]], 1)


def talking_points(model: MorphableModel, num_frames: int = 60) -> Tensor:
    """Landmarks (T, 478, 3) in a 640 px picture of a face that nods, turns, talks and blinks."""
    draw = torch.Generator().manual_seed(0)
    time = torch.arange(num_frames) / 25
    identity = 0.5 * torch.randn(80, generator=draw) * model.identity_std_I
    pushes = torch.randn(4, 64, generator=draw) * model.expression_std_E * 0.5
    waves = torch.stack([torch.sin(2 * torch.pi * f * time) / f for f in (0.7, 1.3, 2.1, 3.2)], 1)
    pose = torch.zeros(num_frames, 6)
    pose[:, 0] = 0.1 * torch.sin(2 * torch.pi * 0.4 * time)
    pose[:, 1] = 0.3 * torch.sin(2 * torch.pi * 0.3 * time)
    pose[:, 3] = 0.05 * time
    posed_TK3 = pose_vertices(model.landmarks(identity, waves @ pushes, "mp478"), pose)
    flat_TK2 = project(posed_TK3)
    depth_TK1 = -posed_TK3[..., 2:] * 0.45
    return torch.cat([flat_TK2, depth_TK1], -1) * 640


def flat_face(cx: float, cy: float, side: float) -> np.ndarray:
    """478 points spread over a square, (478, 3): enough of a face for boxes and tracks."""
    grid = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 24), np.linspace(-0.5, 0.5, 20)), -1)
    points = np.zeros((478, 3), np.float32)
    points[:, :2] = grid.reshape(-1, 2)[:478] * side + (cx, cy)
    points[-1, :2] = (cx + side / 2, cy + side / 2)
    return points
