"""Smoothed edges against a picture with 64 samples to a pixel."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_face.antialias import edge_neighbours, smooth_edges
from viseme_face.pose import project
from viseme_face.raster import rasterize

SIZE = 64


def ball() -> tuple[Tensor, Tensor]:
    rows, columns = 13, 24
    down_R = torch.linspace(0, math.pi, rows)[:, None]
    turn_C = torch.linspace(0, 2 * math.pi, columns + 1)[:-1]
    vertices = torch.stack(
        [
            down_R.sin() * turn_C.sin(),
            down_R.cos().expand(-1, columns),
            down_R.sin() * turn_C.cos(),
        ],
        -1,
    )
    ids = torch.arange(rows * columns).view(rows, columns)
    ids = torch.cat([ids, ids[:, :1]], 1)
    a, b, c, d = ids[:-1, :-1], ids[:-1, 1:], ids[1:, :-1], ids[1:, 1:]
    triangles = torch.cat([torch.stack([a, c, b], -1), torch.stack([b, c, d], -1)]).flatten(0, 1)
    return vertices.flatten(0, 1) + torch.tensor([0.0123, 0.0345, -5]), triangles.flatten(0, -2)


def smoothed(vertices_V3: Tensor, triangles_P3: Tensor) -> tuple[Tensor, Tensor]:
    """The ball in white before black, plain and smoothed."""
    vertices_1V3 = vertices_V3[None]
    raster = rasterize(vertices_1V3, triangles_P3, (SIZE, SIZE), cull_back=True)
    plain = raster.mask_BHW[..., None].float()
    smooth = smooth_edges(
        plain,
        raster,
        raster.mask_BHW.long(),
        SIZE * project(vertices_1V3),
        triangles_P3,
        edge_neighbours(triangles_P3),
    )
    return plain[0, ..., 0], smooth[0, ..., 0]


def test_smoothed_edges_come_near_to_many_samples_per_pixel():
    vertices, triangles = ball()
    plain, smooth = smoothed(vertices, triangles)
    fine = rasterize(vertices[None], triangles, (8 * SIZE, 8 * SIZE), cull_back=True)
    expected = F.avg_pool2d(fine.mask_BHW.float(), 8)[0]
    assert (smooth - expected).abs().sum() < 0.2 * (plain - expected).abs().sum()


def test_pixels_away_from_edges_keep_their_bits():
    plain, smooth = smoothed(*ball())
    spread = F.max_pool2d(plain[None], 3, 1, 1)[0] + F.max_pool2d(-plain[None], 3, 1, 1)[0]
    flat = spread == 0
    assert flat.sum() > 1000
    assert torch.equal(smooth[flat], plain[flat])


def test_a_small_shift_changes_an_edge_a_little():
    vertices, triangles = ball()
    _, before = smoothed(vertices, triangles)
    # A fiftieth of a pixel: 15 units deep, 15 / 4.53 / 64 units to a pixel.
    _, after = smoothed(vertices + torch.tensor([0.02 * 15 / 4.53 / 64, 0, 0]), triangles)
    change = (after - before).abs()
    assert 0 < change.sum() < 3
    assert change.quantile(0.999) < 0.05


def test_neighbours_share_the_edge_they_are_listed_for():
    triangles = torch.tensor([[0, 1, 2], [2, 1, 3]])
    # Edge 1 of the first runs from 1 to 2, edge 0 of the second from 2 to 1.
    assert edge_neighbours(triangles).tolist() == [[-1, 1, -1], [0, -1, -1]]
