"""Landmarks and places as vectors, and landmarks as soft points.

Letters: X pictures, K landmarks, E landmark width, D width, G groups, H W pixels.
"""

import math

import torch
from torch import Tensor, nn

from viseme_core.types import LAYOUT_SIZES
from viseme_face.layouts import JAW_SLICE, LIP_INNER, LIP_OUTER, POSE_SLICE

NUM_LANDMARKS = LAYOUT_SIZES["talk131"]

# The shortest wave is a thirty-second of a picture: about a lip's thickness.
_OCTAVES = 6
NUM_WAVES = 4 * _OCTAVES
"""Sines and cosines along x and y."""

_OUTER, _INNER = len(LIP_OUTER), len(LIP_OUTER) + len(LIP_INNER)
# Rings run from the right corner over the upper lip to the left one and back.
_LEFT_CORNER = _OUTER + len(LIP_INNER) // 2
GROUPS = (
    range(_OUTER),
    range(_OUTER, _LEFT_CORNER + 1),
    range(_LEFT_CORNER, _INNER),
    range(_INNER, JAW_SLICE.stop),
    range(POSE_SLICE.start, POSE_SLICE.stop),
)
"""Rows of `talk131` that are drawn in one colour: the outer ring of the lips, the inner edge of the
upper lip and of the lower one, chin and jaw, the upper face."""
# Deviation of a point as a part of a picture's side: a pixel of 64, about a lip's thickness.
_POINT = 1 / 64


def waves(points_X2: Tensor) -> Tensor:
    """Return sines and cosines of points in [0, 1] at octaves of half a period, (..., 24)."""
    rates = math.pi * 2.0 ** torch.arange(_OCTAVES, device=points_X2.device, dtype=points_X2.dtype)
    angles = (points_X2[..., None] * rates).flatten(-2)
    return torch.cat([angles.sin(), angles.cos()], -1)


def grid_waves(height: int, width: int, like: Tensor) -> Tensor:
    """Return the waves of the middles of a grid's places, row by row, (height * width, 24)."""
    y, x = (
        (torch.arange(n, device=like.device, dtype=torch.float32) + 0.5) / n
        for n in (height, width)
    )
    points = torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), -1)
    return waves(points.flatten(0, 1)).to(like.dtype)


def soft_points(points_XK2: Tensor, size: int) -> Tensor:
    """Return landmarks as blurred points, (X, G, size, size) in [0, 1]; differentiable.

    A pixel is 1 - exp(-s) with s the sum of a Gaussian at each landmark of the group.

    Args:
        points_XK2: `talk131` in [0, 1] of the picture.
        size: Its side in pixels.
    """
    at = torch.arange(size, device=points_XK2.device, dtype=points_XK2.dtype) + 0.5
    away_XK2H = (at / size - points_XK2[..., None]) / _POINT
    along_x, along_y = (-away_XK2H.square() / 2).exp().unbind(2)
    drawn = [along_y[:, rows].mT @ along_x[:, rows] for rows in map(list, GROUPS)]
    return -torch.expm1(-torch.stack(drawn, 1))


class LandmarkEmbedding(nn.Module):
    """Embeds each landmark together with its neighbours in the layout's order (Sec. III-C.1).

    A convolution cannot tell one part of the sequence from another, so each landmark has a vector
    of its own besides.

    Args:
        width: Channels of an embedding.
        located: Describe coordinates by waves too.
    """

    def __init__(self, width: int, *, located: bool) -> None:
        super().__init__()
        self.located = located
        self.convolutions = nn.Sequential(
            nn.Conv1d(2 + NUM_WAVES * located, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv1d(width, width, 3, padding=1),
        )
        self.order_KE = nn.Parameter(0.02 * torch.randn(NUM_LANDMARKS, width))

    def forward(self, points_XK2: Tensor) -> Tensor:
        """Return embeddings (X, K, E) of landmarks in [0, 1] of the picture."""
        described = 2 * points_XK2 - 1
        if self.located:
            described = torch.cat([described, waves(points_XK2)], -1)
        return self.convolutions(described.mT).mT + self.order_KE


class FaceEmbedding(nn.Module):
    """Embeds all landmarks as one vector: the row without M-Align.

    Args:
        width: Channels of the embedding.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * NUM_LANDMARKS, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, width),
        )

    def forward(self, points_XK2: Tensor) -> Tensor:
        """Return the embedding (X, 1, E) of landmarks in [0, 1] of the picture."""
        return self.layers((2 * points_XK2 - 1).flatten(1))[:, None]
