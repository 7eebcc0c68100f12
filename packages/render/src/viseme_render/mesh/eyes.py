"""A portrait's own eyes behind lids that move: its eyeballs, continued under the lids."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_face.coverage import Layer, Window, cover_outline, distance_to_line, window_around
from viseme_face.eyes import (
    EYES,
    EyeStyle,
    draw_eyeball,
    gaze_of_mesh,
    place_eyeballs,
    rays_through,
)
from viseme_face.light import to_srgb
from viseme_face.pose import pose_vertices, project
from viseme_render.mesh.fill import continued
from viseme_render.mesh.light import PortraitLight

# Gaze farther off than this share of the eye's width is a slip of the tracker.
_MAX_GAZE = 0.3
# Half thickness of the line along which lids meet, over the eye's width.
_LINE = 0.035
# An eye that is open no farther than the first share of its width, as in a portrait that looks
# down, shows too little to be continued, and is drawn; one open beyond the second is its own.
_SHUT, _OPEN = 0.08, 0.16
# Room around an eye in which its ball is continued, over its width.
_MARGIN = 0.5


class _Eye(NamedTuple):
    ring: tuple[int, ...]
    iris: int
    corners_22: Tensor
    """Corners in the portrait, pixels."""
    iris_2: Tensor
    """Middle of the iris in the portrait, pixels."""
    patch_3HW: Tensor
    """The portrait with its eyeball continued beyond the lids."""
    opening: Tensor
    """How far it is open in the portrait, over its width."""
    lash_3: Tensor
    """Colour of the dark line under the upper lid."""


class PortraitEyes:
    """Both eyes of a portrait.

    Args:
        picture_3HW: The portrait, sRGB from 0 to 1.
        points_K3: Its `mp478` points in model space.
        neutral_K3: The same face at rest.
        pose_6: Pose of the portrait.
        light: Light of the portrait.
    """

    def __init__(
        self,
        picture_3HW: Tensor,
        points_K3: Tensor,
        neutral_K3: Tensor,
        pose_6: Tensor,
        light: PortraitLight,
    ) -> None:
        self._size = picture_3HW.shape[-1]
        source_K2 = self._size * project(pose_vertices(points_K3, pose_6))
        eyeballs = place_eyeballs(neutral_K3)
        gaze_23 = gaze_of_mesh(points_K3[None], eyeballs)[0]
        self._eyes = []
        for number, (ring, iris) in enumerate(EYES):
            outline_1K2 = source_K2[None, list(ring)]
            corners_22 = source_K2[[ring[0], ring[8]]]
            margin_px = _MARGIN * float((corners_22[1] - corners_22[0]).norm())
            window = window_around(outline_1K2, margin_px, self._size)
            drawn_13hw, _ = draw_eyeball(
                rays_through(window, pose_6[None], self._size),
                eyeballs,
                number,
                gaze_23[number, None],
                pose_6.new_tensor([[0.0, 0.0, 1.0]]),
                EyeStyle(),
                self._size,
            )
            opening = _opening(outline_1K2)[0]
            own = ((opening - _SHUT) / (_OPEN - _SHUT)).clamp(0, 1)
            self._eyes.append(
                _Eye(
                    ring,
                    iris[0],
                    corners_22,
                    source_K2[iris[0]],
                    _with_whole_ball(
                        picture_3HW, outline_1K2, window, to_srgb(light.on(drawn_13hw))[0], own
                    ),
                    opening,
                    _lash_color(picture_3HW, outline_1K2[0]),
                )
            )

    def layers(self, screen_TK2: Tensor) -> list[Layer]:
        """Return the eyes in sRGB from 0 to 1, covering what the lids leave open.

        Args:
            screen_TK2: `mp478` points of every frame in pixels.
        """
        return [layer for eye in self._eyes for layer in self._layers(eye, screen_TK2)]

    def _layers(self, eye: _Eye, screen_TK2: Tensor) -> list[Layer]:
        outline_TK2 = screen_TK2[:, list(eye.ring)]
        window = window_around(outline_TK2, 2, self._size)
        share_Thw = cover_outline(outline_TK2, window).share_Thw
        # As complex numbers a turn, scaling and shift of the plane is a product and a sum.
        here = torch.view_as_complex(screen_TK2[:, [eye.ring[0], eye.ring[8]]].contiguous())
        there = torch.view_as_complex(eye.corners_22.contiguous())
        along_T = (there[1] - there[0]) / (here[:, 1] - here[:, 0])
        iris_T = torch.view_as_complex(screen_TK2[:, eye.iris].contiguous())
        gaze_T = there[0] + along_T * (iris_T - here[:, 0]) - torch.view_as_complex(eye.iris_2)
        limit = _MAX_GAZE * (there[1] - there[0]).abs()
        gaze_T = gaze_T * (limit / gaze_T.abs().clamp_min(limit))
        pixel_Thw = torch.complex(
            window.columns[:, None].expand_as(share_Thw),
            window.rows[..., None].expand_as(share_Thw),
        )
        source_Thw = (there[0] - gaze_T)[:, None, None] + along_T[:, None, None] * (
            pixel_Thw - here[:, 0, None, None]
        )
        grid_Thw2 = torch.view_as_real(source_Thw) * (2 / self._size) - 1
        color_T3hw = F.grid_sample(
            eye.patch_3HW.expand(len(grid_Thw2), -1, -1, -1),
            grid_Thw2,
            padding_mode="border",
            align_corners=False,
        )
        return [Layer(window, color_T3hw, share_Thw), _line(eye, outline_TK2, window)]


def _with_whole_ball(
    picture_3HW: Tensor, outline_1K2: Tensor, window: Window, drawn_3hw: Tensor, own: Tensor
) -> Tensor:
    """Return a picture with one eye's ball as it is behind the lids.

    Args:
        picture_3HW: The portrait.
        outline_1K2: Contour of the eye in pixels.
        window: Window around it.
        drawn_3hw: The ball as it may look, in the window.
        own: Share of what the portrait shows in what it does not show, from 0 to 1.
    """
    share_hw = cover_outline(outline_1K2, window).share_Thw[0]
    left, top = int(window.left_T), int(window.top_T)
    patch_3HW = picture_3HW.clone()
    inside_3hw = patch_3HW[:, top : top + window.height, left : left + window.width]
    known_hw = torch.maximum(share_hw.sqrt(), own)
    inside_3hw[:] = torch.lerp(drawn_3hw, continued(inside_3hw, share_hw), known_hw)
    return patch_3HW


def _line(eye: _Eye, outline_TK2: Tensor, window: Window) -> Layer:
    """Return the line of lashes along which lids meet, the fainter the less they are closed."""
    closed_T = (1 - _opening(outline_TK2) / eye.opening.clamp_min(1e-3)).clamp(0, 1) ** 2
    width_T = (outline_TK2[:, 0] - outline_TK2[:, 8]).norm(dim=-1)
    distance_Thw, position_Thw = distance_to_line(outline_TK2[:, :9], window)
    taper_Thw = 0.4 + 0.6 * (position_Thw * (torch.pi / 8)).sin()
    half_Thw = (_LINE * width_T[:, None, None] * taper_Thw).clamp_min(0.5)
    alpha_Thw = (half_Thw - distance_Thw + 0.5).clamp(0, 1) * (0.8 * closed_T[:, None, None])
    color_T3hw = eye.lash_3[:, None, None].expand(len(alpha_Thw), -1, *alpha_Thw.shape[1:])
    return Layer(window, color_T3hw, alpha_Thw)


def _opening(outline_TK2: Tensor) -> Tensor:
    """Return how far an eye is open over its width, (T,), from its contour of 16 points."""
    gap_T = (outline_TK2[:, 1:8] - outline_TK2[:, 9:].flip(1)).norm(dim=-1).mean(1)
    return gap_T / (outline_TK2[:, 0] - outline_TK2[:, 8]).norm(dim=-1).clamp_min(1e-6)


def _lash_color(picture_3HW: Tensor, outline_K2: Tensor) -> Tensor:
    """Return the colour along the upper lid's edge where it is darkest, (3,)."""
    grid_11N2 = 2 * outline_K2[None, None, 1:8] / picture_3HW.shape[-1] - 1
    color_3N = F.grid_sample(picture_3HW[None], grid_11N2, align_corners=False)[0, :, 0]
    darkest_N = color_3N.sum(0).argsort()[:3]
    return color_3N[:, darkest_N].mean(1)
