"""Smooth edges where one part of a picture ends and another begins.

The rasteriser decides by pixel centres. Here every pair of neighbours that belong to different
parts shares colour by where between their centres the nearer surface ends, as in Laine et al.,
"Modular Primitives for High-Performance Differentiable Rendering" (2020), section 3.5. Where that
is, is found by walking from the nearer pixel's triangle over its neighbours towards the farther
pixel until one has no neighbour, or a neighbour that is seen from behind.
"""

import torch
from torch import Tensor

from viseme_face.raster import Raster

# Slivers narrower than a pixel that the walk passes at most.
_STEPS = 4


def edge_neighbours(triangles_P3: Tensor) -> Tensor:
    """Return the triangle on the other side of each edge, -1 where there is none, shape (P, 3).

    Edge k runs from corner k to the next one.
    """
    owner: dict[tuple[int, int], int] = {}
    corners = triangles_P3.tolist()
    for number, ids in enumerate(corners):
        for k in range(3):
            owner[ids[k], ids[(k + 1) % 3]] = number
    return torch.tensor(
        [[owner.get((ids[(k + 1) % 3], ids[k]), -1) for k in range(3)] for ids in corners]
    )


def smooth_edges(
    picture_BHWC: Tensor,
    raster: Raster,
    part_BHW: Tensor,
    screen_BV2: Tensor,
    triangles_P3: Tensor,
    neighbours_P3: Tensor,
) -> Tensor:
    """Return the picture with colours shared across the edges between parts.

    Args:
        picture_BHWC: Any channels per pixel.
        raster: What each pixel sees.
        part_BHW: Number of the part that each pixel shows; pixels of one part are not mixed.
        screen_BV2: Vertices in pixels of this picture, x to the right and y down.
        triangles_P3: The triangles that were rasterised, back faces left out.
        neighbours_P3: `edge_neighbours` of them.
    """
    _, height, width, channels = picture_BHWC.shape
    flat_NC = picture_BHWC.reshape(-1, channels)
    depth_N, triangle_N = raster.depth_BHW.flatten(), raster.triangle_BHW.flatten()
    across = (part_BHW[:, :, 1:] != part_BHW[:, :, :-1]).nonzero()
    down = (part_BHW[:, 1:] != part_BHW[:, :-1]).nonzero()
    frame, row, column = torch.cat([across, down]).unbind(1)
    is_down = torch.arange(len(frame), device=frame.device) >= len(across)
    first = (frame * height + row) * width + column
    second = first + torch.where(is_down, width, 1)
    is_first = depth_N[first] <= depth_N[second]
    near, far = torch.where(is_first, first, second), torch.where(is_first, second, first)

    # Coordinates along each pair, growing from the nearer pixel, and across it.
    centre_M2 = torch.stack([column, row], 1) + 0.5
    along_M = torch.where(is_down, centre_M2[:, 1], centre_M2[:, 0]) + (~is_first)
    across_M = torch.where(is_down, centre_M2[:, 0], centre_M2[:, 1])
    direction_M = torch.where(is_first, 1.0, -1.0)
    screen_N2 = screen_BV2.flatten(0, 1)
    base_M = frame * screen_BV2.shape[1]

    triangle_M = triangle_N[near]
    came_M = torch.full_like(triangle_M, -2)
    distance_M = torch.full_like(along_M, torch.inf)
    active_M = torch.ones_like(is_first)
    for _ in range(_STEPS):
        corners_M32 = screen_N2[triangles_P3[triangle_M] + base_M[:, None]]
        x_M3 = torch.where(is_down[:, None], corners_M32[..., 1], corners_M32[..., 0])
        y_M3 = torch.where(is_down[:, None], corners_M32[..., 0], corners_M32[..., 1])
        x_M3 = (x_M3 - along_M[:, None]) * direction_M[:, None]
        low_M3 = y_M3 - across_M[:, None]
        high_M3 = low_M3.roll(-1, 1)
        crosses_M3 = (low_M3 < 0) != (high_M3 < 0)
        share_M3 = low_M3 / torch.where(crosses_M3, low_M3 - high_M3, 1)
        at_M3 = torch.where(crosses_M3, torch.lerp(x_M3, x_M3.roll(-1, 1), share_M3), -torch.inf)
        # Of the two edges that the line between the centres crosses it leaves by the farther one.
        exit_M, edge_M = at_M3.max(1)
        rise_M3, run_M3 = (high_M3 - low_M3).abs(), (x_M3.roll(-1, 1) - x_M3).abs()
        is_steep_M = (rise_M3 >= run_M3).gather(1, edge_M[:, None])[:, 0]
        found_M = active_M & exit_M.isfinite()
        # A slanted edge meets pairs both ways; those that it crosses more squarely count.
        distance_M = torch.where(found_M, torch.where(is_steep_M, exit_M, torch.inf), distance_M)
        next_M = neighbours_P3[triangle_M, edge_M]
        # A neighbour that is seen from behind folds back: its farther crossing is the same edge.
        active_M = found_M & (next_M >= 0) & (next_M != came_M) & (exit_M < 1)
        came_M = torch.where(active_M, triangle_M, came_M)
        triangle_M = torch.where(active_M, next_M, triangle_M)
    weight_M = torch.where((distance_M >= 0) & (distance_M <= 1), distance_M - 0.5, 0)
    taker_M = torch.where(weight_M > 0, far, near)
    giver_M = torch.where(weight_M > 0, near, far)
    change_MC = (flat_NC[giver_M] - flat_NC[taker_M]) * weight_M.abs()[:, None]
    return flat_NC.index_add(0, taker_M, change_MC).view(picture_BHWC.shape)
