"""What is seen of a face: head pose, shape, age and gender, emotion.

Hopenet (head-motion diversity of FD2Talk), Deep3DFaceRecon, FairFace and Emotion-FAN (shape, age,
gender and emotion of ImagineID). Letters: T frames, K landmarks, D features.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from viseme_core.types import Layout
from viseme_eval.networks.alignment import (
    MOUTH_CORNERS,
    bounds,
    box_maps,
    chip_points,
    chip_template,
    similarity,
    to_pixels,
    warp,
)
from viseme_eval.networks.face_network import FaceNetwork, check_frames
from viseme_eval.networks.resnet import (
    DEEP3D_HEADS,
    FAIRFACE_HEADS,
    Deep3DFaceRecon,
    EmotionFAN,
    FairFace,
    Hopenet,
    HopenetOutput,
)
from viseme_face.layouts import LAYOUT_IDS, LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS

SIZE = 224
EMOTIONS = ("happy", "angry", "disgust", "fear", "sad", "neutral", "surprise")
"""Classes of Emotion-FAN, in its order for AFEW."""
RACES = ("white", "black", "latino", "east asian", "southeast asian", "indian", "middle eastern")
AGES = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+")

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_CHIP_PADDING = 0.25
_DLIB: Layout = "dlib68"
# Margins around the landmarks in Hopenet's test crops: left, top, right, bottom of their box.
_HOPENET_MARGINS = (-0.15, -0.60, 0.15, 0.06)
# Eyes, nose tip and mouth corners of Deep3D's standard face, and pixels of one of its units.
_DEEP3D_POINTS = (
    (-0.31148657, 0.29036078, 0.13377953),
    (0.30979887, 0.28972036, 0.13179526),
    (0.0032535, -0.04617932, 0.55244243),
    (-0.25216928, -0.38133916, 0.22405732),
    (0.2484662, -0.38128236, 0.22235769),
)
_DEEP3D_SCALE = 102.0


def imagenet(pictures: Tensor) -> Tensor:
    """Return pictures in [-1, 1] with the mean and deviation of ImageNet's colours taken out."""
    mean, deviation = (
        pictures.new_tensor(c)[:, None, None] for c in (_IMAGENET_MEAN, _IMAGENET_STD)
    )
    return ((pictures + 1) / 2 - mean) / deviation


class HopenetPose(FaceNetwork[Hopenet]):
    """Head pose as Hopenet sees it: frames and landmarks in."""

    def forward(self, frames_T3HW: Tensor, points_TKD: Tensor) -> HopenetOutput:
        """Return features (T, 2048) and yaw, pitch, roll (T, 3) in degrees.

        Args:
            frames_T3HW: RGB in [-1, 1].
            points_TKD: Landmarks `mp478` in [0, 1] of the frame.
        """
        check_frames(frames_T3HW, points_TKD)
        columns = self.in_chunks(self._columns, frames_T3HW, points_TKD)
        return HopenetOutput(columns[:, :-3], columns[:, -3:])

    def _columns(self, frames_T3HW: Tensor, points_TKD: Tensor) -> Tensor:
        return torch.cat(self.net(imagenet(hopenet_crop(frames_T3HW, points_TKD))), 1)


def hopenet_crop(frames_T3HW: Tensor, points_TKD: Tensor) -> Tensor:
    """Return faces (T, 3, 224, 224) cut out as in Hopenet's test on AFLW2000.

    The box of 68 landmarks is widened by fixed shares; its middle square is what is left of its
    resizing by the shorter side and central crop.
    """
    height, width = frames_T3HW.shape[2:]
    points = to_pixels(points_TKD[:, list(LAYOUT_IDS[_DLIB])], (height, width))
    box_T4 = bounds(points) + 0.5
    sides_T2 = box_T4[:, 2:] - box_T4[:, :2]
    box_T4 = box_T4 + box_T4.new_tensor(_HOPENET_MARGINS) * sides_T2.repeat(1, 2)
    middle_T2 = (box_T4[:, :2] + box_T4[:, 2:]) / 2
    half_T1 = (box_T4[:, 2:] - box_T4[:, :2]).amin(1, keepdim=True) / 2
    squares_T4 = torch.cat([middle_T2 - half_T1, middle_T2 + half_T1], 1)
    return warp(frames_T3HW, box_maps(squares_T4, (SIZE, SIZE)), (SIZE, SIZE))


class Deep3DCoefficients(NamedTuple):
    """Deep3D's coefficients of every frame."""

    identity_TI: Tensor
    """(T, 80): ImagineID's shape."""
    expression_TC: Tensor
    """(T, 64)."""
    texture_TI: Tensor
    """(T, 80)."""
    angles_T3: Tensor
    """Radians."""
    light_TL: Tensor
    """(T, 27) spherical harmonics."""
    translation_T3: Tensor
    """In the Basel model's decimetres."""


class Deep3DFace(FaceNetwork[Deep3DFaceRecon]):
    """Coefficients of the Basel model: frames and landmarks in."""

    def forward(self, frames_T3HW: Tensor, points_TKD: Tensor) -> Deep3DCoefficients:
        """Return coefficients of every frame.

        Args:
            frames_T3HW: RGB in [-1, 1].
            points_TKD: Landmarks `mp478` in [0, 1] of the frame.
        """
        check_frames(frames_T3HW, points_TKD)
        columns = self.in_chunks(self._columns, frames_T3HW, points_TKD)
        # The last two heads are the translation's x and y, and its z.
        return Deep3DCoefficients._make(columns.split((*DEEP3D_HEADS[:-2], 3), 1))

    def _columns(self, frames_T3HW: Tensor, points_TKD: Tensor) -> Tensor:
        return self.net((deep3d_crop(frames_T3HW, points_TKD) + 1) / 2)


def deep3d_crop(frames_T3HW: Tensor, points_TKD: Tensor) -> Tensor:
    """Return faces (T, 3, 224, 224), scaled and moved, not turned, as Deep3DFaceRecon does.

    A weak-perspective camera is fitted to five points; its scale becomes 102 px a decimetre, and
    the standard face's origin the middle.
    """
    corners = (RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS, (4,), MOUTH_CORNERS[:1], MOUTH_CORNERS[1:])
    height, width = frames_T3HW.shape[2:]
    points = to_pixels(points_TKD, (height, width)).detach().cpu().double()
    points_T52 = torch.stack([points[:, list(ids)].mean(1) for ids in corners], 1)
    known_54 = torch.cat([points_T52.new_tensor(_DEEP3D_POINTS), points_T52.new_ones(5, 1)], 1)
    rows_T42 = torch.linalg.pinv(known_54) @ points_T52
    scale_T = _DEEP3D_SCALE / rows_T42[:, :3].norm(dim=1).mean(1)
    shift_T2 = (SIZE - 1) / 2 - scale_T[:, None] * rows_T42[:, 3]
    turn_T22 = torch.eye(2, dtype=scale_T.dtype) * scale_T[:, None, None]
    maps_T23 = torch.cat([turn_T22, shift_T2[..., None]], -1)
    return warp(frames_T3HW, maps_T23, (SIZE, SIZE))


def face_chip(frames_T3HW: Tensor, points_TKD: Tensor) -> Tensor:
    """Return faces (T, 3, 224, 224) as dlib's `get_face_chip` aligns them, padding 0.25."""
    points = chip_points(to_pixels(points_TKD, (frames_T3HW.shape[2], frames_T3HW.shape[3])))
    maps_T23 = similarity(points, chip_template(SIZE, _CHIP_PADDING))
    return warp(frames_T3HW, maps_T23, (SIZE, SIZE))


class FairFaceOutput(NamedTuple):
    """Probabilities and features of every frame."""

    race_TC: Tensor
    """(T, 7) in the order of `RACES`."""
    male_T: Tensor
    """Probability of a man's face."""
    age_TC: Tensor
    """(T, 9) in the order of `AGES`."""
    features_TD: Tensor
    """(T, 512) before the heads."""


class FairFaceAttributes(FaceNetwork[FairFace]):
    """Age and gender by FairFace: frames and landmarks in."""

    def forward(self, frames_T3HW: Tensor, points_TKD: Tensor) -> FairFaceOutput:
        """Return probabilities and features of every frame.

        Args:
            frames_T3HW: RGB in [-1, 1].
            points_TKD: Landmarks `mp478` in [0, 1] of the frame.
        """
        check_frames(frames_T3HW, points_TKD)
        features = self.in_chunks(self._features, frames_T3HW, points_TKD)
        race, gender, age = self.net.fc(features).split(FAIRFACE_HEADS, 1)
        return FairFaceOutput(race.softmax(1), gender.softmax(1)[:, 0], age.softmax(1), features)

    def _features(self, frames_T3HW: Tensor, points_TKD: Tensor) -> Tensor:
        return self.net.pooled(imagenet(face_chip(frames_T3HW, points_TKD)))


class EmotionFeatures(FaceNetwork[EmotionFAN]):
    """Emotion by Emotion-FAN: frames and landmarks in."""

    def forward(self, frames_T3HW: Tensor, points_TKD: Tensor) -> Tensor:
        """Return features (T, 512) of every frame.

        Args:
            frames_T3HW: RGB in [-1, 1].
            points_TKD: Landmarks `mp478` in [0, 1] of the frame.
        """
        check_frames(frames_T3HW, points_TKD)
        return self.in_chunks(self._features, frames_T3HW, points_TKD)

    def classify(self, features_TD: Tensor) -> Tensor:
        """Return probabilities (7,) of one clip's emotion, in the order of `EMOTIONS`."""
        return self.net.classify(features_TD).softmax(0)

    def _features(self, frames_T3HW: Tensor, points_TKD: Tensor) -> Tensor:
        return self.net.pooled((face_chip(frames_T3HW, points_TKD) + 1) / 2)
