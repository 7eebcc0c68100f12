"""One portrait, ready to be drawn in any motion: what is constant is worked out once."""

from functools import cache

import torch
from torch import Tensor

from viseme_core.types import ReferenceFace
from viseme_face.antialias import edge_neighbours, smooth_edges
from viseme_face.coverage import Layer
from viseme_face.morphable import MorphableModel
from viseme_face.pose import pose_vertices, project
from viseme_face.raster import Raster
from viseme_face.shading import interpolate
from viseme_face.sheet import Moved, PortraitWarp, look_up, rasterize_sheet
from viseme_face.sheet.topology import topology
from viseme_render.mesh.eyes import PortraitEyes
from viseme_render.mesh.light import light_of
from viseme_render.mesh.mouth import PortraitMouth

# Frames drawn at a time: more fall out of the processor's cache.
_BATCH = 5


class MeshPortrait:
    """A portrait and everything about it that no motion changes.

    Args:
        reference: The portrait; its frame must be square.
        model: Its face model, on the built-in mesh.
    """

    def __init__(self, reference: ReferenceFace, model: MorphableModel) -> None:
        self.picture_3HW = (reference.frame_3HW + 1) / 2
        self.size = self.picture_3HW.shape[-1]
        self.warp = PortraitWarp(reference, model)
        self._neighbours_P3 = _neighbours().to(reference.pose.device)
        points_K3, pose_6 = self.warp.points_K3, reference.pose
        source_K2 = self.size * project(pose_vertices(points_K3, pose_6))
        about = (
            self.picture_3HW,
            points_K3,
            self.warp.neutral_K3,
            pose_6,
            light_of(self.picture_3HW, source_K2),
        )
        self.eyes = PortraitEyes(*about)
        self.mouth = PortraitMouth(*about)

    @torch.no_grad()
    def draw(self, expression_TE: Tensor, pose_T6: Tensor) -> Tensor:
        """Return frames (T, 3, H, W), sRGB in [-1, 1].

        Args:
            expression_TE: Expression of every frame.
            pose_T6: Pose of every frame.
        """
        parts = zip(expression_TE.split(_BATCH), pose_T6.split(_BATCH), strict=True)
        return torch.cat([self._draw(*part) for part in parts])

    @torch.no_grad()
    def flow(self, expression_TE: Tensor, pose_T6: Tensor) -> tuple[Tensor, Tensor]:
        """Return where each pixel comes from, and which part of the sheet it shows.

        Args:
            expression_TE: Expression of every frame.
            pose_T6: Pose of every frame.

        Returns:
            Places in the portrait, [0, 1], (T, H, W, 2); parts as `Topology.part_P`, -1 where
            there were a hole, (T, H, W).
        """
        moved = self.warp.move(expression_TE, pose_T6)
        raster = rasterize_sheet(moved, self.warp.triangles_P3, self.size)
        part_THW = self.warp.part_P[raster.triangle_BHW.clamp(min=0)]
        return (
            interpolate(raster, self.warp.triangles_P3, moved.source_TN2),
            torch.where(raster.mask_BHW, part_THW, -1),
        )

    def _draw(self, expression_TE: Tensor, pose_T6: Tensor) -> Tensor:
        moved = self.warp.move(expression_TE, pose_T6)
        raster = rasterize_sheet(moved, self.warp.triangles_P3, self.size)
        flow_THW2 = interpolate(raster, self.warp.triangles_P3, moved.source_TN2)
        frames_T3HW = look_up(self.picture_3HW, flow_THW2)
        frames_T3HW = self._smooth(frames_T3HW, raster, moved)
        screen_TK2 = self.size * project(pose_vertices(moved.points_TK3, pose_T6))
        for layer in self.eyes.layers(screen_TK2):
            _lay_over(frames_T3HW, layer)
        for layer in self.mouth.layers(moved.points_TK3, screen_TK2, pose_T6):
            _lay_over(frames_T3HW, layer)
        # Cubic interpolation swings beyond what it passes through.
        return frames_T3HW.clamp_(0, 1).mul_(2).sub_(1)

    def _smooth(self, frames_T3HW: Tensor, raster: Raster, moved: Moved) -> Tensor:
        """Return frames without steps where the face stands before what is around it."""
        frames_THW3 = smooth_edges(
            frames_T3HW.permute(0, 2, 3, 1),
            raster,
            self.warp.part_P[raster.triangle_BHW],
            self.size * moved.screen_TN2,
            self.warp.triangles_P3,
            self._neighbours_P3,
        )
        return frames_THW3.permute(0, 3, 1, 2).contiguous()


@cache
def _neighbours() -> Tensor:
    """Return the triangles beside each triangle of the sheet, which all portraits share."""
    return edge_neighbours(topology().triangles_P3)


def _lay_over(frames_T3HW: Tensor, layer: Layer) -> None:
    """Lay a layer over frames, in place."""
    size = frames_T3HW.shape[-1]
    first_T11 = size * size * torch.arange(len(frames_T3HW), device=frames_T3HW.device)
    pixel_T1n = (layer.window.flat(size).flatten(1) - first_T11[:, None])[:, None]
    pixel_T3n = pixel_T1n.expand(-1, 3, -1)
    flat_T3N = frames_T3HW.flatten(2)
    under_T3n = flat_T3N.gather(2, pixel_T3n)
    alpha_T1n = layer.alpha_Thw.flatten(1)[:, None]
    flat_T3N.scatter_(2, pixel_T3n, torch.lerp(under_T3n, layer.color_T3hw.flatten(2), alpha_T1n))
