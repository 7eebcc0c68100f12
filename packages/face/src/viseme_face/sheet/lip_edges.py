"""Where the lips of an open mouth really begin: a tracker's lips hold an edge of teeth or shade.

From each point of the inner lip outwards, what looks more like the mouth's inside beside it than
like the lip further out is no lip. When the mouth closes, its lips are taken from beyond that.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_face.layouts import LIP_PAIRS, LIP_RINGS

_STEPS = 40
# Shares of a lip's height, from its inner edge: what is surely lip, and the most that may not be.
_SURELY_LIP = (0.55, 0.9)
_FARTHEST = 0.5
# Shares of the mouth's height inside of an edge, where its inside is looked at.
_INSIDE = (0.08, 0.4)
# How much nearer than to the lip's a colour of the inside must be.
_SURE = 0.65
# What is half inside and half lip is as wide as this.
_SOFT_PX = 0.7


def lip_edges(picture_3HW: Tensor, points_V2: Tensor) -> Tensor:
    """Return how much of each lip's height is inside of the mouth, from 0 to `_FARTHEST`.

    Args:
        picture_3HW: The portrait, any range.
        points_V2: Its face mesh in [0, 1] of the picture.

    Returns:
        Shares for the points of `LIP_RINGS[3]`, (L,).
    """
    size = picture_3HW.shape[-1]
    path_4L2 = _lip_paths(points_V2)
    step_S = torch.linspace(0, 1, _STEPS + 1, device=points_V2.device)
    colors_S3L = _colors(picture_3HW, along(path_4L2, step_S[:, None]))
    opposite_L2 = points_V2[_opposite()]
    inward_S = torch.linspace(*_INSIDE, 8, device=points_V2.device)
    inside_S3L = _colors(picture_3HW, torch.lerp(path_4L2[0], opposite_L2, inward_S[:, None, None]))
    low, high = (round(share * _STEPS) for share in _SURELY_LIP)
    to_lip_SL = _nearest(colors_S3L, colors_S3L[low:high])
    to_inside_SL = _nearest(colors_S3L, inside_S3L)
    is_inside_SL = (to_inside_SL < _SURE * to_lip_SL)[: round(_FARTHEST * _STEPS)]
    ends_L = is_inside_SL.long().cumprod(0).sum(0) / _STEPS
    height_L = (path_4L2[1:] - path_4L2[:-1]).norm(dim=-1).sum(0) * size
    ends_L = ends_L + (ends_L > 0) * _SOFT_PX / height_L.clamp_min(1)
    # The corners, which have no inside of their own, do as those beside them; nobody stands out.
    is_corner_L = torch.tensor(
        [here == there for here, there in zip(LIP_RINGS[3], _opposite(), strict=True)],
        device=ends_L.device,
    )
    ends_L = torch.where(is_corner_L, 0, ends_L)
    ends_L = torch.maximum(ends_L, (ends_L.roll(1) + ends_L.roll(-1)) / 2)
    return ends_L.clamp(max=_FARTHEST)


def without_inside(points_V2: Tensor, ends_L: Tensor) -> Tensor:
    """Return a face mesh whose lips begin further out, all their rings closer together.

    Args:
        points_V2: Face mesh in [0, 1] of the picture.
        ends_L: Share of each lip's height to leave out, as `lip_edges` gives it.
    """
    path_4L2 = _lip_paths(points_V2)
    legs_3L = (path_4L2[1:] - path_4L2[:-1]).norm(dim=-1)
    place_4L = F.pad(legs_3L.cumsum(0), (0, 0, 1, 0)) / legs_3L.sum(0).clamp_min(1e-9)
    moved_4L2 = along(path_4L2, torch.lerp(place_4L, torch.ones_like(place_4L), ends_L))
    result_V2 = points_V2.clone()
    result_V2[torch.tensor(LIP_RINGS[::-1], device=points_V2.device)] = moved_4L2
    return result_V2


def along(path_PL2: Tensor, share_SL: Tensor) -> Tensor:
    """Return places (S, L, 2) a share of the way along each of L lines of P points."""
    legs_QL = (path_PL2[1:] - path_PL2[:-1]).norm(dim=-1)
    start_QL = legs_QL.cumsum(0) - legs_QL
    way_SL = share_SL * legs_QL.sum(0)
    within_SQL = ((way_SL[:, None] - start_QL) / legs_QL.clamp_min(1e-9)).clamp(0, 1)
    return path_PL2[0] + (within_SQL[..., None] * (path_PL2[1:] - path_PL2[:-1])).sum(1)


def _lip_paths(points_V2: Tensor) -> Tensor:
    """Return the lips' rings from the inner to the outer one, (4, L, 2)."""
    return points_V2[torch.tensor(LIP_RINGS[::-1], device=points_V2.device)]


def _opposite() -> list[int]:
    """Return the point across the mouth of each inner lip point, corners themselves."""
    across = dict(LIP_PAIRS) | {low: up for up, low in LIP_PAIRS}
    return [across.get(point, point) for point in LIP_RINGS[3]]


def _colors(picture_3HW: Tensor, places_SL2: Tensor) -> Tensor:
    grid_1SL2 = 2 * places_SL2[None] - 1
    colors_3SL = F.grid_sample(
        picture_3HW[None], grid_1SL2, padding_mode="border", align_corners=False
    )[0]
    return colors_3SL.permute(1, 0, 2)


def _nearest(colors_S3L: Tensor, known_K3L: Tensor) -> Tensor:
    """Return how far each colour is from the nearest known one of its own lip's point, (S, L)."""
    return (colors_S3L[:, None] - known_K3L).norm(dim=2).amin(1)
