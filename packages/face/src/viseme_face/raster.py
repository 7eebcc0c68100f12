"""Which triangle each pixel sees, where on it, and how far away.

The mesh is cut into spans: one row of one triangle, bounded left and right by two edges. A span is
the run of pixels whose centres lie in [left, right); rows are half-open in the same way. Both
neighbours of an edge compute its crossing with a row from the same two points in the same order,
so they agree to the last bit: a shared edge leaves no hole and no pixel to both.

The search for the nearest triangle has no gradient: moving a silhouette changes nothing here.
Barycentric coordinates and depth are then computed again at the winning pixels, and gradients reach
the vertices through them.

Only float reductions and elementary operations are used, so that CPU, CUDA and MPS run the same
code (MPS has no float64 and no 64-bit integer minimum).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_face.pose import CAMERA_DISTANCE, FOCAL

NEAR = 0.1
"""Camera distance up to which a vertex hides all its triangles: they are left out, not clipped."""

# Corners farther off the picture than this hide their triangle too: float32 can no longer place
# them to a tenth of a pixel. Infinity fails the same comparison.
_FAR_PX = 2.0**20
# Pixels that one step of the search may hold; bounds its memory to some 100 MB.
_MAX_CANDIDATES = 1 << 20
# Triangle numbers pass through float32, which counts exactly up to here.
_MAX_TRIANGLES = 1 << 24


class Raster(NamedTuple):
    """What every pixel of B pictures sees."""

    triangle_BHW: Tensor
    """Number of the triangle, int64; -1 where there is none."""
    barycentric_BHW3: Tensor
    """Perspective-correct weights of its three corners, summing to one; 0 where there is none."""
    depth_BHW: Tensor
    """Camera distance 10 - Z of the point seen; infinity where there is none."""
    mask_BHW: Tensor
    """True where there is a triangle."""


class _Spans(NamedTuple):
    """Runs of pixels, one entry per triangle and row."""

    num_pixels: Tensor
    first_pixel: Tensor
    """Flat (B, H, W) number of the leftmost pixel."""
    nearness: Tensor
    """1 / depth at the centre of the leftmost pixel."""
    slope: Tensor
    """Change of nearness per pixel to the right: 1 / depth is affine on the screen."""
    triangle: Tensor
    """Triangle number within its frame, as a float."""


def rasterize(
    vertices_BV3: Tensor,
    triangles_P3: Tensor,
    size: tuple[int, int],
    *,
    cull_back: bool = False,
) -> Raster:
    """Return the nearest triangle, barycentric coordinates and depth of every pixel.

    Pixel (i, j) samples u = (j + 1/2) / W, v = (i + 1/2) / H, with u and v as in `pose.project`. A
    centre on an edge belongs to the triangle at its right, on a level edge to the one below. The
    nearest triangle wins, and the lowest number among equally near ones. Triangles of no area on
    the screen, and those with a corner nearer than `NEAR` or behind the camera, cover nothing.

    Gradients reach the vertices through barycentric coordinates and depth; the choice of triangles
    has none.

    Args:
        vertices_BV3: Vertices in camera space, float32 or float64, shape (B, V, 3).
        triangles_P3: Vertex numbers of each triangle, shared by the batch, int64, shape (P, 3).
        size: Height and width of the pictures in pixels.
        cull_back: Leave out triangles whose corners run clockwise as the camera sees them.
    """
    _check(vertices_BV3, triangles_P3, size)
    corners_BP33 = _project(vertices_BV3, size)[:, triangles_P3]
    visible_BP = _visible(corners_BP33, cull_back=cull_back)
    # Any harmless number will do in hidden triangles, which may hold infinity.
    corners_BP33 = torch.where(visible_BP[..., None, None], corners_BP33, 1)
    with torch.no_grad():
        triangle_BHW = _nearest(corners_BP33, visible_BP, size)
    mask_BHW = triangle_BHW >= 0

    # Screen barycentrics of corners 1 and 2 are affine in the offset from corner 0.
    first, along, across = _sides(corners_BP33)
    area_BP1 = torch.where(visible_BP, _cross(along, across), 1)[..., None]
    rise_BP4 = torch.stack([across[..., 1], -across[..., 0], -along[..., 1], along[..., 0]], -1)
    table_BP9 = torch.cat([first, rise_BP4 / area_BP1, corners_BP33[..., 2]], -1)
    x0, y0, dx1, dy1, dx2, dy2, near0, near1, near2 = gather_triangles(
        table_BP9, triangle_BHW
    ).unbind(-1)
    dx = _centres(size[1], x0) - x0
    dy = _centres(size[0], y0)[:, None] - y0
    # Rounding may put the centre of a sliver's pixel far outside the sliver: keep it inside.
    weight1 = (dx1 * dx + dy1 * dy).clamp(0, 1)
    weight2 = torch.minimum((dx2 * dx + dy2 * dy).clamp(min=0), 1 - weight1)
    share0, share1, share2 = (1 - weight1 - weight2) * near0, weight1 * near1, weight2 * near2
    depth_BHW = 1 / (share0 + share1 + share2)
    scale_BHW = torch.where(mask_BHW, depth_BHW, 0)
    return Raster(
        triangle_BHW,
        torch.stack([share0 * scale_BHW, share1 * scale_BHW, share2 * scale_BHW], -1),
        torch.where(mask_BHW, depth_BHW, math.inf),
        mask_BHW,
    )


def gather_triangles(table_BPD: Tensor, triangle_BHW: Tensor) -> Tensor:
    """Return the row of each pixel's triangle, shape (B, H, W, D).

    Args:
        table_BPD: One row per triangle, shape (B, P, D), or (1, P, D) to serve every frame.
        triangle_BHW: `Raster.triangle_BHW`; pixels that see nothing get the row of triangle 0.
    """
    num_frames, num_triangles, width = table_BPD.shape
    frame_B = torch.arange(num_frames, device=triangle_BHW.device)
    row_BHW = triangle_BHW.clamp(min=0) + frame_B[:, None, None] * num_triangles
    return table_BPD.flatten(0, 1).index_select(0, row_BHW.flatten()).view(*row_BHW.shape, width)


def _check(vertices_BV3: Tensor, triangles_P3: Tensor, size: tuple[int, int]) -> None:
    num_vertices = check_shape(vertices_BV3, "B V 3", name="vertices_BV3")["V"]
    num_triangles = check_shape(triangles_P3, "P 3", name="triangles_P3")["P"]
    if vertices_BV3.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"vertices_BV3 must be float32 or float64, got {vertices_BV3.dtype}: half precision "
            f"cannot place an edge within a pixel; convert with .float()"
        )
    if triangles_P3.dtype != torch.int64:
        raise ValueError(
            f"triangles_P3 must be int64, got {triangles_P3.dtype}; convert with .long()"
        )
    if not 0 < num_triangles <= _MAX_TRIANGLES:
        raise ValueError(
            f"triangles_P3 must hold 1 to {_MAX_TRIANGLES} triangles, got {num_triangles}; "
            f"an empty picture needs no rasteriser, and a larger mesh can be drawn in parts"
        )
    low, high = (int(end) for end in triangles_P3.aminmax())
    if low < 0 or high >= num_vertices:
        raise ValueError(
            f"triangles_P3 must hold vertex numbers from 0 to {num_vertices - 1}, "
            f"got {low} to {high}; count from 0 and pass all vertices"
        )
    if min(size) < 1:
        raise ValueError(f"size must be a height and width of at least 1 pixel, got {size}")


def _project(vertices_BV3: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (x, y) in pixels and nearness 1 / depth, which is 0 for vertices short of `NEAR`."""
    # Not-a-number and infinity go where they hide their triangles without reaching a gradient.
    finite_BV1 = vertices_BV3.isfinite().all(-1, keepdim=True)
    x, y, z = torch.where(finite_BV1, vertices_BV3, CAMERA_DISTANCE).unbind(-1)
    depth = CAMERA_DISTANCE - z
    in_front = depth > NEAR
    depth = torch.where(in_front, depth, 1)
    height, width = size
    column = (0.5 + FOCAL / depth * x) * width
    row = (0.5 - FOCAL / depth * y) * height
    nearness = torch.where(in_front, 1 / depth, 0)
    return torch.stack([column, row, nearness], -1)


def _sides(corners_BP33: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return corner 0 on the screen and the sides from it to corners 1 and 2."""
    first, second, third = corners_BP33[..., :2].unbind(-2)
    return first, second - first, third - first


def _cross(a_X2: Tensor, b_X2: Tensor) -> Tensor:
    """Return twice the area between two sides, positive if clockwise because rows grow down."""
    return a_X2[..., 0] * b_X2[..., 1] - a_X2[..., 1] * b_X2[..., 0]


def _visible(corners_BP33: Tensor, *, cull_back: bool) -> Tensor:
    _, along, across = _sides(corners_BP33)
    area_BP = _cross(along, across)
    placed_BP = (corners_BP33.abs() < _FAR_PX).all((-2, -1))
    in_front_BP = (corners_BP33[..., 2] > 0).all(-1)
    return ((area_BP < 0) if cull_back else (area_BP != 0)) & placed_BP & in_front_BP


def _centres(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, dtype=like.dtype, device=like.device) + 0.5


def _nearest(corners_BP33: Tensor, visible_BP: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the number of the nearest visible triangle at each pixel, -1 where there is none."""
    num_frames, num_triangles = visible_BP.shape
    height, width = size
    flat_N = visible_BP.flatten().nonzero().flatten()
    corners_N33 = corners_BP33.flatten(0, 1).index_select(0, flat_N)
    # Corners from top to bottom, and the first row of pixels at or below each.
    order_N3 = corners_N33[..., 1].argsort(1)
    corners_N33 = corners_N33.gather(1, order_N3[..., None].expand(-1, -1, 3))
    rows_N3 = _first_centre(corners_N33[..., 1], height)
    columns_N3 = _first_centre(corners_N33[..., 0], width)
    box_N = (rows_N3[:, 2] - rows_N3[:, 0]) * (columns_N3.amax(1) - columns_N3.amin(1) + 1)
    counts = torch.bincount(box_N.cumsum(0) // _MAX_CANDIDATES, minlength=1).tolist()
    parts = zip(
        flat_N.split(counts), rows_N3.split(counts), _edges(corners_N33).split(counts), strict=True
    )

    best = corners_N33.new_zeros(num_frames * height * width)
    winner = torch.full_like(best, num_triangles)
    # From the last triangle to the first: a number that ties with an earlier part's is then the
    # lower one, and amin is right across parts as well as within one.
    for flat, rows, edges in reversed(list(parts)):
        spans = _spans(flat, rows, edges, num_triangles, size)
        span, step = _enumerate(spans.num_pixels)
        pixel = spans.first_pixel.index_select(0, span) + step
        nearness = spans.nearness.index_select(0, span) + spans.slope.index_select(0, span) * step
        best.scatter_reduce_(0, pixel, nearness, "amax")
        leads = nearness == best.index_select(0, pixel)
        number = torch.where(leads, spans.triangle.index_select(0, span), num_triangles)
        winner.scatter_reduce_(0, pixel, number, "amin")
    winner = torch.where(winner < num_triangles, winner, -1)
    return winner.long().view(num_frames, height, width)


def _first_centre(position: Tensor, count: int) -> Tensor:
    """Return the number of the first of `count` pixels whose centre is at or past `position`."""
    return (position - 0.5).ceil().clamp(0, count).long()


def _edges(corners_N33: Tensor) -> Tensor:
    """Return the edges top-bottom, top-middle and middle-bottom, shape (N, 3, 5).

    Each is (y, x, nearness, dx/dy, dnearness/dy), taken at its upper end.
    """
    upper = corners_N33[:, [0, 0, 1]]
    lower = corners_N33[:, [2, 1, 2]]
    slope = (lower - upper) / (lower[..., 1:2] - upper[..., 1:2])
    return torch.stack(
        [upper[..., 1], upper[..., 0], upper[..., 2], slope[..., 0], slope[..., 2]], -1
    )


def _spans(
    flat_N: Tensor, rows_N3: Tensor, edges_N35: Tensor, num_triangles: int, size: tuple[int, int]
) -> _Spans:
    """Return the spans of triangles given by their flat (B, P) number, first rows and edges."""
    height, width = size
    top, middle, bottom = rows_N3.unbind(1)
    entry, step = _enumerate(bottom - top)
    flat = flat_N.index_select(0, entry)
    row = top.index_select(0, entry) + step
    is_low = (row >= middle.index_select(0, entry)).long()
    edges = edges_N35.flatten(0, 1)

    def cross(edge: Tensor) -> tuple[Tensor, Tensor]:
        y, x, nearness, dx, dnearness = edges.index_select(0, edge).unbind(1)
        down = row + 0.5 - y
        return x + down * dx, nearness + down * dnearness

    long_x, long_near = cross(3 * entry)
    short_x, short_near = cross(3 * entry + 1 + is_low)
    left, right = torch.minimum(long_x, short_x), torch.maximum(long_x, short_x)
    start = torch.where(short_x < long_x, short_near, long_near)
    slope = (short_near - long_near) / (short_x - long_x)
    first, last = _first_centre(left, width), _first_centre(right, width)
    frame = flat // num_triangles
    return _Spans(
        num_pixels=last - first,
        first_pixel=(frame * height + row) * width + first,
        nearness=start + (first + 0.5 - left) * slope,
        slope=slope,
        triangle=(flat - frame * num_triangles).to(slope.dtype),
    )


def _enumerate(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return, for counts (2, 0, 3), the owners (0, 0, 2, 2, 2) and their steps (0, 1, 0, 1, 2)."""
    owner = torch.repeat_interleave(counts)
    start = counts.cumsum(0) - counts
    step = torch.arange(owner.shape[0], device=counts.device) - start.index_select(0, owner)
    return owner, step
