"""Pictures of a talking head: face, head, eyes and mouth over a still background.

Light is linear until the very end. Geometry is rasterised once per pixel in a window around the
head; edges between parts are smoothed where they cross pixels; what shows between lids and lips is
laid over as layers with exact coverage.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_face.antialias import edge_neighbours, smooth_edges
from viseme_face.coverage import lay_over, window_around
from viseme_face.eyes import EyeStyle
from viseme_face.glasses import Glasses
from viseme_face.head import build_head, build_shoulders
from viseme_face.head_shape import LOWER_OVAL, HeadShape
from viseme_face.interior import Interior, NamedLayer
from viseme_face.layouts import LEFT_EYE, LIP_INNER, LIP_RINGS, RIGHT_EYE, triangles_within
from viseme_face.light import Light, to_srgb
from viseme_face.mouth import MouthStyle
from viseme_face.parts import read_builtin
from viseme_face.pose import CAMERA_DISTANCE, FOCAL, pose_vertices, project
from viseme_face.raster import Raster, rasterize
from viseme_face.shading import interpolate_corners, vertex_normals
from viseme_face.surfaces import ATLAS_WIDTH, HAIR, SKIN

MASKS = ("skin", "lips", "mouth", "eyes", "hair", "background", "clothes")
"""What each channel of a mask shows; at every pixel they sum to 1."""

_SKIN_MASK, _LIPS_MASK, _MOUTH_MASK, _EYES_MASK, _HAIR_MASK, _BACK_MASK, _CLOTHES_MASK = range(7)
_SHOWS = {"mouth": _MOUTH_MASK, "eyes": _EYES_MASK, "lashes": _SKIN_MASK, "glasses": _SKIN_MASK}
# Frames drawn at a time: more fall out of the processor's cache.
_BATCH = 5
# Room in the window for the layers that reach beyond the mesh.
_MARGIN_PX = 5
# Shoulders are drawn once, with this many samples to a side of a pixel.
_SAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class PortraitStyle:
    """What a person and a scene look like."""

    atlas_3hw: Tensor
    """Linear colours: the face's texture, and half its width again of scalp above hair."""
    background_3HW: Tensor
    """Linear colours of the size of the picture."""
    clothes: tuple[float, float, float] = (0.05, 0.07, 0.12)
    """Linear colour of the clothes."""
    skin_gloss: float = 0.05
    """How strongly skin mirrors the lamp."""
    hair_gloss: float = 0.06
    """How strongly hair mirrors the lamp."""
    lash: tuple[float, float, float] = (0.02, 0.014, 0.012)
    """Linear colour of the lashes."""
    lashes: float = 1.0
    """Thickness of the lashes."""
    glasses: tuple[float, float, float] | None = None
    """Linear colour of the rims, if there are any."""
    head: HeadShape = field(default_factory=HeadShape)
    """Hair and neck."""
    eyes: EyeStyle = field(default_factory=EyeStyle)
    """Colours of the eyes."""
    mouth: MouthStyle = field(default_factory=MouthStyle)
    """Colours of teeth, gums and tongue."""
    light: Light = field(default_factory=Light)
    """Light of the scene."""


class Drawn(NamedTuple):
    """Pictures and what they show."""

    frames_T3HW: Tensor
    """sRGB in [-1, 1]."""
    masks_TMHW: Tensor | None
    """Share of each pixel that belongs to each of `MASKS`."""


class Portrait:
    """One person before one background, ready to be drawn in any motion.

    Args:
        neutral_K3: `mp478` points of the face at rest in model space, shape (478, 3).
        style: Looks.
        body_pose_6: Pose of the shoulders, which stay; only its shift is used.
    """

    def __init__(self, neutral_K3: Tensor, style: PortraitStyle, body_pose_6: Tensor) -> None:
        self.style = style
        self.size = style.background_3HW.shape[-1]
        self.neutral_K3 = neutral_K3
        self.interior = Interior(
            neutral_K3, eyes=style.eyes, mouth=style.mouth, lash=style.lash, lashes=style.lashes
        )
        self._glasses = None
        if style.glasses is not None:
            hangs = style.head.hair in ("bob", "long")
            self._glasses = Glasses(neutral_K3, style.glasses, arms=not hangs)
        face = read_builtin()
        if face.uv_V2 is None:
            raise ValueError("the built-in face model has no texture coordinates; build it again")
        head = build_head(neutral_K3, style.head)
        self._head = head
        self._shift_3 = body_pose_6[3:]
        triangles_P3 = face.triangles_P3
        self._triangles_P3 = torch.cat([triangles_P3, head.triangles_P3])
        self._neighbours_P3 = edge_neighbours(self._triangles_P3)
        uv_P32 = torch.cat([face.uv_V2[triangles_P3], head.uv_P32])
        uv_P32 = uv_P32 / uv_P32.new_tensor([ATLAS_WIDTH, 1])
        self._part_P = torch.cat([torch.full((len(triangles_P3),), SKIN), head.part_P])
        membrane_P = triangles_within(triangles_P3, LIP_INNER)
        for eye in (RIGHT_EYE, LEFT_EYE):
            membrane_P = membrane_P | triangles_within(triangles_P3, eye)
        self._membrane_P = F.pad(membrane_P, (0, len(head.triangles_P3)))
        lips_P = triangles_within(triangles_P3, sum(LIP_RINGS, ()))
        label_P = torch.where(self._part_P == HAIR, _HAIR_MASK, _SKIN_MASK)
        label_P[: len(triangles_P3)][lips_P] = _LIPS_MASK
        self._label_PM = F.one_hot(label_P, len(MASKS)).float()
        self._uv_P6 = uv_P32.flatten(1)
        self._occlusion_V1 = torch.cat([torch.ones(len(neutral_K3)), head.occlusion_N])[:, None]
        gloss_P = torch.where(self._part_P == HAIR, style.hair_gloss, style.skin_gloss)
        vertex_gloss_V = torch.full((len(self._occlusion_V1),), style.skin_gloss)
        vertex_gloss_V[self._triangles_P3.flatten()] = gloss_P.repeat_interleave(3)
        self._gloss_V1 = vertex_gloss_V[:, None]
        self._still_HWC = self._draw_still(body_pose_6).permute(1, 2, 0).contiguous()
        self._still_srgb_3HW = _to_range(self._still_HWC[..., :3].permute(2, 0, 1))

    def draw(
        self,
        points_TK3: Tensor,
        pose_T6: Tensor,
        *,
        gaze_T2: Tensor | None = None,
        tongue_T: Tensor | None = None,
        masks: bool = False,
    ) -> Drawn:
        """Return pictures of the head in motion.

        Args:
            points_TK3: `mp478` points of every frame in model space.
            pose_T6: Pose of every frame.
            gaze_T2: Where both eyes look; default: where the irises of the mesh are.
            tongue_T: How far the tip of the tongue is raised, from 0 to 1.
            masks: Also say what every pixel shows.
        """
        drawn = []
        for start in range(0, len(points_TK3), _BATCH):
            part = slice(start, start + _BATCH)
            drawn.append(
                self._draw(
                    points_TK3[part],
                    pose_T6[part],
                    None if gaze_T2 is None else gaze_T2[part],
                    None if tongue_T is None else tongue_T[part],
                    masks,
                )
            )
        frames_T3HW, masks_TMHW = zip(*drawn, strict=True)
        return Drawn(torch.cat(frames_T3HW), torch.cat(masks_TMHW) if masks else None)

    @torch.no_grad()
    def _draw(
        self,
        points_TK3: Tensor,
        pose_T6: Tensor,
        gaze_T2: Tensor | None,
        tongue_T: Tensor | None,
        masks: bool,
    ) -> Drawn:
        num_frames = len(points_TK3)
        vertices_TV3 = self._vertices(points_TK3, pose_T6)
        screen_TV2 = self.size * project(vertices_TV3)
        # One window for all frames of a batch: the head hardly moves in them.
        window = window_around(screen_TV2.flatten(0, 1)[None], _MARGIN_PX, self.size)
        left, top = int(window.left_T), int(window.top_T)
        rows, columns = slice(top, top + window.height), slice(left, left + window.width)
        offset_2 = screen_TV2.new_tensor([left, top])
        local_TV2 = screen_TV2 - offset_2
        raster = rasterize(
            _seen_in_window(vertices_TV3, local_TV2, window.height, window.width),
            self._triangles_P3,
            (window.height, window.width),
            cull_back=True,
        )
        channels = 3 + len(MASKS) * masks
        still_HWC = self._still_HWC[..., :channels]
        fore_THWC = self._shade(vertices_TV3, raster)
        if masks:
            label_THWM = self._label_PM[raster.triangle_BHW.clamp(min=0)]
            fore_THWC = torch.cat([fore_THWC, label_THWM], -1)
        mask_THW1 = raster.mask_BHW[..., None]
        fore_THWC = torch.where(mask_THW1, fore_THWC, still_HWC[rows, columns])
        part_THW = torch.where(raster.mask_BHW, self._part_P[raster.triangle_BHW.clamp(min=0)], 0)
        fore_THWC = smooth_edges(
            fore_THWC, raster, part_THW, local_TV2, self._triangles_P3, self._neighbours_P3
        )

        pictures_THWC = still_HWC.repeat(num_frames, 1, 1, 1)
        pictures_THWC[:, rows, columns] = fore_THWC
        hidden_THW = torch.ones(num_frames, self.size, self.size, dtype=torch.bool)
        hidden_THW[:, rows, columns] = ~(
            self._membrane_P[raster.triangle_BHW.clamp(min=0)] & raster.mask_BHW
        )
        layers = self.interior.layers(
            points_TK3,
            pose_T6,
            self.style.light,
            self.size,
            gaze_T2=gaze_T2,
            tongue_T=tongue_T,
            hidden_THW=hidden_THW,
        )
        if self._glasses is not None:
            layers += [
                NamedLayer(layer, "glasses") for layer in self._glasses.layers(pose_T6, self.size)
            ]
        for layer, shows in layers:
            if masks:
                label_M = F.one_hot(torch.tensor(_SHOWS[shows]), len(MASKS)).float()
                color_T3hw = layer.color_T3hw
                label_TMhw = label_M[:, None, None].expand(num_frames, -1, *color_T3hw.shape[2:])
                layer = layer._replace(color_T3hw=torch.cat([color_T3hw, label_TMhw], 1))
            lay_over(pictures_THWC, layer)
        frames_T3HW = self._still_srgb_3HW.repeat(num_frames, 1, 1, 1)
        frames_T3HW[:, :, rows, columns] = _to_range(
            pictures_THWC[:, rows, columns, :3].permute(0, 3, 1, 2)
        )
        return Drawn(frames_T3HW, pictures_THWC[..., 3:].permute(0, 3, 1, 2) if masks else None)

    def _vertices(self, points_TK3: Tensor, pose_T6: Tensor) -> Tensor:
        """Return face and head in camera space."""
        head = self._head
        moved_TK3 = (points_TK3 - self.neutral_K3)[:, list(LOWER_OVAL)]
        around_TN3 = head.rest_N3 + head.follow_NK @ moved_TK3
        posed_TV3 = pose_vertices(torch.cat([points_TK3, around_TN3], 1), pose_T6)
        still_N3 = head.rest_N3 + self._shift_3
        around_TN3 = torch.lerp(posed_TV3[:, 478:], still_N3, head.stay_N[:, None])
        return torch.cat([posed_TV3[:, :478], around_TN3], 1)

    def _shade(self, vertices_TV3: Tensor, raster: Raster) -> Tensor:
        """Return linear colours of every pixel, (T, H, W, 3)."""
        light = self.style.light
        normals_TV3 = vertex_normals(vertices_TV3, self._triangles_P3)
        lit_TV3 = light.diffuse(normals_TV3) * self._occlusion_V1
        gloss_TV1 = light.gloss(normals_TV3) * self._gloss_V1
        uv_TV6 = self._uv_P6.unflatten(1, (3, 2)).expand(len(vertices_TV3), -1, -1, -1)
        corners_TP36 = torch.cat(
            [torch.cat([lit_TV3, gloss_TV1], -1)[:, self._triangles_P3], uv_TV6], -1
        )
        pixels_THW6 = interpolate_corners(raster, corners_TP36)
        albedo_T3HW = F.grid_sample(
            self.style.atlas_3hw.expand(len(vertices_TV3), -1, -1, -1),
            2 * pixels_THW6[..., 4:] - 1,
            padding_mode="border",
            align_corners=False,
        )
        return albedo_T3HW.permute(0, 2, 3, 1) * pixels_THW6[..., :3] + pixels_THW6[..., 3:4]

    def _draw_still(self, body_pose_6: Tensor) -> Tensor:
        """Return the background with the shoulders before it, and their masks."""
        light, size = self.style.light, self.size
        rest_N3, triangles_P3 = build_shoulders(self.neutral_K3, self.style.head)
        vertices_1N3 = (rest_N3 + body_pose_6[3:])[None]
        raster = rasterize(
            vertices_1N3, triangles_P3, (_SAMPLES * size, _SAMPLES * size), cull_back=True
        )
        normals_1N3 = vertex_normals(vertices_1N3, triangles_P3)
        lit_1P33 = light.diffuse(normals_1N3)[:, triangles_P3]
        lit_1HW3 = interpolate_corners(raster, lit_1P33) * lit_1P33.new_tensor(self.style.clothes)
        share_1HW = raster.mask_BHW[..., None].float()
        stacked_14HW = torch.cat([lit_1HW3, share_1HW], -1).permute(0, 3, 1, 2)
        color_4HW = F.avg_pool2d(stacked_14HW, _SAMPLES)[0]
        share_HW = color_4HW[3]
        picture_3HW = color_4HW[:3] + self.style.background_3HW * (1 - share_HW)
        masks_MHW = torch.zeros(len(MASKS), size, size)
        masks_MHW[_CLOTHES_MASK], masks_MHW[_BACK_MASK] = share_HW, 1 - share_HW
        return torch.cat([picture_3HW, masks_MHW])


def _to_range(linear_X: Tensor) -> Tensor:
    return to_srgb(linear_X).mul_(2).sub_(1)


def _seen_in_window(vertices_TV3: Tensor, local_TV2: Tensor, height: int, width: int) -> Tensor:
    """Return vertices that the camera sees in its whole picture as it sees these in the window."""
    spread_TV = (CAMERA_DISTANCE - vertices_TV3[..., 2]) / FOCAL
    x = (local_TV2[..., 0] / width - 0.5) * spread_TV
    y = (0.5 - local_TV2[..., 1] / height) * spread_TV
    return torch.stack([x, y, vertices_TV3[..., 2]], -1)
