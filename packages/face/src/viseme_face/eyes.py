"""Eyeballs: where they sit in a face, where they look, and what shows between the lids.

An eyeball is a sphere behind the lids. Each pixel's ray is cut with it, so the iris turns, shortens
and slides under the lids as it does in life, and nothing depends on where the skin comes from.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_face.coverage import Window
from viseme_face.layouts import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS
from viseme_face.pose import CAMERA_DISTANCE, FOCAL, euler_to_matrix

EYES = ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS))
# Radius over the distance of the eye's corners. Larger than life (0.4), so that the corners of
# the lids still lie on the ball.
_RADIUS = 0.56


class Eyeballs(NamedTuple):
    """The right and the left eyeball of one person, in model space."""

    centre_23: Tensor
    radius_2: Tensor
    iris_radius_2: Tensor


@dataclass(frozen=True, kw_only=True)
class EyeStyle:
    """What eyes look like; colours are linear RGB."""

    iris: tuple[float, float, float] = (0.12, 0.07, 0.03)
    """Colour of the iris."""
    sclera: tuple[float, float, float] = (0.72, 0.66, 0.62)
    """Colour of the white."""
    pupil: float = 0.42
    """Radius of the pupil over that of the iris."""


class Rays(NamedTuple):
    """Rays through the pixels of a window, in model space; a point is origin + depth direction."""

    origin_T3: Tensor
    direction_T3hw: Tensor

    def pixel(self, depth_Thw: Tensor, size: int) -> Tensor:
        """Return the width of a pixel in model units at some depth."""
        return depth_Thw / (FOCAL * size)


def rays_through(window: Window, pose_T6: Tensor, size: int) -> Rays:
    """Return the rays through a window's pixels as the posed head sees them.

    Args:
        window: Window in pixels.
        pose_T6: Pose of every frame.
        size: Side of the picture in pixels.
    """
    rotation_T33 = euler_to_matrix(pose_T6[:, :3])
    right_Tw = (window.columns / size - 0.5) / FOCAL
    up_Th = (0.5 - window.rows / size) / FOCAL
    # R^T d for d = (right, up, -1), one axis at a time.
    direction_T3hw = (
        rotation_T33[:, 0, :, None, None] * right_Tw[:, None, None]
        + rotation_T33[:, 1, :, None, None] * up_Th[:, None, :, None]
        - rotation_T33[:, 2, :, None, None]
    )
    camera_3 = pose_T6.new_tensor([0, 0, CAMERA_DISTANCE])
    origin_T3 = ((camera_3 - pose_T6[:, 3:])[:, None] @ rotation_T33)[:, 0]
    return Rays(origin_T3, direction_T3hw)


def place_eyeballs(neutral_K3: Tensor) -> Eyeballs:
    """Return the eyeballs of a person.

    Args:
        neutral_K3: `mp478` points of the face at rest in model space, shape (478, 3).
    """
    centres, radii, irises = [], [], []
    for ring, iris in EYES:
        outline_K3 = neutral_K3[list(ring)]
        corners_23 = neutral_K3[[ring[0], ring[8]]]
        radius = _RADIUS * (corners_23[0] - corners_23[1]).norm()
        middle_3 = corners_23.mean(0)
        aside_K = (outline_K3[:, :2] - middle_3[:2]).square().sum(1)
        behind_K = outline_K3[:, 2] - (radius**2 - aside_K).clamp(min=0).sqrt()
        centres.append(torch.cat([middle_3[:2], behind_K.mean()[None]]))
        radii.append(radius)
        rim_K3 = neutral_K3[list(iris)]
        irises.append((rim_K3[1:] - rim_K3[0]).norm(dim=-1).mean())
    return Eyeballs(torch.stack(centres), torch.stack(radii), torch.stack(irises))


def gaze_of_mesh(points_TK3: Tensor, eyeballs: Eyeballs) -> Tensor:
    """Return where the irises of the mesh look, unit vectors in model space, shape (T, 2, 3).

    Args:
        points_TK3: `mp478` points of every frame in model space.
        eyeballs: The person's eyeballs.
    """
    centres_T23 = points_TK3[:, [RIGHT_IRIS[0], LEFT_IRIS[0]]]
    # The middle of the iris lies within the ball: its rim is what lies on it.
    reach_2 = eyeballs.radius_2 - eyeballs.iris_radius_2**2 / (2 * eyeballs.radius_2)
    aside_T22 = (centres_T23 - eyeballs.centre_23)[..., :2] / reach_2[:, None]
    # Beyond 60 degrees the landmark is wrong, not the eye.
    aside_T22 = aside_T22 * (0.87 / aside_T22.norm(dim=-1, keepdim=True).clamp_min(0.87))
    ahead_T2 = (1 - aside_T22.square().sum(-1)).sqrt()
    return torch.cat([aside_T22, ahead_T2[..., None]], -1)


def gaze_of_angles(gaze_T2: Tensor) -> Tensor:
    """Return unit vectors in model space for both eyes, shape (T, 2, 3).

    Args:
        gaze_T2: (rx, ry) in radians, as in a pose: rx > 0 looks down, ry > 0 to the right of the
            picture.
    """
    angles_T3 = F.pad(gaze_T2, (0, 1))
    return euler_to_matrix(angles_T3)[:, None, :, 2].expand(-1, 2, -1)


def draw_eyeball(
    rays: Rays,
    eyeballs: Eyeballs,
    eye: int,
    gaze_T3: Tensor,
    mirror_T3: Tensor,
    style: EyeStyle,
    size: int,
) -> tuple[Tensor, Tensor]:
    """Return an eyeball's colour without light on it, and the light mirrored in it.

    Args:
        rays: Rays of the window to fill.
        eyeballs: The person's eyeballs.
        eye: 0 for the right one, 1 for the left one.
        gaze_T3: Where it looks, unit vectors in model space.
        mirror_T3: Unit normal in model space that mirrors the lamp into the camera.
        style: Colours.
        size: Side of the picture in pixels.

    Returns:
        Linear colour (T, 3, h, w), and the share of each pixel that shines (T, h, w).
    """
    normal_T3hw, pixel_Thw = _hit(rays, eyeballs.centre_23[eye], eyeballs.radius_2[eye], size)
    radius, iris_radius = eyeballs.radius_2[eye], eyeballs.iris_radius_2[eye]

    def reach(direction_T3: Tensor) -> Tensor:
        """Distance over the ball from where a direction leaves it, in model units."""
        return (normal_T3hw - direction_T3[..., None, None]).norm(dim=1) * radius

    from_gaze_Thw = reach(gaze_T3)
    iris_Thw = ((iris_radius - from_gaze_Thw) / pixel_Thw + 0.5).clamp(0, 1)
    pupil_Thw = ((style.pupil * iris_radius - from_gaze_Thw) / pixel_Thw + 0.5).clamp(0, 1)
    out = from_gaze_Thw / iris_radius
    # Lighter around the pupil, a dark ring at the rim.
    tone_Thw = (1.25 - 0.45 * out) * (1 - 0.55 * ((out - 0.72) / 0.28).clamp(0, 1) ** 2)
    sclera_3, iris_3 = gaze_T3.new_tensor(style.sclera), gaze_T3.new_tensor(style.iris)
    # The white turns away from the light towards the corners, and redder.
    side_Thw = normal_T3hw[:, 0].abs()[:, None] ** 3
    fade_3 = gaze_T3.new_tensor([0.25, 0.45, 0.48])[:, None, None]
    color_T3hw = sclera_3[:, None, None] * (1 - fade_3 * side_Thw)
    color_T3hw = torch.lerp(
        color_T3hw, iris_3[:, None, None] * tone_Thw[:, None], iris_Thw[:, None]
    )
    color_T3hw = color_T3hw * (1 - 0.97 * pupil_Thw[:, None])
    # The cornea bulges: its highlight stays nearer to the iris than on a sphere.
    glint_T3 = F.normalize(0.8 * gaze_T3 + 0.42 * mirror_T3, dim=-1)
    glint_Thw = ((0.23 * iris_radius - reach(glint_T3)) / pixel_Thw + 0.5).clamp(0, 1)
    return color_T3hw, glint_Thw


def _hit(rays: Rays, centre_3: Tensor, radius: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the unit normal where rays meet a ball, or pass it nearest, and a pixel's width."""
    offset_T3 = rays.origin_T3 - centre_3
    square_Thw = rays.direction_T3hw.square().sum(1)
    half_Thw = (rays.direction_T3hw * offset_T3[..., None, None]).sum(1)
    rest_T = offset_T3.square().sum(-1) - radius**2
    root_Thw = (half_Thw**2 - square_Thw * rest_T[:, None, None]).clamp(min=0).sqrt()
    depth_Thw = (-half_Thw - root_Thw) / square_Thw
    point_T3hw = offset_T3[..., None, None] + depth_Thw[:, None] * rays.direction_T3hw
    return F.normalize(point_T3hw, dim=1), rays.pixel(depth_Thw, size)
