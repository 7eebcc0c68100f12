"""Landmark layouts: which points each holds, in what order, and the groups that editing needs.

All numbers are ids of MediaPipe's face mesh with irises (478 points). "Left" and "right" are the
person's own, as in MediaPipe: the right eye is on the left of the picture. Pictures of every layout
are in docs/figures; `python -m viseme_face.figures` draws them.
"""

import torch
from torch import Tensor

from viseme_core.types import LAYOUT_SIZES, Landmarks, Layout

LIP_OUTER = (
    *(61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291),
    *(375, 321, 405, 314, 17, 84, 181, 91, 146),
)
"""Outer lip ring: from the right corner over the upper lip to the left one, back below."""
LIP_INNER = (
    *(78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
    *(324, 318, 402, 317, 14, 87, 178, 88, 95),
)
"""Inner lip ring, in the same order as the outer one."""
CONTOUR = (
    *(162, 127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152),
    *(377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 356, 389),
)
"""Face contour from the right temple under the chin to the left temple."""
CHIN = 152
BROWS = (
    *(70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    *(336, 296, 334, 293, 300, 276, 283, 282, 295, 285),
)
NOSE_BRIDGE = (168, 6, 197, 195, 5)
NOSE_BASE = (48, 115, 220, 45, 4, 275, 440, 344, 278)
RIGHT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
"""Right eye: outer corner, upper lid, inner corner, lower lid."""
LEFT_EYE = (362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382)
"""Left eye: inner corner, upper lid, outer corner, lower lid."""
RIGHT_IRIS = (468, 469, 470, 471, 472)
"""Right iris: centre, then four points of its rim."""
LEFT_IRIS = (473, 474, 475, 476, 477)

JAW = tuple(i for i in CONTOUR[4:21] if i != CHIN)
"""16 jaw points, eight on each side of the chin."""
LIP = (*LIP_OUTER, *LIP_INNER, CHIN)
"""41 lip points: both rings and the chin point they move with."""
UPPER_FACE = (
    *CONTOUR[:4],
    *CONTOUR[21:],
    *BROWS,
    *NOSE_BRIDGE,
    *NOSE_BASE,
    *RIGHT_EYE,
    *LEFT_EYE,
)
"""74 points that speech leaves in place: upper contour, brows, nose, eyes."""

TALK131 = (*LIP, *JAW, *UPPER_FACE)
"""Lip 0-40, jaw 41-56 (together the 57 points of the content), upper face 57-130 (the pose)."""
LIP_SLICE = slice(0, 41)
JAW_SLICE = slice(41, 57)
CONTENT_SLICE = slice(0, 57)
POSE_SLICE = slice(57, 131)

IP_LAP_CONTENT = (*CONTOUR[4:21], *LIP_OUTER, *LIP_INNER)
"""The content of IP_LAP: 17 jaw points with the chin among them, then 40 lip points."""
TO_IP_LAP = tuple(TALK131.index(i) for i in IP_LAP_CONTENT)
"""`ours[TO_IP_LAP]` is IP_LAP's 57 in IP_LAP's order."""
FROM_IP_LAP = tuple(IP_LAP_CONTENT.index(i) for i in TALK131[CONTENT_SLICE])
"""`theirs[FROM_IP_LAP]` is our 57 in our order."""

DLIB68 = (
    *(127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)
"""The 68 points of iBUG and dlib, each as a vertex of the mesh near it."""

LAYOUT_IDS: dict[Layout, tuple[int, ...]] = {
    "mp478": tuple(range(478)),
    "talk131": TALK131,
    "dlib68": DLIB68,
}
"""Mesh ids of every layout, in its order."""

LIP_PAIRS = tuple(zip(LIP_INNER[1:10], LIP_INNER[:10:-1], strict=True))
"""Inner upper lip point and the lower one under it, right to left; the middle pair is 13 and 14."""
OUTER_LIP_PAIRS = tuple(zip(LIP_OUTER[1:10], LIP_OUTER[:10:-1], strict=True))
"""Outer upper lip point and the lower one under it, right to left."""
LIP_CORNERS = (78, 308)
RIGHT_LID_PAIRS = tuple(zip(RIGHT_EYE[1:8], RIGHT_EYE[:8:-1], strict=True))
"""Upper lid point of the right eye and the lower one under it, outer to inner corner."""
LEFT_LID_PAIRS = tuple(zip(LEFT_EYE[1:8], LEFT_EYE[:8:-1], strict=True))
"""Upper lid point of the left eye and the lower one under it, inner to outer corner."""
RIGHT_EYE_CORNERS = (33, 133)
LEFT_EYE_CORNERS = (263, 362)

LIP_RINGS = (
    LIP_OUTER,
    (
        *(76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306),
        *(307, 320, 404, 315, 16, 85, 180, 90, 77),
    ),
    (
        *(62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292),
        *(325, 319, 403, 316, 15, 86, 179, 89, 96),
    ),
    LIP_INNER,
)
"""Four nested lip rings, outer to inner, point under point."""
AROUND_LIPS = (
    *(57, 186, 92, 165, 167, 164, 393, 391, 322, 410, 287),
    *(273, 335, 406, 313, 18, 83, 182, 106, 43),
)
"""Ring of skin around the outer lip ring, point beside point."""
MOUTH = (*sum(LIP_RINGS, ()), *AROUND_LIPS)
"""100 mouth vertices: the lip rings and the ring around them, what a lip expert sees."""


def select(landmarks: Landmarks, layout: Layout) -> Landmarks:
    """Return the same landmarks in a layout that their own contains.

    Raises:
        ValueError: If a point of `layout` is missing from the landmarks' own layout.
    """
    if landmarks.layout == layout:
        return landmarks
    have = {point: row for row, point in reversed(list(enumerate(LAYOUT_IDS[landmarks.layout])))}
    missing = [point for point in LAYOUT_IDS[layout] if point not in have]
    if missing:
        raise ValueError(
            f"layout {layout!r} needs {len(missing)} points that {landmarks.layout!r} lacks; "
            f"keep landmarks in 'mp478' until the last step"
        )
    rows = [have[point] for point in LAYOUT_IDS[layout]]
    return Landmarks(landmarks.points_TKD[:, rows], layout)


def positions(ids: tuple[int, ...], layout: Layout) -> Tensor:
    """Return at which rows of `layout` the mesh ids stand, int64 of the same length.

    Raises:
        ValueError: If the layout lacks one of them.
    """
    order = {point: row for row, point in reversed(list(enumerate(LAYOUT_IDS[layout])))}
    missing = [point for point in ids if point not in order]
    if missing:
        raise ValueError(f"layout {layout!r} has no mesh points {missing}")
    return torch.tensor([order[point] for point in ids])


def triangles_within(triangles_P3: Tensor, ring: tuple[int, ...]) -> Tensor:
    """Return which triangles have all corners on `ring`, bool of shape (P,).

    With `LIP_INNER`, `RIGHT_EYE` or `LEFT_EYE` these are the triangles that close the mouth or an
    eye of MediaPipe's mesh; leave them out where the inside is drawn.
    """
    return torch.isin(triangles_P3, torch.tensor(ring, device=triangles_P3.device)).all(-1)


def lip_opening(points_TKD: Tensor) -> Tensor:
    """Return how far the lips are apart, as a fraction of the mouth's width.

    Mean distance of the nine inner lip pairs over the distance of the inner corners; 0 is closed.

    Args:
        points_TKD: `mp478` points of shape (..., 478, D), any D, any unit with equal x and y.

    Returns:
        Opening, shape (...).
    """
    return _opening(points_TKD, LIP_PAIRS, LIP_CORNERS)


def eye_aspect_ratio(points_TKD: Tensor) -> Tensor:
    """Return how far each eye is open, as a fraction of its width.

    Mean distance of the seven lid pairs over the distance of the eye's corners; 0 is closed.

    Args:
        points_TKD: `mp478` points of shape (..., 478, D), any D, any unit with equal x and y.

    Returns:
        Right and left eye, shape (..., 2).
    """
    return torch.stack(
        [
            _opening(points_TKD, RIGHT_LID_PAIRS, RIGHT_EYE_CORNERS),
            _opening(points_TKD, LEFT_LID_PAIRS, LEFT_EYE_CORNERS),
        ],
        -1,
    )


def _opening(
    points_TKD: Tensor, pairs: tuple[tuple[int, int], ...], corners: tuple[int, int]
) -> Tensor:
    if points_TKD.shape[-2] != LAYOUT_SIZES["mp478"]:
        raise ValueError(
            f"points must be in layout 'mp478' (478 points), got {points_TKD.shape[-2]} points"
        )
    upper, lower = (list(side) for side in zip(*pairs, strict=True))
    gap = (points_TKD[..., upper, :] - points_TKD[..., lower, :]).norm(dim=-1).mean(-1)
    right, left = corners
    return gap / (points_TKD[..., right, :] - points_TKD[..., left, :]).norm(dim=-1)
