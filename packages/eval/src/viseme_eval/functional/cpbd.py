"""Sharpness of pictures: the cumulative probability of blur detection (CPBD).

Narvekar and Karam, "A no-reference image blur metric based on the cumulative probability of blur
detection", 2011: an edge of width w in a block of contrast c is seen as blurred with probability
1 - exp(-(w / w_jnb(c))^3.6); CPBD is the share of edges whose probability is at most 63 %, that of
an edge of just noticeable width. DisentTalk's tables use it.

What is computed is what the `cpbd` package 1.0.7 computes, its quirks included, because published
numbers come from it. Its decisions on edges and widths depend on ties between 8-bit grey levels, so
frames are rounded to them, and all arithmetic below is exact or in the package's own order.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_eval.functional.canny import canny_edges
from viseme_eval.functional.image import Region, region_of
from viseme_eval.functional.threads import on_one_thread

BLOCK_PX = 64
"""Side of the squares whose contrast decides which width is just noticeable."""
# An edge block has more edge pixels than this share of its pixels.
_EDGE_SHARE = 0.002
# Just noticeable widths for contrasts up to this one and above it, in pixels.
_LOW_CONTRAST, _WIDTH_LOW_PX, _WIDTH_HIGH_PX = 50, 5, 3
# Steps to either side after which an edge is wider than any that counts as sharp.
_FAR_PX = _WIDTH_LOW_PX - 1
# Few enough frames for a processor's caches, enough to keep a GPU busy; no influence on results.
_CHUNK_CPU, _CHUNK_GPU = 2, 64


@torch.no_grad()
def cpbd(frames: Tensor, *, region: Region = "whole") -> Tensor:
    """Return the CPBD of every frame, in [0, 1]; higher is sharper, 0 without any edge.

    Args:
        frames: (T, 3, H, W) RGB in [-1, 1]; at least 64 px high and wide after cropping. Rows and
            columns beyond the last whole block of 64 px count for nothing but the threshold of
            edges, as in the package.
        region: `lower` measures the lower half of each frame as a picture of its own.

    Returns:
        (T,), float64.

    Raises:
        ValueError: If the frames are not such, or too small.
    """
    frames = region_of(frames, region)
    if min(frames.shape[-2:]) < BLOCK_PX:
        raise ValueError(
            f"CPBD needs pictures of at least {BLOCK_PX} x {BLOCK_PX} px, got {region} frames of "
            f"{frames.shape[-2]} x {frames.shape[-1]}; enlarge them, or measure the whole frame"
        )
    if len(frames) == 0:
        return frames.new_zeros(0, dtype=torch.float64)
    chunk = _CHUNK_CPU if frames.device.type == "cpu" else _CHUNK_GPU
    with on_one_thread(frames):
        return torch.cat([_cpbd_of(grey_levels(some)) for some in frames.split(chunk)])


def grey_levels(frames: Tensor) -> Tensor:
    """Return 8-bit grey levels as Pillow makes them from RGB, (T, H, W) int32 in [0, 255].

    Args:
        frames: (T, 3, H, W) RGB in [-1, 1]; values outside are clipped.
    """
    red, green, blue = ((frames + 1) * 127.5).round().clamp(0, 255).int().unbind(1)
    # ITU-R 601 luma in 65536ths, rounded: `Image.convert("L")`, which the package reads by.
    return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16


def _cpbd_of(grey_THW: Tensor) -> Tensor:
    """Return the CPBD of 8-bit grey pictures, int32."""
    blocks_Tij = _blocks(canny_edges(grey_THW.double())).sum((-2, -1))
    is_edge_Tij = blocks_Tij > _EDGE_SHARE * BLOCK_PX**2
    levels = _blocks(grey_THW)
    is_high_Tij = levels.amax((-2, -1)) - levels.amin((-2, -1)) > _LOW_CONTRAST

    rising_THW, falling_THW = _directed_edges(grey_THW)
    frame, row, column = (rising_THW | falling_THW).nonzero(as_tuple=True)
    i, j = row // BLOCK_PX, column // BLOCK_PX
    rows, columns = is_edge_Tij.shape[1:]
    inside = (i < rows) & (j < columns)
    inside &= is_edge_Tij[frame, i.clamp_max(rows - 1), j.clamp_max(columns - 1)]
    frame, row, column, i, j = (x[inside] for x in (frame, row, column, i, j))

    slope = rising_THW[frame, row, column].int() * 2 - 1
    width = _edge_widths(grey_THW, frame, row, column, slope)
    # The package bins 1 - exp(-(w / w_jnb)^3.6) in whole per cent and takes those up to 63: just
    # the widths up to w_jnb, as widths are whole numbers.
    noticeable = torch.where(is_high_Tij[frame, i, j], _WIDTH_HIGH_PX, _WIDTH_LOW_PX)
    is_sharp = width <= noticeable
    num_edges = torch.bincount(frame, minlength=len(grey_THW))
    num_sharp = torch.bincount(frame, is_sharp.double(), minlength=len(grey_THW))
    return num_sharp / num_edges.clamp_min(1)


def _blocks(pictures_THW: Tensor) -> Tensor:
    """Return the whole blocks of pictures, (T, rows, columns, 64, 64)."""
    return pictures_THW.unfold(1, BLOCK_PX, BLOCK_PX).unfold(2, BLOCK_PX, BLOCK_PX)


def _directed_edges(grey_THW: Tensor) -> tuple[Tensor, Tensor]:
    """Return where thinned vertical edges rise to the right, and where they fall."""
    strength = F.pad(_squared_sobel(grey_THW), (1, 1, 1, 1))
    here = strength[:, 1:-1, 1:-1]
    thin = (here > strength[:, 1:-1, :-2]) & (here > strength[:, 1:-1, 2:])
    thin |= (here > strength[:, :-2, 1:-1]) & (here > strength[:, 2:, 1:-1])
    # Widths are measured away from the border only.
    thin = F.pad(thin[:, 1:-1, 1:-1], (1, 1, 1, 1))

    slope_x, slope_y = _slopes(grey_THW, 2), _slopes(grey_THW, 1)
    # Within 22.5 degrees of the horizontal, tan 22.5 = sqrt 2 - 1; whole numbers never tie.
    total = slope_x.abs() + slope_y.abs()
    is_steep = total * total < 2 * slope_x * slope_x
    # The package leaves the angle of every gradient without horizontal part at 0, which means
    # rising to the right, and measures nothing if all angles of the picture are 0.
    falls = slope_x < 0
    has_angle = (falls | ((slope_x != 0) & (slope_y != 0))).flatten(1).any(1)[:, None, None]
    thin &= has_angle
    return thin & ((is_steep & ~falls) | (slope_x == 0)), thin & is_steep & falls


def _squared_sobel(grey_THW: Tensor) -> Tensor:
    """Return 64 times the squared horizontal Sobel response, 0 where it is too weak for an edge."""
    # Replicated by one pixel: what scipy calls `reflect`.
    padded = F.pad(grey_THW[:, None].float(), (1, 1, 1, 1), mode="replicate")[:, 0].int()
    smooth = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    response = smooth[:, :, 2:] - smooth[:, :, :-2]
    squared = response * response
    # The rule in the package's unit, kernels of absolute sum 1: squares at most twice the root of
    # their mean are no edges.
    mean = squared.sum((1, 2)).double() / (64 * squared[0].numel())
    return squared * (squared.double() > 64 * 2 * mean.sqrt()[:, None, None])


def _slopes(grey_THW: Tensor, axis: int) -> Tensor:
    """Return twice numpy's gradient along an axis: central differences, one-sided at both ends."""
    size = grey_THW.shape[axis]
    inner = grey_THW.narrow(axis, 2, size - 2) - grey_THW.narrow(axis, 0, size - 2)
    first = 2 * (grey_THW.narrow(axis, 1, 1) - grey_THW.narrow(axis, 0, 1))
    last = 2 * (grey_THW.narrow(axis, size - 1, 1) - grey_THW.narrow(axis, size - 2, 1))
    return torch.cat([first, inner, last], axis)


def _edge_widths(
    grey_THW: Tensor, frame: Tensor, row: Tensor, column: Tensor, slope: Tensor
) -> Tensor:
    """Return the widths of edges in pixels (Marziliano): from one extremum of the row to the other.

    Those that count as blurred whatever the contrast are cut short.

    Args:
        grey_THW: Grey levels.
        frame: Frame of each edge pixel; `row` and `column` likewise.
        row: Its row.
        column: Its column.
        slope: 1 where levels rise to the right, -1 where they fall.
    """
    width_px = grey_THW.shape[-1]
    # Levels that never go on at the ends of a row, so that every walk stops there.
    steps = F.pad((grey_THW[..., 1:] - grey_THW[..., :-1]).sign().to(torch.int8), (1, 1))
    steps = steps.flatten()
    # steps[start + c] is the sign of level c minus level c - 1.
    start = (frame * grey_THW.shape[1] + row) * (width_px + 1)
    slope = slope.to(torch.int8)
    width = torch.full_like(column, 2)
    for first, direction in ((column - 1, -1), (column + 2, 1)):
        index, place, sign = torch.arange(len(column), device=column.device), start + first, slope
        for _ in range(_FAR_PX):
            goes_on = steps[place] == sign
            index, place, sign = index[goes_on], place[goes_on] + direction, sign[goes_on]
            if len(index) == 0:
                break
            width[index] += 1
    return width
