"""Landmarks of a clip to motion: one identity, expression and pose of every frame."""

from dataclasses import dataclass

import torch
from torch import Tensor

from viseme_core.types import FPS, Landmarks, Motion
from viseme_data.smooth import smooth_landmarks
from viseme_face import MorphableModel, fit_clip, fit_identity, pose_vertices, project
from viseme_face.fitting import IDENTITY_FRAMES
from viseme_face.layouts import (
    LEFT_EYE,
    LEFT_EYE_CORNERS,
    LIP_INNER,
    RIGHT_EYE,
    RIGHT_EYE_CORNERS,
)

# How far off a linear model leaves real landmarks, in crop units: 0.8 % of the eyes' distance. Told
# a tenth of it, coefficients reach a dozen deviations to gain a tenth of a per cent.
_NOISE = 2e-3
# Lips and lids are few points among 478 and what matters most: with weight 1 neither quite closes.
_MOVING_WEIGHT = 8.0
_MOVING = tuple({*LIP_INNER, *RIGHT_EYE, *LEFT_EYE})
# Frames fitted at a time, so that memory does not grow with the clip.
_CHUNK = 500


@dataclass(frozen=True, kw_only=True)
class FittedClip:
    """A clip's motion and how well it explains the landmarks."""

    motion: Motion
    """Coefficients of the clip."""
    landmarks: Landmarks
    """The smoothed landmarks that were fitted, in the crop."""
    residual_T: Tensor
    """Root mean square distance of fitted and given landmarks, in units of the crop's side."""
    residual_share_T: Tensor
    """The same as a share of the distance of the outer eye corners, the clip's median."""


def fit_motion(
    model: MorphableModel, landmarks: Landmarks, *, strength: float = 1.0, fps: float = FPS
) -> FittedClip:
    """Return the motion of a clip, from the x and y of its landmarks in the crop.

    Landmarks are smoothed, not coefficients: a fit is a function of its frame, so that coefficients
    are as steady as the landmarks, and lips that close in these close in those.

    Args:
        model: Face model that knows the landmarks' layout.
        landmarks: `mp478` of successive frames, without gaps.
        strength: Of `smooth_landmarks`; 0 fits landmarks as they are.
        fps: Frame rate to note in the motion.

    Raises:
        ValueError: If landmarks are missing, or of another layout.
    """
    if landmarks.layout != "mp478":
        raise ValueError(f"landmarks must be in layout 'mp478', got {landmarks.layout!r}")
    smoothed = Landmarks(smooth_landmarks(landmarks.points_TKD, strength=strength), "mp478")
    points_TK2 = smoothed.points_TKD[..., :2]
    num = len(points_TK2)
    # As many as identity is looked for in, so that no others are made ready for nothing.
    some = torch.linspace(0, num - 1, min(num, IDENTITY_FRAMES)).round().long()
    weights_K = points_TK2.new_ones(points_TK2.shape[1])
    weights_K[list(_MOVING)] = _MOVING_WEIGHT
    identity = fit_identity(model, points_TK2[some], "mp478", weights=weights_K, noise=_NOISE)
    parts = [
        fit_clip(model, part_TK2, "mp478", identity=identity, weights=weights_K, noise=_NOISE)
        for part_TK2 in points_TK2.split(_CHUNK)
    ]
    motion = Motion(
        expression=torch.cat([part.expression for part in parts]),
        pose=torch.cat([part.pose for part in parts]),
        identity=identity,
        face_model=model.name,
        fps=fps,
    )
    residual_T = _residual(model, motion, points_TK2)
    return FittedClip(
        motion=motion,
        landmarks=smoothed,
        residual_T=residual_T,
        residual_share_T=residual_T / eye_distance(points_TK2).median(),
    )


def fitted_points(model: MorphableModel, motion: Motion) -> Tensor:
    """Return where a motion puts the landmarks `mp478` in the crop, (T, 478, 2)."""
    vertices_TK3 = model.landmarks(motion.identity, motion.expression, "mp478")
    return project(pose_vertices(vertices_TK3, motion.pose))


def _residual(model: MorphableModel, motion: Motion, points_TK2: Tensor) -> Tensor:
    # Not the fit's own, which counts lips and lids eight times.
    parts = [
        (fitted_points(model, motion[first : first + _CHUNK]) - part_TK2).square().sum(-1).mean(-1)
        for first, part_TK2 in zip(
            range(0, len(points_TK2), _CHUNK), points_TK2.split(_CHUNK), strict=True
        )
    ]
    return torch.cat(parts).sqrt()


def eye_distance(points_TKD: Tensor) -> Tensor:
    """Return the distance of the outer eye corners in the points' unit, (T,), without depth."""
    right_TD, left_TD = (
        points_TKD[:, corner[0], :2] for corner in (RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS)
    )
    return (right_TD - left_TD).norm(dim=-1)
