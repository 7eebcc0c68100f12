"""What the camera sees of a sheet, and the picture that this gives."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_face.pose import CAMERA_DISTANCE, FOCAL
from viseme_face.raster import Raster, rasterize
from viseme_face.sheet.warp import Moved

# The rasteriser's perspective would bend the map from picture to picture; depth only decides what
# hides what, so it is pressed flat.
_FLAT = 0.01


def rasterize_sheet(moved: Moved, triangles_P3: Tensor, size: int) -> Raster:
    """Return which triangle of a sheet each pixel of a square picture shows.

    Args:
        moved: The sheet in some frames.
        triangles_P3: Its triangles.
        size: Side of the picture.
    """
    z_TN = _FLAT * moved.height_TN
    spread_TN = (CAMERA_DISTANCE - z_TN) / FOCAL
    x_TN = (moved.screen_TN2[..., 0] - 0.5) * spread_TN
    y_TN = (0.5 - moved.screen_TN2[..., 1]) * spread_TN
    vertices_TN3 = torch.stack([x_TN, y_TN, z_TN], -1)
    return rasterize(vertices_TN3, triangles_P3, (size, size), cull_back=True)


def look_up(
    picture_3HW: Tensor, flow_THW2: Tensor, *, mode: Literal["bilinear", "bicubic"] = "bicubic"
) -> Tensor:
    """Return a picture's colours at places of it, (T, 3, H, W).

    Args:
        picture_3HW: The portrait, any range.
        flow_THW2: Places in [0, 1].
        mode: How to look between pixels, as of `torch.nn.functional.grid_sample`.
    """
    return F.grid_sample(
        picture_3HW.expand(len(flow_THW2), -1, -1, -1),
        2 * flow_THW2 - 1,
        mode=mode,
        padding_mode="border",
        align_corners=False,
    )
