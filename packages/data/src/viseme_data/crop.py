"""One stable square per clip: where it lies, its pixels, and landmarks inside it.

Source pixels are continuous: pixel (i, j) covers [i, i + 1] x [j, j + 1], so that a picture of
width W spans [0, W] and a crop spans [0, 1] whatever its size.
"""

import math

import numpy as np
import torch
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_core.types import CropBox, Landmarks
from viseme_face.layouts import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS

try:
    import cv2
except ImportError as error:
    raise ImportError(
        "viseme_data.crop needs OpenCV; install it with `pip install viseme-data[track]`"
    ) from error

CROP_SCALE = 1.8
"""Side of the crop as a multiple of the larger side of the box around all landmarks."""
MEDIAN_FRAMES = 7
"""Frames that each frame's box is the median of, so that up to three wild ones do not count."""


def crop_box(points_TKD: Tensor, *, scale: float = CROP_SCALE, level: bool = False) -> CropBox:
    """Return the square around a face's whole clip: `scale` times the box of its landmarks.

    The box of every frame is first replaced by the median over seven frames, side by side: up to
    three frames in a row that a tracker threw elsewhere leave no trace, movement that lasts does.

    Args:
        points_TKD: Landmarks `mp478` in source pixels, (T, 478, 2 or 3).
        scale: Side of the square over the larger side of the box.
        level: Turn the square by the clip's median roll, so that the eyes are level.

    Raises:
        ValueError: If a point is not finite, or all points coincide.
    """
    check_shape(points_TKD, "T 478 D", name="points_TKD")
    points_TK2 = points_TKD[..., :2].double()
    if not points_TK2.isfinite().all():
        raise ValueError("points_TKD holds NaN or infinity; interpolate the missing frames first")
    angle = roll_of(points_TK2) if level else 0.0
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]],
        dtype=torch.float64,
    )
    turned_TK2 = points_TK2 @ turn
    low = _median_filtered(turned_TK2.amin(1)).amin(0)
    high = _median_filtered(turned_TK2.amax(1)).amax(0)
    side = scale * float((high - low).max())
    if not side > 0:
        raise ValueError("all landmarks of the clip coincide: there is no face to crop")
    cx, cy = (turn @ ((low + high) / 2)).tolist()
    return CropBox(cx=cx, cy=cy, side=side, angle=angle)


def roll_of(points_TK2: Tensor) -> float:
    """Return the median roll of a face's clip in radians, clockwise on screen."""
    along_T2 = points_TK2[:, LEFT_EYE_CORNERS[0], :2] - points_TK2[:, RIGHT_EYE_CORNERS[0], :2]
    # Medians of sine and cosine: angles themselves jump at half a turn.
    cos, sin = (along_T2 / along_T2.norm(dim=-1, keepdim=True)).median(0).values.tolist()
    return math.atan2(sin, cos)


def to_crop(points_TK3: Tensor, box: CropBox) -> Landmarks:
    """Return landmarks in the crop's [0, 1], depth as a share of its side.

    Args:
        points_TK3: Landmarks `mp478` in source pixels, depth in pixels, (T, 478, 3).
        box: The clip's crop.
    """
    flat_TK2 = box.to_crop(points_TK3[..., :2])
    return Landmarks(torch.cat([flat_TK2, points_TK3[..., 2:] / box.side], -1), "mp478")


def warp(frame_HW3: np.ndarray, box: CropBox, size: int, *, is_quick: bool = False) -> np.ndarray:
    """Return the crop of a picture, uint8 (size, size, 3).

    A crop larger than `size` is averaged down, so that every source pixel counts and fine patterns
    turn grey instead of into other patterns. What lies outside the picture repeats its border.
    An upright box that begins and ends between pixels (`snapped` makes one) takes half the time.

    Args:
        frame_HW3: Picture, uint8 (H, W, 3), or one plane of it (H, W).
        box: Square in source pixels.
        size: Side of the result in pixels.
        is_quick: Leave the last step of averaging out: a sample then stands for up to two pixels
            along each side. Good enough for a net, not for eyes.
    """
    frame_HW3, matrix, scale = reduced(frame_HW3, box, size)
    grid = 2 * size if scale > 1 and not is_quick else size
    sampled = _resized(frame_HW3, matrix, grid)
    if sampled is None:
        sampled = _sampled(frame_HW3, matrix, grid)
    return (
        sampled if grid == size else cv2.resize(sampled, (size, size), None, 0, 0, cv2.INTER_AREA)
    )


def reduced(frame_HW3: np.ndarray, box: CropBox, size: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return a picture halved until its crop has less than twice the pixels that are wanted.

    Args:
        frame_HW3: Picture, uint8 (H, W, 3), or one plane of it (H, W).
        box: Square in source pixels.
        size: Side in pixels that the crop should have.

    Returns:
        The picture, or the part of it around the crop; the crop's map (2, 3) from [0, 1] into it;
        pixels of it per pixel that is wanted.
    """
    matrix = _matrix(box)
    scale = box.side / size
    while scale > 2 and min(frame_HW3.shape[:2]) > 2:
        frame_HW3, matrix = _halved(*_cut_out(frame_HW3, matrix))
        scale /= 2
    return frame_HW3, matrix, scale


def snapped(box: CropBox, step: int = 4) -> CropBox:
    """Return the box moved so that its edges are multiples of `step` pixels, grown by the rest.

    The planes of a coded picture, and halves of them, can then be cut without interpolation. A
    turned box comes back as it is.
    """
    if box.angle:
        return box
    side = max(1, round(box.side / step)) * step
    left, top = (round((centre - side / 2) / step) * step for centre in (box.cx, box.cy))
    return CropBox(cx=left + side / 2, cy=top + side / 2, side=side)


def _resized(frame_HW3: np.ndarray, matrix_23: np.ndarray, grid: int) -> np.ndarray | None:
    """Return what `_sampled` does for a square of whole pixels, None for any other."""
    side, left, top = matrix_23[0, 0], matrix_23[0, 2], matrix_23[1, 2]
    if matrix_23[0, 1] or not (side.is_integer() and left.is_integer() and top.is_integer()):
        return None
    height, width = frame_HW3.shape[:2]
    left, top, right, bottom = (int(edge) for edge in (left, top, left + side, top + side))
    inside = frame_HW3[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if not inside.size:
        return None
    if top < 0 or left < 0 or bottom > height or right > width:
        above, below = max(0, -top), max(0, bottom - height)
        before, after = max(0, -left), max(0, right - width)
        inside = cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_REPLICATE)
    return cv2.resize(inside, (grid, grid), None, 0, 0, cv2.INTER_LINEAR)


def _sampled(frame_HW3: np.ndarray, matrix: np.ndarray, grid: int) -> np.ndarray:
    """Return a square sampled at grid x grid points, linear between pixels."""
    # OpenCV counts from pixel centres, ours from edges: half a pixel on both ends.
    affine = matrix / [grid, grid, 1]
    affine[:, 2] += affine[:, :2].sum(1) / 2 - 0.5
    return cv2.warpAffine(
        frame_HW3,
        affine,
        (grid, grid),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _matrix(box: CropBox) -> np.ndarray:
    # `box.matrix()` in a tenth of the time: this is asked for every picture, plane and face.
    cos, sin = math.cos(box.angle) * box.side, math.sin(box.angle) * box.side
    return np.array([[cos, -sin, box.cx - (cos - sin) / 2], [sin, cos, box.cy - (sin + cos) / 2]])


def _cut_out(frame_HW3: np.ndarray, matrix_23: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the part of a picture that a crop touches, and the crop's map into that part."""
    height, width = frame_HW3.shape[:2]
    # Plain numbers: numpy would take longer to start than to reckon.
    left, right = _touched(matrix_23[0], width)
    top, bottom = _touched(matrix_23[1], height)
    moved = matrix_23.copy()
    moved[:, 2] -= (left, top)
    return frame_HW3[top:bottom, left:right], moved


def _touched(row_3: np.ndarray, length: int) -> tuple[int, int]:
    """Return from where to where a crop touches one side of a picture, with a margin."""
    along, across, corner = row_3.tolist()
    lowest = math.floor(corner + min(along, 0) + min(across, 0))
    highest = math.ceil(corner + max(along, 0) + max(across, 0))
    # A margin for interpolation, even, so that pixels are later joined in pairs from the crop's own
    # corner on; two pixels stay at least where the crop lies quite outside.
    start = lowest - 4 if lowest >= 4 else max(lowest, 0) % 2
    start = min(start, length - 2)
    return start, max(highest + 4, start + 2)


def _halved(frame_HW3: np.ndarray, matrix_23: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture at half its size, and the crop's map into it."""
    rows, columns = (length // 2 for length in frame_HW3.shape[:2])
    # An odd last row or column has no partner; dropping it moves no pixel and keeps this exact.
    even = frame_HW3[: 2 * rows, : 2 * columns]
    return cv2.resize(even, (columns, rows), None, 0, 0, cv2.INTER_AREA), matrix_23 / 2


def _median_filtered(rows_TD: Tensor) -> Tensor:
    """Return each row's median over its neighbours; at the ends the window is cut, not shifted."""
    half = MEDIAN_FRAMES // 2
    padded = rows_TD.new_full((len(rows_TD) + 2 * half, rows_TD.shape[1]), torch.nan)
    padded[half : half + len(rows_TD)] = rows_TD
    return padded.unfold(0, MEDIAN_FRAMES, 1).nanquantile(0.5, dim=-1)
