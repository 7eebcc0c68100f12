"""Distances between landmarks of a generated and a reference clip, and curves of eyes and lips.

Landmarks come as `viseme_core.types.Landmarks`, in [0, 1] of a square crop, in `mp478` or `dlib68`;
the former are read at the 68 points of `viseme_face.layouts`. Depth is not used. A frame that holds
NaN in either clip has no face: it is left out. Letters: T frames, K landmarks, E the right and the
left eye (the person's own).
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from viseme_core.types import Landmarks
from viseme_face.layouts import lip_opening, select

Region = Literal["mouth", "face"]
Alignment = Literal["none", "centroid", "upper_face"]
Normalisation = Literal["none", "face", "eyes"]

CROP_PX = 256.0
"""Side of the crop in pixels when distances are given in them."""

REGIONS: dict[Region, slice] = {"mouth": slice(48, 68), "face": slice(0, 68)}
"""Rows of `dlib68`: both lip rings, or everything."""
_UPPER_FACE = slice(17, 48)  # brows, nose and eyes, which speech leaves in place
_OUTER_EYE_CORNERS = (36, 45)
_EYES = (tuple(range(36, 42)), tuple(range(42, 48)))
_LIP_PAIRS = ((61, 67), (62, 66), (63, 65))
_LIP_CORNERS = (60, 64)


def landmark_distance(
    generated: Landmarks,
    reference: Landmarks,
    *,
    region: Region = "mouth",
    align: Alignment = "centroid",
    normalise: Normalisation = "none",
    crop_px: float = CROP_PX,
) -> Tensor:
    """Return the mean landmark distance LMD of a clip, over frames and points.

    LMD = 1/T 1/P sum_t sum_p || g_tp - r_tp ||_2 (Chen et al., "Lip movements generation at a
    glance", 2018, with `region="mouth"`; DisentTalk Tables I, II and IV, ImagineID Table 2). Papers
    disagree on the rest, which is why everything is a setting:

    - The defaults are those of the authors' code (ATVGnet): 20 points of dlib's mouth, each frame's
      moved to the middle of its own, in pixels of the crop. That code adds the points up where the
      paper takes their mean, so that its numbers are 20 times ours.
    - `align="upper_face"` turns, scales and moves each generated frame onto the reference by its
      brows, nose and eyes: needed where heads move differently. `"none"` compares positions.
    - `normalise="face"` divides by sqrt(width * height) of the reference's 68 points, `"eyes"` by
      the distance of its outer eye corners (300-W), frame by frame; both have no unit.
    - Neither paper says in pixels of what. DisentTalk's renderer makes 256, ImagineID 512.

    Args:
        generated: Landmarks of the generated clip, T frames.
        reference: Landmarks of the real clip, the same frames.
        region: Mouth (M-LMD) or all 68 points (F-LMD).
        align: What is taken out before.
        normalise: What distances are divided by.
        crop_px: Side of the crop in pixels; matters with `normalise="none"` only.

    Returns:
        0-dimensional float64, pixels or fractions; NaN if no frame has both faces.
    """
    curve_T = landmark_distance_curve(
        generated, reference, region=region, align=align, normalise=normalise, crop_px=crop_px
    )
    return curve_T.nanmean()


def landmark_distance_curve(
    generated: Landmarks,
    reference: Landmarks,
    *,
    region: Region = "mouth",
    align: Alignment = "centroid",
    normalise: Normalisation = "none",
    crop_px: float = CROP_PX,
) -> Tensor:
    """Return the distance of every frame, float64 of shape (T,); NaN where a face is missing.

    Arguments are those of `landmark_distance`, which is the mean of this.
    """
    g_TK, r_TK, size_T = _prepare(generated, reference, region, align, normalise, crop_px)
    return (g_TK - r_TK).abs().mean(-1) / size_T


def landmark_velocity_error(
    generated: Landmarks,
    reference: Landmarks,
    *,
    region: Region = "mouth",
    align: Alignment = "centroid",
    normalise: Normalisation = "none",
    crop_px: float = CROP_PX,
) -> Tensor:
    """Return the mean difference of landmark velocities of a clip, per frame.

    1/(T-1) 1/P sum_t sum_p || (g_(t+1)p - g_tp) - (r_(t+1)p - r_tp) ||_2, as MakeItTalk's
    velocity distance; 0 for a clip that moves as the reference does wherever it is.

    Arguments are those of `landmark_distance`.

    Returns:
        0-dimensional float64, pixels or fractions per frame; NaN if no two successive frames have
        both faces.
    """
    curve_T = landmark_velocity_curve(
        generated, reference, region=region, align=align, normalise=normalise, crop_px=crop_px
    )
    return curve_T.nanmean()


def landmark_velocity_curve(
    generated: Landmarks,
    reference: Landmarks,
    *,
    region: Region = "mouth",
    align: Alignment = "centroid",
    normalise: Normalisation = "none",
    crop_px: float = CROP_PX,
) -> Tensor:
    """Return that difference from each frame to the next, float64 of shape (T - 1,).

    NaN where either frame lacks a face. Arguments are those of `landmark_distance`.
    """
    g_TK, r_TK, size_T = _prepare(generated, reference, region, align, normalise, crop_px)
    return (g_TK - r_TK).diff(dim=0).abs().mean(-1) / size_T[1:]


def eye_aspect_ratio_curve(landmarks: Landmarks) -> Tensor:
    """Return the aspect ratio of both eyes in every frame, float64 of shape (T, 2).

    EAR = (|p2 - p6| + |p3 - p5|) / (2 |p1 - p4|) with dlib's six points of an eye (Soukupova and
    Cech, 2016; DisentTalk Fig. 5). About 0.3 for an open eye, towards 0 for a shut one.
    `viseme_face.layouts.eye_aspect_ratio` is the finer measure on MediaPipe's own seven pairs.

    Args:
        landmarks: Landmarks of T frames.

    Returns:
        Right and left eye, (T, 2); NaN where a face is missing or an eye has no width.
    """
    points_TK = _points(landmarks)
    ratios = []
    for eye in _EYES:
        p1, p2, p3, p4, p5, p6 = (points_TK[:, row] for row in eye)
        width_T = (p1 - p4).abs()
        ratio_T = ((p2 - p6).abs() + (p3 - p5).abs()) / (2 * width_T)
        ratios.append(torch.where(width_T > 0, ratio_T, torch.nan))
    return torch.stack(ratios, dim=-1)


def lip_opening_curve(landmarks: Landmarks) -> Tensor:
    """Return how far the lips are apart in every frame over the mouth's width, float64 (T,).

    Mean distance of facing points of the inner lips over the distance of the inner corners:
    MediaPipe's nine pairs (`viseme_face.layouts.lip_opening`) or dlib's three, whose level differs
    a little. Compare curves of one layout.

    Args:
        landmarks: Landmarks of T frames.
    """
    if landmarks.layout == "mp478":
        return lip_opening(landmarks.points_TKD[..., :2].double())
    points_TK = _points(landmarks)
    upper, lower = (list(side) for side in zip(*_LIP_PAIRS, strict=True))
    right, left = _LIP_CORNERS
    gap_T = (points_TK[:, upper] - points_TK[:, lower]).abs().mean(-1)
    width_T = (points_TK[:, right] - points_TK[:, left]).abs()
    return torch.where(width_T > 0, gap_T / width_T, torch.nan)


def _points(landmarks: Landmarks) -> Tensor:
    """Return `dlib68` as complex numbers x + iy, complex128 of shape (T, 68)."""
    points_TK2 = select(landmarks, "dlib68").points_TKD[..., :2].double()
    return torch.view_as_complex(points_TK2.contiguous())


def _prepare(
    generated: Landmarks,
    reference: Landmarks,
    region: Region,
    align: Alignment,
    normalise: Normalisation,
    crop_px: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the region's aligned points of both clips, (T, P) complex, and their unit, (T,)."""
    for name, given, kind in (
        ("region", region, Region),
        ("align", align, Alignment),
        ("normalise", normalise, Normalisation),
    ):
        if given not in get_args(kind):
            raise ValueError(f"{name} must be one of {get_args(kind)}, got {given!r}")
    if generated.num_frames != reference.num_frames:
        raise ValueError(
            f"generated and reference landmarks must have the same frames, got "
            f"{generated.num_frames} and {reference.num_frames}; cut both to the shorter one"
        )
    g_TK, r_TK = _points(generated), _points(reference)
    if align == "upper_face":
        g_TK = _onto(g_TK, r_TK, _UPPER_FACE)
    size_T = _unit(r_TK, normalise, crop_px)
    g_TK, r_TK = g_TK[:, REGIONS[region]], r_TK[:, REGIONS[region]]
    if align == "centroid":
        g_TK, r_TK = (x - x.mean(1, keepdim=True) for x in (g_TK, r_TK))
    return g_TK, r_TK, size_T


def _onto(g_TK: Tensor, r_TK: Tensor, rows: slice) -> Tensor:
    """Return points turned, scaled and moved so that their `rows` lie best on the reference's."""
    g_mean, r_mean = (x[:, rows].mean(1, keepdim=True) for x in (g_TK, r_TK))
    g, r = g_TK[:, rows] - g_mean, r_TK[:, rows] - r_mean
    # Least squares of |turn * g - r|: one complex number is a rotation and a scale.
    turn = (g.conj() * r).sum(1, keepdim=True) / g.abs().square().sum(1, keepdim=True)
    return turn * (g_TK - g_mean) + r_mean


def _unit(r_TK: Tensor, normalise: Normalisation, crop_px: float) -> Tensor:
    if normalise == "none":
        return torch.full((len(r_TK),), 1 / crop_px, dtype=torch.float64, device=r_TK.device)
    if normalise == "eyes":
        right, left = _OUTER_EYE_CORNERS
        size_T = (r_TK[:, right] - r_TK[:, left]).abs()
    else:
        corners_T2 = torch.view_as_real(r_TK)
        sides_T2 = corners_T2.amax(1) - corners_T2.amin(1)
        size_T = sides_T2.prod(-1).sqrt()
    return torch.where(size_T > 0, size_T, torch.nan)
