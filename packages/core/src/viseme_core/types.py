"""What stages hand to each other. Units and ranges are said here, once.

Frames are float32 RGB in [-1, 1]; video runs at 25 frames per second; audio is float32 mono in
[-1, 1] at 16 kHz unless the clip says otherwise; landmarks are in [0, 1] of the crop with x to the
right and y down; poses are in radians and model units. Shape letters: `viseme_core.shapes`.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from viseme_core.shapes import check_shape

FPS = 25
SAMPLE_RATE_HZ = 16_000
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FPS
NUM_EXPRESSION = 64
NUM_IDENTITY = 80
NUM_POSE = 6

Layout = Literal["mp478", "talk131", "dlib68"]
"""Names of the landmark layouts; `viseme_face.layouts` holds their index sets."""

LAYOUT_SIZES: dict[str, int] = {"mp478": 478, "talk131": 131, "dlib68": 68}


def count_frames(seconds: float) -> int:
    """Return how many video frames belong to `seconds` of audio: floor(25 s + 0.5), at least 1."""
    # Every odd multiple of 0.02 s lies on the edge of the rule, and binary fractions such as 0.58
    # fall just below it. A millionth of a frame is far above that error and below any sample.
    return max(1, math.floor(seconds * FPS + 0.5 + 1e-6))


@dataclass(frozen=True)
class AudioClip:
    """Mono sound, float32 in [-1, 1], shape (S,)."""

    samples_S: Tensor
    rate_hz: int = SAMPLE_RATE_HZ

    def __post_init__(self) -> None:
        if self.samples_S.ndim == 2:
            raise ValueError(
                f"AudioClip.samples_S must have shape (S), got {tuple(self.samples_S.shape)}; mix "
                "sound of shape (channels, S) down to mono first, by viseme_core.audio.to_mono"
            )
        check_shape(self.samples_S, "S", name="AudioClip.samples_S")
        if self.samples_S.numel() == 0:
            raise ValueError("AudioClip.samples_S is empty: there is no sound to work on")
        if not self.samples_S.is_floating_point():
            raise ValueError(
                f"AudioClip.samples_S must be floating point in [-1, 1], got "
                f"{self.samples_S.dtype}; divide integer samples by their full scale first"
            )
        if self.rate_hz <= 0:
            raise ValueError(f"AudioClip.rate_hz must be positive, got {self.rate_hz}")
        if not torch.isfinite(self.samples_S).all():
            first = int((~torch.isfinite(self.samples_S)).nonzero()[0])
            raise ValueError(
                f"AudioClip.samples_S holds NaN or infinity, first at sample {first} "
                f"({first / self.rate_hz:.3f} s); repair or replace the recording"
            )

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples_S.shape[0] / self.rate_hz

    @property
    def num_frames(self) -> int:
        """Number of video frames that this sound covers."""
        return count_frames(self.seconds)


@dataclass(frozen=True)
class VideoClip:
    """Frames (T, 3, H, W), float32 RGB in [-1, 1], with their rate and, if any, their sound."""

    frames_T3HW: Tensor
    fps: float = FPS
    audio: AudioClip | None = None

    def __post_init__(self) -> None:
        check_shape(self.frames_T3HW, "T 3 H W", name="VideoClip.frames_T3HW")

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return self.frames_T3HW.shape[0]


@dataclass(frozen=True)
class Landmarks:
    """Face landmarks (T, K, 2 or 3) in [0, 1] of the crop, and the layout they are in.

    A third coordinate is depth in the same unit as x (a fraction of the crop's side), growing away
    from the camera, as MediaPipe gives it.
    """

    points_TKD: Tensor
    layout: Layout

    def __post_init__(self) -> None:
        if self.layout not in get_args(Layout):
            raise ValueError(
                f"Landmarks.layout must be one of {get_args(Layout)}, got {self.layout!r}"
            )
        sizes = check_shape(
            self.points_TKD,
            "T K D",
            name=f"Landmarks.points_TKD ({self.layout})",
            sizes={"K": LAYOUT_SIZES[self.layout]},
        )
        if sizes["D"] not in (2, 3):
            raise ValueError(f"Landmarks.points_TKD must end in 2 or 3, got {sizes['D']}")

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return self.points_TKD.shape[0]


@dataclass(frozen=True, kw_only=True)
class Motion:
    """3DMM motion of one person: expression and pose per frame, one identity, and whose they are.

    Coefficients are in raw model units; means and deviations belong to the models that need them.
    """

    expression: Tensor
    """(T, 64) expression coefficients."""
    pose: Tensor
    """(T, 6): rx, ry, rz in radians, tx, ty, tz in model units; R = Rz Ry Rx."""
    identity: Tensor
    """(80,) identity coefficients, one set for all frames."""
    face_model: str
    """Face model these coefficients belong to, e.g. `builtin@1a2b3c4d`."""
    fps: float = FPS

    def __post_init__(self) -> None:
        sizes = check_shape(self.expression, f"T {NUM_EXPRESSION}", name="Motion.expression")
        check_shape(self.pose, f"T {NUM_POSE}", name="Motion.pose", sizes=sizes)
        check_shape(self.identity, f"{NUM_IDENTITY}", name="Motion.identity")
        name, _, digest = self.face_model.partition("@")
        if not name or len(digest) != 8:
            raise ValueError(
                f"Motion.face_model must read NAME@HASH8 (MorphableModel.name gives it), "
                f"got {self.face_model!r}"
            )

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return self.expression.shape[0]

    def __getitem__(self, frames: slice) -> "Motion":
        """Return the chosen frames with the same identity."""
        return replace(self, expression=self.expression[frames], pose=self.pose[frames])

    def to(self, device: torch.device | str) -> "Motion":
        """Return the same motion on another device."""
        return replace(
            self,
            expression=self.expression.to(device),
            pose=self.pose.to(device),
            identity=self.identity.to(device),
        )


@dataclass(frozen=True)
class CropBox:
    """A rotated square in source pixels: centre, side, and angle in radians, clockwise on screen.

    One box serves a whole clip, so that a face moves inside its crop as it does in the source.
    """

    cx: float
    cy: float
    side: float
    angle: float = 0.0

    def __post_init__(self) -> None:
        if not self.side > 0:
            raise ValueError(f"CropBox.side must be positive, got {self.side}")

    def matrix(self) -> Tensor:
        """Return the (2, 3) affine map from [0, 1] crop coordinates to source pixels, float64."""
        cos, sin = math.cos(self.angle) * self.side, math.sin(self.angle) * self.side
        return torch.tensor(
            [
                [cos, -sin, self.cx - (cos - sin) / 2],
                [sin, cos, self.cy - (sin + cos) / 2],
            ],
            dtype=torch.float64,
        )

    def to_source(self, points_X2: Tensor) -> Tensor:
        """Return source pixels of points in [0, 1] of the crop, shape (..., 2)."""
        points_X2 = _as_floating(points_X2)
        matrix = self.matrix().to(points_X2)
        return points_X2 @ matrix[:, :2].T + matrix[:, 2]

    def to_crop(self, points_X2: Tensor) -> Tensor:
        """Return [0, 1] crop coordinates of source pixels, the inverse of `to_source`."""
        points_X2 = _as_floating(points_X2)
        matrix = self.matrix().to(points_X2)
        return (points_X2 - matrix[:, 2]) @ matrix[:, :2] / self.side**2


def _as_floating(points_X2: Tensor) -> Tensor:
    # Pixels often come as integers, and the matrix would be truncated to their type.
    return points_X2 if points_X2.is_floating_point() else points_X2.float()


@dataclass(frozen=True, kw_only=True)
class ReferenceFace:
    """One portrait, detected and fitted: what every renderer starts from."""

    frame_3HW: Tensor
    """The crop, float32 RGB in [-1, 1]."""
    landmarks: Landmarks
    """One frame of `mp478` landmarks in the crop."""
    identity: Tensor
    """(80,) identity coefficients."""
    expression: Tensor
    """(64,) expression coefficients of the portrait itself."""
    pose: Tensor
    """(6,) pose of the portrait itself."""
    face_model: str
    """Face model of the three above."""
    crop: CropBox
    """Where the crop lies in `source_3HW`."""
    source_3HW: Tensor
    """The whole picture, float32 RGB in [-1, 1], for pasting back."""
    depth: float = 1.0
    """Factor by which the head is deeper than `identity` has it; 1 is as fitted."""

    def __post_init__(self) -> None:
        if not 0 < self.depth < math.inf:
            raise ValueError(f"ReferenceFace.depth must be a positive number, got {self.depth}")
        check_shape(self.frame_3HW, "3 H W", name="ReferenceFace.frame_3HW")
        check_shape(self.source_3HW, "3 H W", name="ReferenceFace.source_3HW")
        check_shape(self.identity, f"{NUM_IDENTITY}", name="ReferenceFace.identity")
        check_shape(self.expression, f"{NUM_EXPRESSION}", name="ReferenceFace.expression")
        check_shape(self.pose, f"{NUM_POSE}", name="ReferenceFace.pose")
        if self.landmarks.layout != "mp478" or self.landmarks.num_frames != 1:
            raise ValueError(
                f"ReferenceFace.landmarks must be one frame of 'mp478', got "
                f"{self.landmarks.num_frames} of {self.landmarks.layout!r}"
            )
