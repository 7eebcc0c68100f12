"""The 73 numbers a frame that drive PIRender, in our convention and in that of public weights.

Both have 64 of expression, 3 angles, 3 of translation and 3 of the crop, in this order, and agree
on the first 67: the expression is the Basel model's in standard deviations, R = Rz Ry Rx turns
column vectors, y up, focal 1015 pixels for a picture of 224 and the camera at distance 10.

In ours the face is fitted in the crop that is drawn: the translation says where in it the head is
and how large, and the crop's numbers (`viseme_face.driving`) move nothing.

In public ones (`deep3d`) the face was fitted in a picture of 224 pixels that is cut out anew for
every frame so that the head fills it; the translation is nearly 0, and the crop's numbers say where
it was cut: with x, y in pixels of the drawn picture from its lower left corner,

    x' = 112 + s (x - t0),   y' = 112 + s (y - t1)

are pixels of the cut-out one, also from below. A head in the middle of the view and one beside it
look a little different in perspective; alignment drops that, as it does in the public weights' own
preparation. Letters: T frames, C coefficients.
"""

import torch
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_core.types import NUM_EXPRESSION, NUM_POSE, CropBox
from viseme_face.driving import NUM_COEFFICIENTS, coefficients
from viseme_face.pose import CAMERA_DISTANCE, FOCAL
from viseme_render.pirender.config import Convention

DEEP3D_PX = 224.0
"""Side of the cut-out picture."""
PUBLIC_PX = 256.0
"""Side of the drawn picture of public weights."""

_FOCAL_PX = FOCAL * DEEP3D_PX


def driving_rows(
    expression_TE: Tensor, pose_T6: Tensor, crop: CropBox, convention: Convention
) -> Tensor:
    """Return what drives PIRender, (T, 73).

    Args:
        expression_TE: (T, 64).
        pose_T6: (T, 6) in the crop that is drawn.
        crop: That crop.
        convention: What the networks were trained with.
    """
    if convention == "viseme":
        return coefficients(expression_TE, pose_T6, crop)
    return to_deep3d(expression_TE, pose_T6)


def to_deep3d(expression_TE: Tensor, pose_T6: Tensor, *, size_px: float = PUBLIC_PX) -> Tensor:
    """Return rows (T, 73) in the convention of public weights: every head aligned, at the origin.

    Args:
        expression_TE: (T, 64) of the Basel model.
        pose_T6: (T, 6) in the drawn picture.
        size_px: Side of the drawn picture in the pixels that the crop's numbers count.
    """
    sizes = check_shape(expression_TE, f"T {NUM_EXPRESSION}", name="expression")
    check_shape(pose_T6, f"T {NUM_POSE}", name="pose", sizes=sizes)
    angles_T3, shift_T3 = pose_T6[:, :3], pose_T6[:, 3:]
    # Pixels of the drawn picture for a unit at the head's depth, and of the cut-out one at its own.
    drawn_T = size_px * FOCAL / (CAMERA_DISTANCE - shift_T3[:, 2])
    scale_T = (_FOCAL_PX / CAMERA_DISTANCE) / drawn_T
    middle_T2 = size_px / 2 + drawn_T[:, None] * shift_T3[:, :2]
    return torch.cat(
        [expression_TE, angles_T3, torch.zeros_like(shift_T3), scale_T[:, None], middle_T2], -1
    )


def from_deep3d(rows_TC: Tensor, *, size_px: float = PUBLIC_PX) -> tuple[Tensor, Tensor]:
    """Return expression (T, 64) and pose (T, 6) in the drawn picture of rows of public data.

    Args:
        rows_TC: (T, 73), for example of a file that was prepared for PIRender or DreamTalk.
        size_px: Side of the drawn picture in the pixels that the crop's numbers count.

    Raises:
        ValueError: If rows are not 73 wide, or a crop's scale is not positive.
    """
    check_shape(rows_TC, f"T {NUM_COEFFICIENTS}", name="rows")
    expression_TE, angles_T3, shift_T3, crop_T3 = rows_TC.split([NUM_EXPRESSION, 3, 3, 3], -1)
    scale_T, middle_T2 = crop_T3[:, 0], crop_T3[:, 1:]
    if not (scale_T > 0).all():
        raise ValueError(
            f"rows have a crop of scale {float(scale_T.min()):.4g} in column 70; it must be "
            f"positive: are the last three columns scale, t0 and t1?"
        )
    cut_T = _FOCAL_PX / (CAMERA_DISTANCE - shift_T3[:, 2])
    drawn_T = cut_T / scale_T
    depth_T = CAMERA_DISTANCE - size_px * FOCAL / drawn_T
    at_T2 = middle_T2 + (cut_T / scale_T)[:, None] * shift_T3[:, :2]
    beside_T2 = (at_T2 - size_px / 2) / drawn_T[:, None]
    return expression_TE, torch.cat([angles_T3, beside_T2, depth_T[:, None]], -1)
