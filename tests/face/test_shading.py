"""Shading against what the pictures must show, and gradients against finite differences."""

import math

import pytest
import torch
from torch import Tensor

from viseme_face.raster import rasterize
from viseme_face.shading import (
    interpolate,
    interpolate_corners,
    render_normals,
    sample_texture,
    vertex_normals,
)

QUAD = torch.tensor([[0, 2, 1], [0, 3, 2]])
"""Two triangles over corners named clockwise from the top left; they face the camera."""
SIZE = (8, 8)


def place(u: list[float], v: list[float], depth: list[float] | float = 8.0) -> Tensor:
    """Vertices (1, V, 3) that project to (u, v) in [0, 1] of the picture."""
    u_V, v_V = torch.tensor(u).double(), torch.tensor(v).double()
    d = torch.as_tensor(depth).double().expand_as(u_V)
    spread = d / (1015 / 224)
    return torch.stack([(u_V - 0.5) * spread, (0.5 - v_V) * spread, 10 - d], -1)[None]


def square(left: float = 0, right: float = 1) -> Tensor:
    """A square from top to bottom, as (1, 4, 3) vertices for `QUAD`."""
    return place([left, right, right, left], [0, 0, 1, 1])


def test_gradients_agree_with_finite_differences():
    vertices = place([0.03, 0.95, 0.85, 0.15], [0.05, 0.18, 0.97, 0.82], [8, 9, 7, 8.5])
    attributes = torch.rand(2, 4, 3).double()
    texture = torch.rand(2, 3, 5, 4).double()
    uv = torch.rand(2, 3, 2).double()
    frames = torch.cat([vertices, vertices + 0.05])

    def draw(frames: Tensor, attributes: Tensor, texture: Tensor, uv: Tensor):
        found = rasterize(frames, QUAD, (5, 5))
        assert 20 < found.mask_BHW.sum() < 50
        return (
            found.barycentric_BHW3,
            found.depth_BHW[found.mask_BHW],
            interpolate(found, QUAD, attributes),
            render_normals(found, frames, QUAD),
            sample_texture(found, uv, texture),
        )

    inputs = [x.requires_grad_() for x in (frames, attributes, texture, uv)]
    assert torch.autograd.gradcheck(draw, inputs, fast_mode=True)


def test_a_plane_renders_with_its_own_normal():
    normal = torch.tensor([0.3, -0.4, 0.866]).double()
    xy = torch.tensor([[-2.0, 2], [2, 2], [2, -2], [-2, -2]]).double()
    z = -(xy @ normal[:2]) / normal[2]
    vertices = torch.cat([xy, z[:, None]], 1)[None]
    found = rasterize(vertices, QUAD, SIZE)
    assert found.mask_BHW.all()
    rendered = render_normals(found, vertices, QUAD)
    torch.testing.assert_close(rendered, (normal / normal.norm()).expand_as(rendered))


def test_normals_of_an_octahedron_point_away_along_its_corners():
    vertices = torch.cat([torch.eye(3), -torch.eye(3)])[None]
    triangles = torch.tensor(
        [[0, 1, 2], [3, 2, 1], [4, 2, 3], [4, 0, 2], [0, 5, 1], [3, 1, 5], [4, 5, 0], [4, 3, 5]]
    )
    torch.testing.assert_close(vertex_normals(3 * vertices, triangles), vertices)


def test_a_texture_on_a_square_of_its_size_appears_unchanged():
    texture = torch.rand(2, 3, 8, 8)
    checkers = torch.arange(8)[:, None] + torch.arange(8)
    texture[0] = (checkers % 2).float()
    vertices = square().float().expand(2, -1, -1)
    uv = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]])[QUAD]
    found = rasterize(vertices, QUAD, SIZE)
    torch.testing.assert_close(sample_texture(found, uv, texture), texture)


def test_a_texture_leaves_empty_pixels_at_zero():
    found = rasterize(square(0.25, 0.75).float(), QUAD, SIZE)
    picture = sample_texture(found, torch.zeros(2, 3, 2), torch.ones(1, 3, 4, 4))
    assert torch.equal(picture, found.mask_BHW[:, None].float().expand(-1, 3, -1, -1))


def test_corner_attributes_may_disagree_along_an_edge():
    found = rasterize(square(), QUAD, SIZE)
    corners = torch.tensor([5.0, 7.0]).double()[None, :, None, None].expand(1, 2, 3, 1)
    expected = torch.where(found.triangle_BHW == 0, 5.0, 7.0).double()
    torch.testing.assert_close(interpolate_corners(found, corners)[..., 0], expected)


def test_not_a_number_stays_on_its_own_triangle():
    found = rasterize(square(0, 0.5), QUAD, SIZE)
    attributes = torch.tensor([[[1.0], [math.nan], [1], [1]]]).double()
    values = interpolate(found, QUAD, attributes)[..., 0]
    assert values[found.triangle_BHW == 0].isnan().all()
    assert torch.equal(values.isnan(), found.triangle_BHW == 0)


def test_attributes_of_another_batch_are_refused():
    found = rasterize(square().expand(3, -1, -1), QUAD, SIZE)
    with pytest.raises(ValueError, match="each of the 3 frames or once for all, got 2"):
        interpolate(found, QUAD, torch.zeros(2, 4, 1))
