"""The rasteriser against ray casting, one pixel and one triangle at a time."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from viseme_face import raster as raster_module
from viseme_face.raster import NEAR, rasterize
from viseme_face.shading import interpolate

FOCAL = 1015 / 224
SIZE = (24, 20)


def at_pixels(points: list[tuple[float, ...]], size: tuple[int, int], depth: float = FOCAL):
    """Vertices (V, 3) that project to (column, row) pixels; (column, row, depth) overrides.

    At depth 1015/224 = 4.53125 and with a power of two for size, the projection is exact.
    """
    height, width = size
    vertices = []
    for column, row, *own in points:
        d = own[0] if own else depth
        vertices.append([(column / width - 0.5) * d / FOCAL, (0.5 - row / height) * d / FOCAL])
        vertices[-1].append(10 - d)
    return torch.tensor(vertices, dtype=torch.float64)


def rays(size: tuple[int, int]) -> np.ndarray:
    """Direction of each pixel's ray from (0, 0, 10), advancing by 1 in depth, (H, W, 3)."""
    height, width = size
    row, column = np.mgrid[:height, :width] + 0.5
    x, y = (column / width - 0.5) / FOCAL, (0.5 - row / height) / FOCAL
    return np.stack([x, y, -np.ones_like(x)], -1)


def cast(vertices: np.ndarray, triangles: np.ndarray, size: tuple[int, int]):
    """Triangle, barycentrics and depth per pixel by solving ray = sum of corners, one by one."""
    height, width = size
    triangle = np.full(size, -1)
    weights, depth = np.zeros((height, width, 3)), np.full(size, np.inf)
    ray = rays(size)
    for number, corners in enumerate(vertices[triangles]):
        if (10 - corners[:, 2]).min() <= NEAR:
            continue
        matrix = (corners - [0, 0, 10]).T
        for i in range(height):
            for j in range(width):
                share = np.linalg.solve(matrix, ray[i, j])
                if share.min() >= 0 and 1 / share.sum() < depth[i, j] - 1e-9:
                    triangle[i, j], depth[i, j] = number, 1 / share.sum()
                    weights[i, j] = share / share.sum()
    return triangle, weights, depth


def soup(seed: int, count: int = 14) -> tuple[Tensor, Tensor]:
    """Big random triangles that cut through each other; the last three repeat earlier ones."""
    draw = np.random.default_rng(seed)
    xy = draw.uniform(-1.6, 1.6, (3 * count, 2))
    z = draw.choice([-3, 0, 3, 9.95], (count, 1, 1), p=[0.3, 0.3, 0.3, 0.1])
    z = z + draw.normal(0, 1, (count, 3, 1)) * (z < 9)
    vertices = np.concatenate([xy, z.reshape(-1, 1)], 1)
    triangles = np.arange(3 * count).reshape(-1, 3)
    repeated = np.roll(triangles[:3], 1, axis=1)
    return torch.from_numpy(vertices), torch.from_numpy(np.concatenate([triangles, repeated]))


QUAD = torch.tensor([[0, 2, 1], [0, 3, 2]])


def quad(left: float, top: float, right: float, bottom: float, size: tuple[int, int], **depth):
    """Four corners, clockwise on the screen from the top left; `QUAD` faces the camera."""
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return at_pixels(corners, size, **depth)[None]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_random_triangles_agree_with_ray_casting(seed):
    vertices, triangles = soup(seed)
    triangle, weights, depth = cast(vertices.numpy(), triangles.numpy(), SIZE)
    found = rasterize(vertices[None], triangles, SIZE)

    assert 0.3 < (triangle >= 0).mean() < 1, "the scene must test both covered and empty pixels"
    np.testing.assert_array_equal(found.triangle_BHW[0], triangle)
    np.testing.assert_array_equal(found.mask_BHW[0], triangle >= 0)
    np.testing.assert_allclose(found.barycentric_BHW3[0], weights, atol=1e-9)
    np.testing.assert_allclose(found.depth_BHW[0], depth, rtol=1e-9)


def test_single_precision_agrees_but_for_pixels_on_edges():
    vertices, triangles = soup(3)
    single = rasterize(vertices[None].float(), triangles, (128, 128))
    double = rasterize(vertices[None], triangles, (128, 128))
    same = single.triangle_BHW == double.triangle_BHW
    assert same.double().mean() > 0.999
    # Rounding moves a corner by 1e-5 pixels, which slivers of a few pixels' width amplify.
    torch.testing.assert_close(
        single.barycentric_BHW3[same].double(), double.barycentric_BHW3[same], atol=1e-3, rtol=0
    )


def test_interpolated_positions_lie_on_the_ray_at_the_depth_found():
    vertices, triangles = soup(4)
    found = rasterize(vertices[None], triangles, SIZE)
    position = interpolate(found, triangles, vertices[None])[found.mask_BHW]
    depth = found.depth_BHW[found.mask_BHW]
    ray = torch.from_numpy(rays(SIZE))[found.mask_BHW[0]]
    expected = torch.tensor([0.0, 0, 10]).double() + depth[:, None] * ray
    torch.testing.assert_close(position, expected, atol=1e-9, rtol=0)


def test_edges_through_pixel_centres_leave_no_hole_and_no_pixel_to_both():
    # Corners on multiples of half a pixel: most edges run through centres of pixels.
    size, draw = (32, 32), np.random.default_rng(0)
    row, column = np.mgrid[0:33:4, 0:33:4].astype(float)
    inner = np.s_[1:-1, 1:-1]
    row[inner] += draw.integers(-3, 4, row[inner].shape) / 2
    column[inner] += draw.integers(-3, 4, row[inner].shape) / 2
    points = np.stack([column, row], -1).reshape(-1, 2)
    start = (np.arange(8)[:, None] * 9 + np.arange(8)).reshape(-1, 1)
    halves = [start + np.array(corners) for corners in ((0, 9, 1), (1, 9, 10))]
    triangles = torch.from_numpy(np.concatenate(halves))

    for dtype, depth in ((torch.float64, FOCAL), (torch.float32, 9.7)):
        vertices = at_pixels([tuple(p) for p in points], size, depth)[None].to(dtype)
        alone = rasterize(vertices[0, triangles], torch.tensor([[0, 1, 2]]), size)
        assert (alone.mask_BHW.sum(0) == 1).all()
        assert rasterize(vertices, triangles, size).mask_BHW.all()


def test_a_centre_on_an_edge_belongs_to_the_triangle_right_of_or_below_it():
    found = rasterize(quad(2.5, 1.5, 5.5, 4.5, (8, 8)), QUAD, (8, 8))
    expected = torch.zeros(1, 8, 8, dtype=torch.bool)
    expected[:, 1:4, 2:5] = True
    assert torch.equal(found.mask_BHW, expected)


@pytest.mark.parametrize("near_first", [True, False])
def test_the_nearer_of_two_overlapping_squares_is_seen(near_first):
    near, far = quad(0, 0, 5, 8, (8, 8), depth=8.0), quad(3, 0, 8, 8, (8, 8), depth=9.0)
    vertices = torch.cat([near, far] if near_first else [far, near], 1)
    found = rasterize(vertices, torch.cat([QUAD, QUAD + 4]), (8, 8))
    expected = torch.full((1, 8, 8), 9.0).double()
    expected[..., :5] = 8.0
    torch.testing.assert_close(found.depth_BHW, expected)
    assert torch.equal(found.triangle_BHW >= 2, expected == (9.0 if near_first else 8.0))


def test_slivers_keep_weights_inside_and_depth_between_their_corners():
    # 1e-5 pixels thick along lines through centres: float32 cannot tell where across them one lies.
    draw = np.random.default_rng(0)
    ends = draw.integers(2, 62, (400, 2, 2)) + 0.5
    middle = ends.mean(1) + draw.uniform(-2e-5, 2e-5, (400, 2))
    corners = [((*a, 7.0), (*b, 9.0), (*c, 8.0)) for (a, b), c in zip(ends, middle, strict=True)]
    frames = torch.stack([at_pixels(list(triple), (64, 64)) for triple in corners]).float()
    found = rasterize(frames, torch.tensor([[0, 1, 2]]), (64, 64))
    assert found.mask_BHW.sum() > 100
    assert (found.barycentric_BHW3 >= 0).all()
    torch.testing.assert_close(found.barycentric_BHW3.sum(-1), found.mask_BHW.float())
    depth = found.depth_BHW[found.mask_BHW]
    assert depth.min() >= 6.999
    assert depth.max() <= 9.001


def test_the_lowest_number_wins_among_equally_near_triangles_however_the_work_is_cut(monkeypatch):
    vertices, triangles = soup(5)
    turned = torch.cat([triangles, triangles.roll(1, dims=1), triangles.flip(1)])
    frames = torch.stack([vertices, vertices * 0.8]).float()
    whole = rasterize(frames, triangles, SIZE)
    tripled = rasterize(frames, turned, SIZE)
    monkeypatch.setattr(raster_module, "_MAX_CANDIDATES", 100)
    cut = rasterize(frames, turned, SIZE)
    assert torch.equal(tripled.triangle_BHW, whole.triangle_BHW)
    assert torch.equal(cut.triangle_BHW, whole.triangle_BHW)


def test_a_batch_is_its_frames_one_by_one():
    frames = torch.stack([soup(seed)[0] for seed in range(3)]).float()
    triangles = soup(0)[1]
    batch = rasterize(frames, triangles, SIZE)
    for k in range(3):
        single = rasterize(frames[k : k + 1], triangles, SIZE)
        for together, alone in zip(batch, single, strict=True):
            assert torch.equal(together[k : k + 1], alone)


INVISIBLE = {
    "behind the camera": [(0, 0, 11.0), (1, 0, 11), (0, 1, 11)],
    "through the near plane": [(0, 0, 9.95), (1, 0, 0), (0, 1, 0)],
    "two corners alike": [(0, 0, 0.0), (0, 0, 0), (1, 1, 0)],
    "seen from the side": [(0, 0, 0.0), (0, 0, 5), (0, 1, 0)],
    "left of the picture": [(-5, 0, 0.0), (-4, 0, 0), (-4, 1, 0)],
    "below the picture": [(0, -5, 0.0), (1, -5, 0), (0, -4, 0)],
    "between pixel centres": [(0, 0, 0.0), (1e-3, 0, 0), (0, 1e-3, 0)],
    "not a number": [(math.nan, 0, 0), (1, 0, 0), (0, 1, 0)],
    "infinite": [(math.inf, 0, 0), (1, 0, 0), (0, 1, 0)],
}


@pytest.mark.parametrize("corners", INVISIBLE.values(), ids=INVISIBLE.keys())
def test_what_cannot_be_seen_leaves_the_picture_empty(corners):
    found = rasterize(torch.tensor([corners]), torch.tensor([[0, 1, 2]]), (16, 16))
    assert (found.triangle_BHW == -1).all()
    assert not found.mask_BHW.any()
    assert (found.depth_BHW == math.inf).all()
    assert (found.barycentric_BHW3 == 0).all()


@pytest.mark.parametrize(
    "name",
    [
        "behind the camera",
        "through the near plane",
        "two corners alike",
        "not a number",
        "infinite",
    ],
)
def test_an_invisible_triangle_changes_neither_picture_nor_gradient_of_a_visible_one(name):
    shown = quad(2, 2, 6, 6, (8, 8)).float()
    gradients = []
    for hidden in (torch.zeros(1, 0, 3), torch.tensor([INVISIBLE[name]])):
        vertices = torch.cat([hidden, shown], 1).requires_grad_()
        count = hidden.shape[1]
        triangles = torch.cat([torch.arange(count).view(-1, 3), QUAD + count])
        found = rasterize(vertices, triangles, (8, 8))
        assert found.mask_BHW.sum() == 16
        found.depth_BHW[found.mask_BHW].square().sum().backward()
        assert vertices.grad is not None
        gradients.append(vertices.grad)
    assert (gradients[1][:, :3] == 0).all()
    torch.testing.assert_close(gradients[1][:, 3:], gradients[0])


def test_culling_leaves_out_triangles_that_run_clockwise():
    vertices = quad(0, 0, 8, 8, (8, 8))
    facing, turned = QUAD[0], QUAD[1].flip(0)
    triangles = torch.stack([facing, turned])
    assert rasterize(vertices, triangles, (8, 8)).mask_BHW.all()
    culled = rasterize(vertices, triangles, (8, 8), cull_back=True)
    alone = rasterize(vertices, facing[None], (8, 8))
    assert torch.equal(culled.mask_BHW, alone.mask_BHW)


ONE = torch.tensor([[0, 1, 2]])


@pytest.mark.parametrize(
    ("vertices", "triangles", "size", "message"),
    [
        (torch.zeros(3, 3), ONE, (4, 4), "vertices_BV3 must have shape"),
        (torch.zeros(1, 3, 3).half(), ONE, (4, 4), "float32 or float64, got torch.float16"),
        (torch.zeros(1, 3, 3), ONE.int(), (4, 4), "must be int64, got torch.int32"),
        (torch.zeros(1, 3, 3), ONE + 1, (4, 4), "from 0 to 2, got 1 to 3"),
        (torch.zeros(1, 3, 3), ONE - 1, (4, 4), "from 0 to 2, got -1 to 1"),
        (torch.zeros(1, 3, 3), ONE[:0], (4, 4), "must hold 1 to"),
        (torch.zeros(1, 3, 3), ONE, (0, 4), "at least 1 pixel"),
    ],
)
def test_unusable_input_is_refused_by_name(vertices, triangles, size, message):
    with pytest.raises(ValueError, match=message):
        rasterize(vertices, triangles, size)
