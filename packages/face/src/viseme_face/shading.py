"""What a rasterised mesh looks like: attributes, normals and textures, pixel by pixel.

Everything is differentiable with respect to the attributes or the texture and, through the
raster's barycentric coordinates, the vertices. Which triangle a pixel sees has no gradient.
Pixels that see nothing are 0.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_face.raster import Raster, gather_triangles


def interpolate(raster: Raster, triangles_P3: Tensor, attributes_BVD: Tensor) -> Tensor:
    """Return vertex attributes at every pixel, shape (B, H, W, D).

    Args:
        raster: What each pixel sees.
        triangles_P3: The triangles that were rasterised, shape (P, 3).
        attributes_BVD: Any D numbers per vertex, shape (B, V, D), or (1, V, D) for every frame.
    """
    check_shape(attributes_BVD, "B V D", name="attributes_BVD")
    return interpolate_corners(raster, attributes_BVD[:, triangles_P3])


def interpolate_corners(raster: Raster, corners_BP3D: Tensor) -> Tensor:
    """Return attributes given per corner of each triangle at every pixel, shape (B, H, W, D).

    Corners let neighbours disagree along an edge, as texture coordinates do along a seam.

    Args:
        raster: What each pixel sees.
        corners_BP3D: Attributes, shape (B, P, 3, D), or (1, P, 3, D) for every frame.
    """
    num_frames = raster.mask_BHW.shape[0]
    check_shape(corners_BP3D, "B P 3 D", name="corners_BP3D")
    if corners_BP3D.shape[0] not in (1, num_frames):
        raise ValueError(
            f"attributes must come for each of the {num_frames} frames or once for all, "
            f"got {corners_BP3D.shape[0]}"
        )
    pixels = gather_triangles(corners_BP3D.flatten(2), raster.triangle_BHW)
    first, second, third = pixels.unflatten(-1, corners_BP3D.shape[2:]).unbind(-2)
    weight1, weight2, weight3 = raster.barycentric_BHW3[..., None].unbind(-2)
    blended = weight1 * first + weight2 * second + weight3 * third
    # Triangle 0 may hold infinity or not-a-number, which a weight of 0 would let through.
    return torch.where(raster.mask_BHW[..., None], blended, 0)


def vertex_normals(vertices_BV3: Tensor, triangles_P3: Tensor) -> Tensor:
    """Return unit normals at the vertices, shape (B, V, 3).

    Each is the mean of its triangles' normals weighted by area, and points to the side from which
    their corners run counter-clockwise. A vertex of no triangle has the normal 0.

    Args:
        vertices_BV3: Vertices, shape (B, V, 3).
        triangles_P3: Vertex numbers of each triangle, shape (P, 3).
    """
    first, second, third = vertices_BV3[:, triangles_P3].unbind(2)
    faces_BP3 = torch.linalg.cross(second - first, third - first)
    sums_BV3 = torch.zeros_like(vertices_BV3).index_add(
        1, triangles_P3.flatten(), faces_BP3.repeat_interleave(3, dim=1)
    )
    return F.normalize(sums_BV3, dim=-1)


def render_normals(raster: Raster, vertices_BV3: Tensor, triangles_P3: Tensor) -> Tensor:
    """Return smooth unit normals in camera space at every pixel, shape (B, H, W, 3).

    Args:
        raster: What each pixel sees.
        vertices_BV3: The vertices that were rasterised, shape (B, V, 3).
        triangles_P3: The triangles that were rasterised, shape (P, 3).
    """
    normals_BV3 = vertex_normals(vertices_BV3, triangles_P3)
    return F.normalize(interpolate(raster, triangles_P3, normals_BV3), dim=-1)


def sample_texture(raster: Raster, uv_P32: Tensor, texture_B3HW: Tensor) -> Tensor:
    """Return the bilinearly sampled texture at every pixel, shape (B, 3, H, W).

    u runs right and v runs down, as crop coordinates do: (0, 0) is the outer corner of the
    texture's first texel, whose centre is at half a texel (`align_corners=False`). Coordinates
    outside [0, 1] read the border. Wavefront files count v upwards: pass 1 - v.

    Args:
        raster: What each pixel sees.
        uv_P32: Texture coordinates per corner, shape (P, 3, 2); with one pair per vertex that is
            `uv_V2[triangles_P3]`.
        texture_B3HW: Textures, shape (B, 3, h, w), or (1, 3, h, w) for every frame.
    """
    check_shape(uv_P32, "P 3 2", name="uv_P32")
    check_shape(texture_B3HW, "B 3 h w", name="texture_B3HW")
    uv_BHW2 = interpolate_corners(raster, uv_P32[None])
    textures = texture_B3HW.expand(uv_BHW2.shape[0], -1, -1, -1)
    picture_B3HW = F.grid_sample(
        textures, 2 * uv_BHW2 - 1, padding_mode="border", align_corners=False
    )
    return torch.where(raster.mask_BHW[:, None], picture_B3HW, 0)
