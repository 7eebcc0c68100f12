"""The inside of a mouth: cavity, teeth and tongue, seen through the inner lip ring.

Upper teeth are fixed to the skull, lower teeth and tongue turn with the jaw about an axis through
the ears, and how far the jaw is open is read off the chin. Rows of teeth are parabolic walls that
each pixel's ray is cut with. All sizes scale with the width of the person's mouth at rest.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from viseme_face.coverage import Covered
from viseme_face.eyes import Rays
from viseme_face.layouts import LIP_CORNERS
from viseme_face.pose import FOCAL
from viseme_face.regions import close_lips

CHIN_IDS = (152, 148, 377, 176, 400, 175, 199, 200)
"""Points on the bone of the chin: they move with the jaw, hardly with the lips."""
_EARS = (234, 454)
# A mouth of the mean face; sizes below are decimetres in it.
_MOUTH_WIDTH = 0.43
_BEHIND_LIPS = 0.045
_CURVE = 2.6
_UPPER_EDGES = (0.0, 0.085, 0.15, 0.226, 0.296, 0.366, 0.46)
_LOWER_EDGES = (0.0, 0.054, 0.113, 0.18, 0.25, 0.32, 0.42)
_UPPER_HEIGHT, _LOWER_HEIGHT = 0.1, 0.085
_OVERBITE = 0.018
_REST_SHOW = -0.032
# The tongue's half axes.
_TONGUE = (0.19, 0.075, 0.27)


@dataclass(frozen=True, kw_only=True)
class MouthStyle:
    """What the inside of a mouth looks like; colours are linear RGB."""

    teeth: tuple[float, float, float] = (0.85, 0.79, 0.69)
    """Colour of the teeth."""
    gums: tuple[float, float, float] = (0.42, 0.13, 0.13)
    """Colour of the gums."""
    tongue: tuple[float, float, float] = (0.42, 0.12, 0.12)
    """Colour of the tongue."""


class MouthShape(NamedTuple):
    """Where the teeth of one person are, in model space."""

    origin_3: Tensor
    """Middle of the closed lips, moved back to the front of the upper teeth."""
    hinge_3: Tensor
    """A point on the jaw's axis, which runs from side to side."""
    chin_3: Tensor
    """The chin at rest."""
    scale: Tensor
    """Width of the mouth at rest over that of the mean face."""


class Inside(NamedTuple):
    """What the rays of a window see inside the mouth, before the lips are laid over."""

    color_T3hw: Tensor
    upper_Thw: Tensor
    """Share of each pixel that shows upper teeth."""
    lower_Thw: Tensor
    """Share that shows lower teeth."""
    tongue_Thw: Tensor
    """Share that shows the tongue."""


def place_mouth(neutral_K3: Tensor) -> MouthShape:
    """Return where the teeth of a person are.

    Args:
        neutral_K3: `mp478` points of the face at rest in model space, shape (478, 3); its lips
            need not touch.
    """
    closed_K3 = close_lips(neutral_K3)
    right_3, left_3 = closed_K3[list(LIP_CORNERS)]
    scale = (left_3 - right_3).norm() / _MOUTH_WIDTH
    line_3 = closed_K3[13]
    origin_3 = torch.stack(
        [(right_3[0] + left_3[0]) / 2, line_3[1], line_3[2] - _BEHIND_LIPS * scale]
    )
    return MouthShape(
        origin_3, closed_K3[list(_EARS)].mean(0), neutral_K3[list(CHIN_IDS)].mean(0), scale
    )


def jaw_angle(points_TK3: Tensor, shape: MouthShape) -> Tensor:
    """Return how far the jaw is open about its hinge in radians, shape (T,); 0 is at rest.

    Args:
        points_TK3: `mp478` points of every frame in model space.
        shape: The person's mouth.
    """

    def elevation(chin_X3: Tensor) -> Tensor:
        y, z = (chin_X3 - shape.hinge_3)[..., 1:].unbind(-1)
        return torch.atan2(y, z)

    turn_T = elevation(shape.chin_3) - elevation(points_TK3[:, list(CHIN_IDS)].mean(1))
    # Teeth stop a jaw that closes further.
    return turn_T.clamp(min=0)


def draw_inside(
    rays: Rays,
    lips: Covered,
    rows_Th: Tensor,
    shape: MouthShape,
    jaw_T: Tensor,
    tongue_T: Tensor,
    style: MouthStyle,
    size: int,
) -> Inside:
    """Return what shows between the lips.

    Args:
        rays: Rays of the mouth's window, from `eyes.rays_through`.
        lips: What the inner lip ring covers in the window; its edges shade what lies behind.
        rows_Th: Centres of the window's rows in pixels.
        shape: The person's mouth.
        jaw_T: Opening of the jaw in radians.
        tongue_T: How far the tip of the tongue is raised, from 0 to 1 at the upper teeth.
        style: Colours.
        size: Side of the picture in pixels.
    """
    skull = _scaled(rays, shape, None)
    jaw = _scaled(rays, shape, jaw_T)
    teeth_3, gums_3, tongue_3 = (
        rays.origin_T3.new_tensor(color)[:, None, None]
        for color in (style.teeth, style.gums, style.tongue)
    )
    # What the opening lets in falls off from the lips inwards, most below the upper one.
    open_T1w = (lips.bottom_Tw - lips.top_Tw)[:, None].clamp(min=1e-3)
    down_Thw = (rows_Th[..., None] - lips.top_Tw[:, None]) / open_T1w
    down_Thw = down_Thw.nan_to_num(0, 0, 0).clamp(0, 1)

    floor_Thw = 0.25 + 0.75 * down_Thw**2
    color_T3hw = gums_3 * (0.10 * floor_Thw)[:, None]

    tongue_Thw, light_Thw = _tongue(jaw, tongue_T, size)
    color_T3hw = torch.lerp(
        color_T3hw, tongue_3 * (light_Thw * (0.2 + 0.8 * down_Thw))[:, None], tongue_Thw[:, None]
    )

    wall = _wall(jaw, -0.03, _LOWER_EDGES, size)
    top_Thw = _REST_SHOW + _OVERBITE - 0.01 * wall.corner_Thw
    lower_Thw = _step(top_Thw - wall.y_Thw, wall) * wall.inside_Thw
    gum_Thw = _step(top_Thw - _LOWER_HEIGHT - wall.y_Thw, wall)
    shade_Thw = wall.shade_Thw * (0.6 + 0.25 * down_Thw)
    row_T3hw = torch.lerp(teeth_3 * wall.gap_Thw[:, None], gums_3, gum_Thw[:, None])
    color_T3hw = torch.lerp(color_T3hw, row_T3hw * shade_Thw[:, None], lower_Thw[:, None])

    wall = _wall(skull, 0.0, _UPPER_EDGES, size)
    bottom_Thw = _REST_SHOW + 0.01 * wall.corner_Thw + 0.35 * wall.x_Thw**2
    upper_Thw = _step(wall.y_Thw - bottom_Thw, wall) * wall.inside_Thw
    gum_Thw = _step(wall.y_Thw - bottom_Thw - _UPPER_HEIGHT + 0.03 * wall.corner_Thw, wall)
    shade_Thw = wall.shade_Thw * (0.7 + 0.3 * (2.5 * down_Thw).clamp(0, 1))
    row_T3hw = torch.lerp(teeth_3 * wall.gap_Thw[:, None], gums_3, gum_Thw[:, None])
    color_T3hw = torch.lerp(color_T3hw, row_T3hw * shade_Thw[:, None], upper_Thw[:, None])
    behind_Thw = 1 - upper_Thw
    return Inside(
        color_T3hw,
        upper_Thw * (1 - gum_Thw),
        lower_Thw * behind_Thw,
        tongue_Thw * (1 - lower_Thw) * behind_Thw,
    )


class _Wall(NamedTuple):
    """Where rays meet a row of teeth, in the mouth's own units."""

    x_Thw: Tensor
    y_Thw: Tensor
    pixel_Thw: Tensor
    gap_Thw: Tensor
    """Brightness, darker between two teeth."""
    corner_Thw: Tensor
    """1 at the edge between two teeth, 0 in the middle of one."""
    shade_Thw: Tensor
    """Light on the row, darker towards the cheeks."""
    inside_Thw: Tensor
    """Share of the pixel that meets the row rather than passing beside it."""


def _scaled(rays: Rays, shape: MouthShape, jaw_T: Tensor | None) -> Rays:
    """Return the rays in units of the mouth, turned back with the jaw if it is given."""
    origin_T3, direction_T3hw = rays.origin_T3, rays.direction_T3hw
    if jaw_T is not None:
        cos, sin = jaw_T.cos(), jaw_T.sin()
        x, y, z = (origin_T3 - shape.hinge_3).unbind(1)
        origin_T3 = torch.stack([x, cos * y + sin * z, cos * z - sin * y], 1) + shape.hinge_3
        x, y, z = direction_T3hw.unbind(1)
        cos, sin = cos[:, None, None], sin[:, None, None]
        direction_T3hw = torch.stack([x, cos * y + sin * z, cos * z - sin * y], 1)
    return Rays((origin_T3 - shape.origin_3) / shape.scale, direction_T3hw / shape.scale)


def _wall(rays: Rays, forward: float, edges: tuple[float, ...], size: int) -> _Wall:
    """Cut rays with the wall z = forward - curve x^2."""
    ox, oy, oz = (axis[:, None, None] for axis in rays.origin_T3.unbind(1))
    dx, dy, dz = rays.direction_T3hw.unbind(1)
    a = _CURVE * dx**2
    b = 2 * _CURVE * ox * dx + dz
    c = _CURVE * ox**2 + oz - forward
    # The nearer root, in the form that stays exact for rays along z.
    depth = 2 * c / ((b**2 - 4 * a * c).clamp(min=0).sqrt() - b)
    x, y = ox + depth * dx, oy + depth * dy
    pixel = depth / (FOCAL * size) * (dx**2 + dy**2 + dz**2).sqrt()
    # Length along the arch, to third order.
    reach = x.abs() * (1 + (2 * _CURVE * x) ** 2 / 6)
    edge = reach
    for number in edges[1:]:
        edge = torch.minimum(edge, (reach - number).abs())
    corner = torch.exp(-((edge / 0.01) ** 2))
    width = torch.maximum(pixel, torch.full_like(pixel, 0.006))
    gap = 1 - 0.4 * (0.006 / width) * torch.exp(-((edge / width) ** 2))
    shade = 1 / (1 + (x / 0.2) ** 4)
    inside = ((edges[-1] - reach) / pixel + 0.5).clamp(0, 1)
    return _Wall(x, y, pixel, gap, corner, shade, inside)


def _step(above_Thw: Tensor, wall: _Wall) -> Tensor:
    """Return the share of each pixel on the positive side of an edge."""
    return (above_Thw / wall.pixel_Thw + 0.5).clamp(0, 1)


def _tongue(jaw: Rays, tongue_T: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the share of each pixel that meets the tongue, and the light on it."""
    half_3 = jaw.origin_T3.new_tensor(_TONGUE)
    raised_T = tongue_T.clamp(0, 1)
    centre_T3 = torch.stack(
        [0 * raised_T, -0.13 + 0.12 * raised_T, -0.11 - _TONGUE[2] + 0.06 * raised_T], 1
    )
    origin_T3 = (jaw.origin_T3 - centre_T3) / half_3
    direction = jaw.direction_T3hw / half_3[:, None, None]
    square = direction.square().sum(1)
    along = (direction * origin_T3[..., None, None]).sum(1)
    free = origin_T3.square().sum(-1)[:, None, None] - along**2 / square
    # How far inside the ball's outline the ray passes, in pixels.
    pixel = 1 / (FOCAL * size) * (-along / square) * square.sqrt()
    share = ((1 - free.clamp(min=0).sqrt()) / pixel + 0.5).clamp(0, 1)
    depth = (-along - (1 - free).clamp(min=0).mul(square).sqrt()) / square
    normal_y = origin_T3[:, 1, None, None] + depth * direction[:, 1]
    x = origin_T3[:, 0, None, None] + depth * direction[:, 0]
    light = (0.45 + 0.55 * normal_y.clamp(-0.3, 1)) * (1 - 0.25 * torch.exp(-((x / 0.08) ** 2)))
    return share, light
