"""From a frame and its landmarks to the crop that a network was trained on.

Landmarks are `mp478` in [0, 1] of the frame, edge to edge; pixel coordinates are OpenCV's, where
(0, 0) is the middle of the first pixel. Crops are sampled bilinearly without anti-aliasing, as
OpenCV's `warpAffine` and `resize` do, which is what most of the public pipelines call. Maps
are float64 on the CPU, whatever the device of the frames. Letters: T frames, K landmarks, H W
pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_face.layouts import LEFT_EYE, LEFT_EYE_CORNERS, RIGHT_EYE, RIGHT_EYE_CORNERS

MOUTH_CORNERS = (61, 291)
"""Outer corners of the lips, right and left of the person."""
_NOSE_TIP = (1, 4)


def to_pixels(points_TKD: Tensor, size: tuple[int, int]) -> Tensor:
    """Return pixel coordinates (T, K, 2) of landmarks in [0, 1] of a frame.

    Args:
        points_TKD: Two or three numbers a point; a depth is left out.
        size: Height and width of the frame.
    """
    height, width = size
    return points_TKD[..., :2] * points_TKD.new_tensor([width, height]) - 0.5


def five_points(points_TKD: Tensor) -> Tensor:
    """Return eyes, nose tip and mouth corners (T, 5, 2), those on the left of the picture first.

    An eye is the mean of its rim, which neither gaze nor blinks move much. The nose tip is between
    two points of the mesh: one is above, one below what detectors of five points give.
    """
    groups = (RIGHT_EYE, LEFT_EYE, _NOSE_TIP, *((corner,) for corner in MOUTH_CORNERS))
    return torch.stack([points_TKD[:, list(ids), :2].mean(1) for ids in groups], 1)


def chip_points(points_TKD: Tensor) -> Tensor:
    """Return dlib's five points (T, 5, 2).

    The person's left eye's outer and inner corner, the right eye's, the base of the nose.
    """
    return points_TKD[:, [*LEFT_EYE_CORNERS, *RIGHT_EYE_CORNERS, 2], :2]


def chip_template(size: int, padding: float) -> Tensor:
    """Return where dlib's `get_face_chip` puts its five points, (5, 2) pixels.

    Args:
        size: Side of the chip.
        padding: Margin around the face in faces, 0.25 for FairFace and Emotion-FAN.
    """
    # dlib, image_transforms/interpolation.h.
    unit = torch.tensor(
        [
            [0.8595674595992, 0.2134981538014],
            [0.6460604764104, 0.2289674387677],
            [0.1205750620789, 0.2137274526848],
            [0.3340850613712, 0.2290642403242],
            [0.4901123135679, 0.6277975316475],
        ]
    )
    return (padding + unit) / (2 * padding + 1) * size


def similarity(source_TK2: Tensor, target_K2: Tensor) -> Tensor:
    """Return maps (T, 2, 3) that bring points to a template by turning, scaling and moving.

    The least-squares solution (Umeyama's, without reflection), written in complex numbers: with
    both sets about their means, target = a source, a = sum(conj(s) t) / sum(|s|^2).

    Args:
        source_TK2: Points of each frame.
        target_K2: Where they shall be.

    Raises:
        ValueError: If all points of a frame coincide.
    """
    source_TK2, target_K2 = _exactly(source_TK2), _exactly(target_K2)
    source_mean, target_mean = source_TK2.mean(1), target_K2.mean(0)
    s = torch.view_as_complex((source_TK2 - source_mean[:, None]).contiguous())
    t = torch.view_as_complex((target_K2 - target_mean).contiguous())
    spread = s.abs().square().sum(1)
    if not (spread > 0).all():
        frame = int((~(spread > 0)).nonzero()[0])
        raise ValueError(
            f"landmarks of frame {frame} coincide or are missing: there is no face to align; "
            f"leave the frame out or interpolate its landmarks"
        )
    a = (s.conj() * t).sum(1) / spread
    turn = torch.stack([a.real, -a.imag, a.imag, a.real], -1).reshape(-1, 2, 2)
    shift = target_mean - (turn @ source_mean[..., None])[..., 0]
    return torch.cat([turn, shift[..., None]], -1)


def box_maps(boxes_T4: Tensor, size: tuple[int, int]) -> Tensor:
    """Return maps (T, 2, 3) that bring boxes to a whole picture, as `resize` of a cut-out does.

    Args:
        boxes_T4: Left, top, right, bottom in pixels, edge to edge: a whole frame is 0, 0, W, H.
        size: Height and width of the picture.
    """
    boxes_T4 = _exactly(boxes_T4)
    low, high = boxes_T4[:, :2], boxes_T4[:, 2:]
    scale = boxes_T4.new_tensor([size[1], size[0]]) / (high - low)
    # Pixel middles lie half a pixel inside the edges on either side.
    shift = (0.5 - low) * scale - 0.5
    return torch.cat([torch.diag_embed(scale), shift[..., None]], -1)


def warp(
    frames_T3HW: Tensor, maps_T23: Tensor, size: tuple[int, int], *, fill: float = -1.0
) -> Tensor:
    """Return crops (T, 3, h, w): each pixel sampled where its map comes from.

    Args:
        frames_T3HW: Frames in [-1, 1].
        maps_T23: Maps from pixels of a frame to pixels of its crop.
        size: Height and width of the crops.
        fill: What is outside a frame; -1 is black.
    """
    turn, shift = _exactly(maps_T23).split([2, 1], -1)
    inverse = torch.linalg.inv(turn)
    back_T23 = torch.cat([inverse, -inverse @ shift], -1)
    height, width = frames_T3HW.shape[-2:]
    # grid_sample counts from -1 at the first edge to 1 at the last.
    scale = back_T23.new_tensor([[2 / width], [2 / height]])
    back_T23 = back_T23 * scale
    back_T23[..., 2:] += scale / 2 - 1
    rows, columns = (torch.arange(n, device=frames_T3HW.device) for n in size)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    grid_hw3 = torch.stack([x, y, torch.ones_like(x)], -1).to(frames_T3HW)
    places = torch.einsum("hwj,tij->thwi", grid_hw3, back_T23.to(frames_T3HW))
    # Outside is zero to grid_sample, so black must be zero while it works.
    sampled = F.grid_sample(frames_T3HW - fill, places, mode="bilinear", align_corners=False)
    return sampled + fill


def _exactly(numbers: Tensor) -> Tensor:
    # On the CPU: not every device has float64.
    return numbers.detach().cpu().double()


def bounds(points_TK2: Tensor) -> Tensor:
    """Return left, top, right, bottom (T, 4) of points."""
    return torch.cat([points_TK2.amin(1), points_TK2.amax(1)], -1)
