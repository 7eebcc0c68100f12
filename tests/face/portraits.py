"""Drawn portraits whose shape, motion and pictures are known exactly."""

from dataclasses import replace
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from viseme_core.types import CropBox, Landmarks, Motion, ReferenceFace
from viseme_face import MorphableModel, close_eyes, close_lips, pose_vertices, project, refit
from viseme_face.head_shape import HeadShape
from viseme_face.layouts import LIP_RINGS
from viseme_face.paint import Makeup, paint_atlas
from viseme_face.portrait import Portrait, PortraitStyle

SIZE = 128
POSE = (0.0, 0.0, 0.0, 0.0, -0.05, -4.3)


class Sitter(NamedTuple):
    """A person who is drawn: the portrait of them, and how they look in any other motion."""

    reference: ReferenceFace
    portrait: Portrait
    model: MorphableModel
    closed_E: Tensor
    """Expression with lips closed."""
    opening_E: Tensor
    """What to add to it to part the lips by a centimetre."""

    def truth(self, expression_TE: Tensor, pose_T6: Tensor) -> Tensor:
        """Frames that a renderer would give if it knew everything."""
        points_TK3 = self.model.landmarks(self.reference.identity, expression_TE, "mp478")
        return self.portrait.draw(points_TK3, pose_T6).frames_T3HW

    def points(self, expression_TE: Tensor, pose_T6: Tensor) -> Tensor:
        """True landmarks in pixels, (T, 478, 2)."""
        points_TK3 = self.model.landmarks(self.reference.identity, expression_TE, "mp478")
        return self.reference.frame_3HW.shape[-1] * project(pose_vertices(points_TK3, pose_T6))

    def motion(self, expression_TE: Tensor, pose_T6: Tensor) -> Motion:
        return Motion(
            expression=expression_TE,
            pose=pose_T6,
            identity=self.reference.identity,
            face_model=self.reference.face_model,
        )


@cache
def sitter(
    seed: int = 0, *, opening: float = 0.0, size: int = SIZE, yaw: float = 0.0, shut: bool = False
) -> Sitter:
    """Draw a person.

    Args:
        seed: Who.
        opening: How far their lips are parted in the portrait, centimetres.
        size: Side of the portrait.
        yaw: How far they look aside in it, degrees.
        shut: Whether their eyes are closed in it.
    """
    model = MorphableModel.builtin()
    generator = torch.Generator().manual_seed(seed)
    identity = 0.6 * torch.randn(80, generator=generator) * model.identity_std_I
    rest = Motion(
        expression=torch.zeros(1, 64),
        pose=torch.tensor([POSE]),
        identity=identity,
        face_model=model.name,
    )
    quiet = refit(model, rest, close_lips)
    opened = refit(model, quiet, _part_lips, weight=1e-5)
    opening_E = (opened.expression - quiet.expression)[0]
    expression_E = quiet.expression[0] + opening * opening_E
    if shut:
        closed = refit(model, replace(rest, expression=expression_E[None]), close_eyes)
        expression_E = closed.expression[0]
    background = torch.rand(3, 8, 8, generator=generator)
    background = torch.nn.functional.interpolate(background[None], size, mode="bicubic")[0]
    style = PortraitStyle(
        atlas_3hw=paint_atlas(Makeup(seed=seed)),
        background_3HW=background.clamp(0.05, 0.9) ** 2,
        head=HeadShape(hair="short" if seed % 2 else "long"),
    )
    pose_6 = turned(torch.tensor(POSE), yaw=yaw)
    points_1K3 = model.landmarks(identity, expression_E[None], "mp478")
    portrait = Portrait(model.landmarks(identity, quiet.expression, "mp478")[0], style, pose_6)
    frame_3HW = portrait.draw(points_1K3, pose_6[None]).frames_T3HW[0]
    reference = ReferenceFace(
        frame_3HW=frame_3HW,
        landmarks=Landmarks(project(pose_vertices(points_1K3, pose_6[None])), "mp478"),
        identity=identity,
        expression=expression_E,
        pose=pose_6,
        face_model=model.name,
        crop=CropBox(size / 2, size / 2, size),
        source_3HW=frame_3HW,
    )
    return Sitter(reference, portrait, model, quiet.expression[0], opening_E)


def mistracked(reference: ReferenceFace, error_px: float, seed: int = 0) -> ReferenceFace:
    """The portrait with landmarks that a tracker put a little elsewhere."""
    points_1KD = reference.landmarks.points_TKD
    generator = torch.Generator().manual_seed(seed)
    noise_1KD = torch.randn(points_1KD.shape, generator=generator)
    moved_1KD = points_1KD + error_px / reference.frame_3HW.shape[-1] * noise_1KD
    return replace(reference, landmarks=Landmarks(moved_1KD, "mp478"))


def turned(pose_6: Tensor, *, pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0) -> Tensor:
    """A pose turned by some degrees."""
    turn_6 = torch.tensor([pitch, yaw, roll, 0.0, 0.0, 0.0]) * (torch.pi / 180)
    return pose_6 + turn_6


def psnr(one: Tensor, other: Tensor) -> float:
    """Peak signal to noise in decibels of values in [-1, 1]."""
    return float(10 * torch.log10(4 / (one - other).square().mean()))


def _part_lips(points_TK3: Tensor) -> Tensor:
    """Lower both rows of the lower lip and the chin with them, most in the middle."""
    parted = points_TK3.clone()
    columns = torch.linspace(0, torch.pi, 11)[1:-1].sin()
    for ring in LIP_RINGS:
        lower = list(ring[:-10:-1])
        parted[:, lower, 1] -= 0.1 * columns
    parted[:, [152, 148, 377, 176, 400, 175, 199, 200], 1] -= 0.08
    return parted
