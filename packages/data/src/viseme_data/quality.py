"""Why a clip is not worth training on: numbers measured once, then compared with thresholds.

Nothing here looks for a mouth behind a hand: FaceMesh guesses hidden lips, and neither its points
nor the fit tell a guess from a sight. Whether anybody speaks is decided on the sound.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch

from viseme_core.shapes import check_shape
from viseme_data.boxes import box_of
from viseme_data.coefficients import FittedClip, eye_distance
from viseme_data.follow import FaceTrack, outside_share
from viseme_data.smooth import jitter_of

try:
    import cv2
except ImportError as error:
    raise ImportError(
        "viseme_data.quality needs OpenCV; install it with `pip install viseme-data[track]`"
    ) from error

Reject = Literal[
    "too_short",
    "face_too_small",
    "face_outside_frame",
    "too_often_lost",
    "too_blurred",
    "blank_picture",
    "frozen_picture",
    "extreme_pose",
    "jittery_landmarks",
    "poor_fit",
]

# Middle of the crop that holds the face: one part in 1.8.
_FACE_SHARE = 1 / 1.8
# Shades of 255. A black or grey frame, coded, has about one; a dim face has ten.
_BLANK_CONTRAST = 4.0
# Shades of 255: a picture coded twice differs by less, a silent face's noise by more.
_STILL_CHANGE = 0.05
# Sharpness changes slowly, and takes most of the time of measuring.
_SHARPNESS_EVERY = 4
# Video counts luma from 16 to 235, measures are in shades of 255.
_SHADES_PER_LUMA = 255 / 219


@dataclass(frozen=True, kw_only=True)
class QualityConfig:
    """Thresholds that a clip must meet."""

    min_frames: int = 25
    """Frames of the clip."""
    min_face_px: float = 64.0
    """Median larger side of the box around the landmarks, in source pixels."""
    max_outside: float = 0.05
    """Mean share of the landmarks that lie outside the picture."""
    max_interpolated: float = 0.1
    """Share of frames in which the face was not found."""
    min_sharpness: float = 0.0005
    """Median of `sharpness_of` the crop."""
    max_blank: float = 0.02
    """Share of frames that show one colour."""
    max_still_frames: int = 25
    """Longest run of frames without any change."""
    max_turn_deg: float = 60.0
    """Turn to the side, or nod of three quarters as much, from which a pose is extreme."""
    max_extreme: float = 0.2
    """Share of frames in an extreme pose."""
    max_jitter: float = 0.04
    """Jitter of the landmarks as a share of the distance of the outer eye corners."""
    max_residual: float = 0.03
    """Median error of the fitted face as a share of the distance of the outer eye corners."""


@dataclass(frozen=True, kw_only=True)
class ClipMeasures:
    """What `QualityConfig` has thresholds for; see there."""

    num_frames: int
    face_px: float
    outside: float
    interpolated: float
    sharpness: float
    blank: float
    still_frames: int
    turn_T: torch.Tensor
    """Turn of each frame in degrees, (T,): the larger of yaw and 4/3 of pitch."""
    jitter: float
    residual: float


@dataclass
class PictureMeasures:
    """Measures of a clip's crops, taken one by one; three numbers a frame are kept."""

    sharpness: list[float] = field(default_factory=list)
    """`sharpness_of` every fourth crop."""
    contrast: list[float] = field(default_factory=list)
    """Standard deviation of each crop in shades of 255; of every other pixel, as the next."""
    change: list[float] = field(default_factory=list)
    """Mean difference to the crop before, in shades of 255; the first has none."""
    _before: np.ndarray | None = field(default=None, repr=False)

    def push(self, crop: np.ndarray, *, is_luma: bool = False) -> None:
        """Measure the next crop.

        Args:
            crop: uint8 RGB (H, W, 3), or one number per pixel (H, W).
            is_luma: The latter is luma as video counts it, not shades of 255.
        """
        plane_HW = _plane_of(crop)
        if len(self.contrast) % _SHARPNESS_EVERY == 0:
            self.sharpness.append(sharpness_of(plane_HW))
        # Measured as it comes: bytes take a tenth of the time of floats, and a scale can wait.
        scale = _SHADES_PER_LUMA if is_luma else 1.0
        some_HW = np.ascontiguousarray(plane_HW[::2, ::2])
        self.contrast.append(scale * cv2.meanStdDev(some_HW)[1].item())
        if self._before is not None:
            change = cv2.norm(some_HW, self._before, cv2.NORM_L1)
            self.change.append(scale * change / some_HW.size)
        self._before = some_HW

    @property
    def blank(self) -> float:
        """Share of crops that show one colour."""
        return float(np.mean(np.array(self.contrast) < _BLANK_CONTRAST)) if self.contrast else 0.0

    @property
    def still_frames(self) -> int:
        """Longest run of frames that show the same picture; 1 if each differs from the last."""
        longest = run = 1
        for change in self.change:
            run = run + 1 if change < _STILL_CHANGE else 1
            longest = max(longest, run)
        return longest


def sharpness_of(crop: np.ndarray) -> float:
    """Return how much fine detail a face shows: 0 for none, about 1 for white noise.

    Variance of the Laplacian over 20 times the variance of the picture, in the middle of the crop,
    so that contrast and light do not count, nor how shades are counted. Compare crops of one size
    only.

    Args:
        crop: Crop, uint8 RGB (H, W, 3), or one number per pixel (H, W), of any scale.
    """
    height, width = crop.shape[:2]
    top, left = (round(length * (1 - _FACE_SHARE) / 2) for length in (height, width))
    face_HW = np.ascontiguousarray(_plane_of(crop)[top : height - top, left : width - left])
    variance = cv2.meanStdDev(face_HW)[1].item() ** 2
    # Whole numbers stay whole: bytes give up to 4 * 255 either way.
    depth = cv2.CV_16S if face_HW.dtype == np.uint8 else -1
    detail_HW = cv2.Laplacian(face_HW, depth, ksize=1)[1:-1, 1:-1]
    # `meanStdDev` takes ten times as long where numbers have more than one byte.
    squared = cv2.norm(detail_HW, cv2.NORM_L2SQR) / detail_HW.size
    detail = squared - cv2.mean(detail_HW)[0] ** 2
    # 20 is what the Laplacian makes of white noise: 4 squared and four times 1.
    return detail / (20 * variance) if variance else 0.0


def _plane_of(crop: np.ndarray) -> np.ndarray:
    # Green is most of luma, and the one channel that video keeps whole.
    return crop[..., 1] if crop.ndim == 3 else crop


def measure(
    track: FaceTrack, fitted: FittedClip, pictures: PictureMeasures, *, width: int, height: int
) -> ClipMeasures:
    """Return the measures of a clip.

    Args:
        track: Its landmarks in source pixels.
        fitted: Its motion.
        pictures: Measures of its crops.
        width: Width of the source picture.
        height: Height of the source picture.

    Raises:
        ValueError: If track, motion and crops have different numbers of frames.
    """
    num = track.num_frames
    check_shape(fitted.residual_T, "T", name="fitted.residual_T", sizes={"T": num})
    if len(pictures.contrast) != num:
        raise ValueError(f"the track has {num} frames, the crops were {len(pictures.contrast)}")
    flat_TK2 = track.points_TK3[..., :2]
    box_T4 = box_of(flat_TK2.numpy())
    pitch_T, yaw_T = fitted.motion.pose[:, :2].rad2deg().abs().unbind(-1)
    return ClipMeasures(
        num_frames=num,
        face_px=float(np.median((box_T4[:, 2:] - box_T4[:, :2]).max(-1))),
        outside=float(outside_share(track.points_TK3, width, height).mean()),
        interpolated=float(track.interpolated_T.float().mean()),
        sharpness=float(np.median(pictures.sharpness)),
        blank=pictures.blank,
        still_frames=pictures.still_frames,
        turn_T=torch.maximum(yaw_T, pitch_T * 4 / 3),
        jitter=float(jitter_of(flat_TK2).norm() / eye_distance(flat_TK2).median()),
        residual=float(fitted.residual_share_T.median()),
    )


def reject_reasons(clip: ClipMeasures, config: QualityConfig | None = None) -> tuple[Reject, ...]:
    """Return why a clip is not worth keeping; none if it is."""
    limit = config or QualityConfig()
    extreme = float((clip.turn_T > limit.max_turn_deg).float().mean())
    checks: dict[Reject, bool] = {
        "too_short": clip.num_frames < limit.min_frames,
        "face_too_small": clip.face_px < limit.min_face_px,
        "face_outside_frame": clip.outside > limit.max_outside,
        "too_often_lost": clip.interpolated > limit.max_interpolated,
        "too_blurred": clip.sharpness < limit.min_sharpness,
        "blank_picture": clip.blank > limit.max_blank,
        "frozen_picture": clip.still_frames > limit.max_still_frames,
        "extreme_pose": extreme > limit.max_extreme,
        "jittery_landmarks": clip.jitter > limit.max_jitter,
        "poor_fit": clip.residual > limit.max_residual,
    }
    return tuple(reason for reason, fails in checks.items() if fails)
