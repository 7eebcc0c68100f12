"""The inside of a portrait's mouth: its own where the picture shows it, and drawn where not.

What the portrait shows between its lips is cut in two at the darkest line: the upper part is fixed
to the skull, the lower one turns with the jaw, and both are laid over drawn teeth, tongue and
cavity in the light of the photograph. Nothing is fixed to the lips, so nothing swims.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_face.coverage import Covered, Layer, Window, cover_outline, window_around
from viseme_face.eyes import Rays, rays_through
from viseme_face.layouts import LIP_INNER
from viseme_face.light import to_linear, to_srgb
from viseme_face.mouth import MouthShape, MouthStyle, draw_inside, jaw_angle, place_mouth
from viseme_face.pose import pose_vertices, project
from viseme_face.regions import close_lips
from viseme_render.mesh.fill import BLOCK_PX, BLUR_VARIANCE, blur_of, blurred, continued
from viseme_render.mesh.light import PortraitLight, cut_out, luminance
from viseme_render.mesh.lip_line import LipLine

_LIP_MIDDLES = (13, 14)
# The lower lip hides the lower teeth up to this far below their edge, as an angle of the jaw.
_LOWER_HIDE = 0.08
_LOWER_GAIN = 1.15
# A drawn mouth against a photographed one: darker, and as soft as a lens makes it.
_DIM = 0.85
_DIM_BEHIND = 0.6
_SHADE_PX = 0.02
# A portrait whose lips are less than so many pixels apart shows nothing of its mouth.
_MIN_GAP_PX = 2.0
# So much beside the mouth, over its width, may come to lie between lips that open further.
_REACH = 0.6
# Blur, in square pixels, of an ordinary photograph: the mouth is drawn as soft as that. In softer
# ones, as of small faces, it is softened further, by the square root of so many blurs at most.
_SHARP = 0.75
_MOST_BLURS = 16


class PortraitMouth:
    """What shows between a portrait's lips.

    Args:
        picture_3HW: The portrait, sRGB from 0 to 1.
        points_K3: Its `mp478` points in model space.
        neutral_K3: The same face at rest.
        pose_6: Pose of the portrait.
        light: Light of the portrait.
        style: Colours under white light.
    """

    def __init__(
        self,
        picture_3HW: Tensor,
        points_K3: Tensor,
        neutral_K3: Tensor,
        pose_6: Tensor,
        light: PortraitLight,
        style: MouthStyle | None = None,
    ) -> None:
        self._shape = place_mouth(neutral_K3)
        self._closed_3 = close_lips(neutral_K3)[_LIP_MIDDLES[1]]
        self._light = light
        self._style = style or MouthStyle()
        self._size = picture_3HW.shape[-1]
        self._pose_6 = pose_6
        self._jaw = self._jaw_angle(points_K3[None])[0]
        self._blurs = self._lacking_blurs(picture_3HW, points_K3)
        self._own = self._cut(picture_3HW, points_K3)
        # Lips that meet in the portrait bring their own.
        screen_K2 = self._size * project(pose_vertices(points_K3, pose_6))
        self._line = LipLine(picture_3HW, screen_K2, self._blurs) if self._own else None

    def layers(self, points_TK3: Tensor, screen_TK2: Tensor, pose_T6: Tensor) -> list[Layer]:
        """Return what to lay over frames in turn, in sRGB from 0 to 1.

        The inside of the mouth covers what the lips leave open; a line lies where they meet.

        Args:
            points_TK3: `mp478` points of every frame in model space.
            screen_TK2: The same in pixels.
            pose_T6: Pose of every frame.
        """
        outline_TK2 = screen_TK2[:, list(LIP_INNER)]
        window = window_around(outline_TK2, 2 + self._blurs // 2, self._size)
        lips = cover_outline(outline_TK2, window)
        rays = rays_through(window, pose_T6, self._size)
        jaw_T = self._jaw_angle(points_TK3)
        color_T3hw = self._drawn(rays, lips, window, jaw_T)
        if self._own is not None:
            for part, turn_T in ((4, self._jaw - jaw_T), (3, None)):
                own_T5hw = self._seen(rays, turn_T)
                color_T3hw = torch.lerp(color_T3hw, own_T5hw[:, :3], own_T5hw[:, part, None])
        share_T1hw = lips.share_Thw[:, None]
        if self._blurs:
            soft_T1hw = blurred(share_T1hw, self._blurs)
            soft_T3hw = blurred(color_T3hw * share_T1hw, self._blurs)
            share_T1hw, color_T3hw = soft_T1hw, soft_T3hw / soft_T1hw.clamp_min(1e-6)
        inside = Layer(window, color_T3hw, share_T1hw[:, 0])
        return [inside] if self._line is None else [inside, self._line.layer(screen_TK2)]

    def _lacking_blurs(self, picture_3HW: Tensor, points_K3: Tensor) -> int:
        """Return how many times a drawn mouth must be blurred to be as soft as the face is."""
        screen_1K2 = self._size * project(pose_vertices(points_K3, self._pose_6))[None]
        face_3hw = cut_out(picture_3HW, window_around(screen_1K2, 0, self._size))
        lacking = float(blur_of(face_3hw)) - _SHARP
        return min(_MOST_BLURS, max(0, round(lacking / BLUR_VARIANCE)))

    def _drawn(self, rays: Rays, lips: Covered, window: Window, jaw_T: Tensor) -> Tensor:
        inside = draw_inside(
            rays,
            lips,
            window.rows,
            self._shape,
            jaw_T,
            torch.zeros_like(jaw_T),
            self._style,
            self._size,
        )
        teeth_Thw = inside.upper_Thw + 0.75 * inside.lower_Thw
        dim_Thw = _DIM_BEHIND + (_DIM - _DIM_BEHIND) * teeth_Thw
        soft_T3hw = blurred(inside.color_T3hw * dim_Thw[:, None])
        # Lips shade what lies behind their edges, the corners most.
        reach = max(1, round(_SHADE_PX * self._size))
        shade_T1hw = blurred(lips.share_Thw[:, None], reach)
        shade_T1hw = 0.35 + 0.65 * ((shade_T1hw - 0.45) / 0.55).clamp(0, 1)
        return to_srgb(self._light.on(soft_T3hw * shade_T1hw))

    def _jaw_angle(self, points_TK3: Tensor) -> Tensor:
        """Return how far the jaw is open: by the chin, and by the lip that hides its teeth."""
        hinge_3 = self._shape.hinge_3

        def elevation(point_X3: Tensor) -> Tensor:
            y, z = (point_X3 - hinge_3)[..., 1:].unbind(-1)
            return torch.atan2(y, z)

        lower_T3 = points_TK3[:, _LIP_MIDDLES[1]]
        lip_T = elevation(self._closed_3) - elevation(lower_T3)
        lip_T = _LOWER_GAIN * lip_T + _LOWER_HIDE
        return torch.maximum(jaw_angle(points_TK3, self._shape), lip_T)

    def _cut(self, picture_3HW: Tensor, points_K3: Tensor) -> "_Own | None":
        """Return what the portrait shows of its mouth's inside, None if it shows nothing."""
        size = self._size
        screen_K2 = size * project(pose_vertices(points_K3, self._pose_6))
        outline_1K2 = screen_K2[None, list(LIP_INNER)]
        width_px = float((outline_1K2.amax(1) - outline_1K2.amin(1)).amax())
        window = _aligned(window_around(outline_1K2, _REACH * width_px, size), size)
        lips = cover_outline(outline_1K2, window)
        if float(lips.share_Thw.sum(1).max()) < _MIN_GAP_PX:
            return None
        height_w = (lips.bottom_Tw - lips.top_Tw)[0]
        from_top_hw = window.rows[0][:, None] - lips.top_Tw[0]
        down_hw = (from_top_hw / height_w.clamp_min(1e-3)).nan_to_num(0, 0, 0)
        known_hw = _shrunk(lips.share_Thw[0])
        shown_3hw = cut_out(picture_3HW, window)
        cut = _darkest(luminance(to_linear(shown_3hw), 0)[0], known_hw, down_hw)
        # A soft cut, two pixels wide.
        above_hw = ((cut - down_hw) * height_w.clamp(min=0, max=size) / 2 + 0.5).clamp(0, 1)
        below_hw = 1 - above_hw if cut < 1 else torch.zeros_like(above_hw)
        # What lies behind the lips looks like what shows beside it.
        patch_5hw = torch.cat([continued(shown_3hw, known_hw), above_hw[None], below_hw[None]])
        return _Own(patch_5hw, int(window.left_T), int(window.top_T))

    def _seen(self, rays: Rays, turn_T: Tensor | None) -> Tensor:
        """Return the portrait and its cut where the rays meet the plane of its front teeth."""
        assert self._own is not None
        ox, oy, oz = (axis[:, None, None] for axis in rays.origin_T3.unbind(1))
        dx, dy, dz = rays.direction_T3hw.unbind(1)
        depth = (self._shape.origin_3[2] - oz) / dz
        point_Thw3 = torch.stack([ox + depth * dx, oy + depth * dy, oz + depth * dz], -1)
        if turn_T is not None:
            point_Thw3 = _turned(point_Thw3, self._shape, turn_T)
        flat_TN3 = pose_vertices(point_Thw3.flatten(1, 2), self._pose_6)
        pixel_Thw2 = self._size * project(flat_TN3).view(*point_Thw3.shape[:3], 2)
        return self._own.at(pixel_Thw2)


class _Own(NamedTuple):
    """Part of a portrait around its mouth, and where in it the upper and the lower inside are."""

    patch_5hw: Tensor
    left: int
    top: int

    def at(self, pixel_Thw2: Tensor) -> Tensor:
        """Return what lies at places of the portrait in pixels; beyond the part, what ends it."""
        height, width = self.patch_5hw.shape[-2:]
        corner_2 = pixel_Thw2.new_tensor([self.left, self.top])
        grid_Thw2 = 2 * (pixel_Thw2 - corner_2) / pixel_Thw2.new_tensor([width, height]) - 1
        return F.grid_sample(
            self.patch_5hw.expand(len(grid_Thw2), -1, -1, -1),
            grid_Thw2,
            padding_mode="border",
            align_corners=False,
        )


def _aligned(window: Window, size: int) -> Window:
    """Return a window that begins and ends where the blocks of `continued` do, or at the border."""
    left, top = int(window.left_T) // BLOCK_PX * BLOCK_PX, int(window.top_T) // BLOCK_PX * BLOCK_PX
    right, bottom = (
        min(size, -(-(int(first) + length) // BLOCK_PX) * BLOCK_PX)
        for first, length in ((window.left_T, window.width), (window.top_T, window.height))
    )
    return Window(
        torch.full_like(window.left_T, left),
        torch.full_like(window.top_T, top),
        bottom - top,
        right - left,
    )


def _turned(point_Thw3: Tensor, shape: MouthShape, turn_T: Tensor) -> Tensor:
    """Return points turned about the jaw's hinge; a positive turn opens."""
    cos, sin = turn_T.cos()[:, None, None], turn_T.sin()[:, None, None]
    x, y, z = (point_Thw3 - shape.hinge_3).unbind(-1)
    return torch.stack([x, cos * y - sin * z, sin * y + cos * z], -1) + shape.hinge_3


def _darkest(bright_HW: Tensor, known_HW: Tensor, down_HW: Tensor) -> float:
    """Return how far down the mouth, from 0 to 1, upper teeth end: at the darkest line, if any."""
    bands = torch.linspace(0.3, 1.0, 15).tolist()
    means = []
    for band in bands:
        near_HW = known_HW * (1 - ((down_HW - band).abs() / 0.08)).clamp(min=0)
        means.append(float((bright_HW * near_HW).sum() / near_HW.sum().clamp_min(1e-3)))
    whole = float((bright_HW * known_HW).sum() / known_HW.sum().clamp_min(1e-3))
    darkest = min(range(len(bands)), key=means.__getitem__)
    return bands[darkest] if means[darkest] < 0.75 * whole else 1.0


def _shrunk(share_HW: Tensor) -> Tensor:
    """Return a mask without its outermost half pixel, with soft edges."""
    return (2 * blurred(share_HW[None, None])[0, 0] - 1).clamp(0, 1).sqrt()
