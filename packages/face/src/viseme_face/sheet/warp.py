"""How a portrait's sheet moves with its head: where each vertex comes from and where it goes."""

from typing import NamedTuple

import torch
from torch import Tensor

from viseme_core.types import ReferenceFace
from viseme_face.layouts import (
    LEFT_LID_PAIRS,
    LIP_PAIRS,
    LIP_RINGS,
    RIGHT_LID_PAIRS,
    lip_opening,
)
from viseme_face.morphable import MorphableModel
from viseme_face.parts import read_builtin
from viseme_face.pose import CAMERA_DISTANCE, FOCAL, euler_to_matrix, pose_vertices, project
from viseme_face.sheet.hidden import HiddenSkin
from viseme_face.sheet.lip_edges import lip_edges, without_inside
from viseme_face.sheet.surroundings import Surroundings
from viseme_face.sheet.topology import FOLDS, NUM_FACE, topology

# A tracker's lips end a little inside the mouth: with teeth on show, an edge of white. So much of
# the way from the inner lip ring to the next one is left out when the mouth is as open as this.
_LIP_PULL = 0.5
_OPEN_LIPS = 0.06
# Lips have left out all of the inside that they hold when they have closed by this share.
_LEFT_OUT = 0.5


class Moved(NamedTuple):
    """A sheet in some frames; vertices are the face's, then folds, then rings."""

    points_TK3: Tensor
    """`mp478` points in model space, the portrait's own residual included."""
    screen_TN2: Tensor
    """Sheet vertices in [0, 1] of the picture."""
    height_TN: Tensor
    """Height towards the camera of sheet vertices, in model units."""
    source_TN2: Tensor
    """Where in the portrait they are taken from, [0, 1]; T is 1 where it is the same for all."""


class PortraitWarp:
    """The sheet of one portrait.

    Args:
        reference: The portrait.
        model: Its face model, on the built-in mesh.
    """

    def __init__(self, reference: ReferenceFace, model: MorphableModel) -> None:
        pose_6, device = reference.pose, reference.frame_3HW.device
        self._pose_1 = pose_6[None]
        rest_K3 = model.landmarks(
            reference.identity, torch.zeros_like(reference.expression), "mp478"
        )
        self._rest_K3 = rest_K3 * rest_K3.new_tensor([1, 1, reference.depth])
        shape = model.shape_at(model.landmark_ids("mp478"))
        self._basis_EK3 = shape.expression_basis_EV3.to(self._rest_K3)
        own_K3 = self._rest_K3 + _combined(reference.expression, self._basis_EK3)
        self.neutral_K3 = self._rest_K3 + _residual(own_K3, reference)
        self.points_K3 = self.points(reference.expression[None])[0]

        sheet = topology()
        self.triangles_P3 = sheet.triangles_P3.to(device)
        self.part_P = sheet.part_P.to(device)
        self._fold_F2 = torch.tensor(FOLDS, device=device)
        camera_V3 = pose_vertices(self.points_K3, pose_6)[:NUM_FACE]
        face_V2 = project(camera_V3)
        self._hidden = HiddenSkin(camera_V3, read_builtin().triangles_P3.to(device))
        self._around = Surroundings(camera_V3, self._hidden.covered_HW, pose_6[2])
        self._opening = lip_opening(self.points_K3)
        pulled_V2 = self._with_pulled_lips(face_V2)
        self.source_N2 = self._sheet(pulled_V2, self._around.source_N2)
        shut_V2 = self._with_pulled_lips(self._without_inside(face_V2, reference.frame_3HW))
        self._shutting_N2 = self._sheet(shut_V2, self._around.source_N2) - self.source_N2
        filled_V2 = self._hidden.filled(pulled_V2, self._around.skin_R2)
        self._filled_N2 = self._sheet(filled_V2, self._around.source_N2)

    def points(self, expression_TE: Tensor) -> Tensor:
        """Return `mp478` points of the portrait's face in model space, (T, 478, 3)."""
        return self.neutral_K3 + _combined(expression_TE, self._basis_EK3)

    def move(self, expression_TE: Tensor, pose_T6: Tensor) -> Moved:
        """Return the sheet under a motion.

        Args:
            expression_TE: Expression of every frame.
            pose_T6: Pose of every frame.
        """
        points_TK3 = self.points(expression_TE)
        camera_TV3 = pose_vertices(points_TK3, pose_T6)[:, :NUM_FACE]
        face_TV2 = project(camera_TV3)
        # From the portrait's camera space to that of each frame, as one rigid head.
        back_133 = euler_to_matrix(self._pose_1[:, :3]).mT
        relative_T33 = euler_to_matrix(pose_T6[:, :3]) @ back_133
        shift_T13 = pose_T6[:, None, 3:] - self._pose_1[:, None, 3:] @ relative_T33.mT
        rings_TN2, behind_TN = self._around.move(relative_T33, shift_T13, camera_TV3, face_TV2)
        height_TV = camera_TV3[..., 2]
        coming_TV1 = self._hidden.coming(relative_T33)[..., None]
        coming_TN1 = self._sheet(coming_TV1, torch.zeros_like(rings_TN2[..., :1]))
        # Under the portrait's own motion its lips are what they are, teeth and all.
        closed_T = 1 - lip_opening(points_TK3) / self._opening.clamp_min(1e-6)
        shut_T11 = (closed_T / _LEFT_OUT).clamp(0, 1)[:, None, None]
        source_TN2 = self.source_N2 + shut_T11 * self._shutting_N2
        return Moved(
            points_TK3,
            torch.cat([face_TV2, face_TV2[:, self._fold_F2].mean(2), rings_TN2], 1),
            torch.cat([height_TV, height_TV[:, self._fold_F2].mean(2), behind_TN], 1),
            torch.lerp(source_TN2, self._filled_N2, coming_TN1),
        )

    def _sheet(self, face_TVD: Tensor, rings_TND: Tensor) -> Tensor:
        """Return values of the face, of folds, which repeat what they continue, and of rings."""
        return torch.cat([face_TVD, face_TVD[..., self._fold_F2[:, 0], :], rings_TND], -2)

    def _with_pulled_lips(self, face_V2: Tensor) -> Tensor:
        """Return the face with its lips' edges a little inside the lips if the mouth is open."""
        pull = _LIP_PULL * self._openness()
        inner, next_ring = list(LIP_RINGS[3]), list(LIP_RINGS[2])
        pulled_V2 = face_V2.clone()
        pulled_V2[inner] = torch.lerp(face_V2[inner], face_V2[next_ring], pull)
        return pulled_V2

    def _without_inside(self, face_V2: Tensor, picture_3HW: Tensor) -> Tensor:
        """Return the face with lips that hold nothing of the mouth's inside."""
        return without_inside(face_V2, self._openness() * lip_edges(picture_3HW, face_V2))

    def _openness(self) -> Tensor:
        """Return how surely the portrait's mouth is open, from 0 to 1."""
        return (self._opening / _OPEN_LIPS).clamp(max=1)


def _combined(expression_TE: Tensor, basis_EK3: Tensor) -> Tensor:
    return (expression_TE @ basis_EK3.flatten(1)).unflatten(-1, basis_EK3.shape[1:])


def _residual(points_K3: Tensor, reference: ReferenceFace) -> Tensor:
    """Return what the linear model misses of the portrait, in model space.

    Args:
        points_K3: `mp478` points of the portrait by the model, in model space.
        reference: The portrait.
    """
    camera_K3 = pose_vertices(points_K3, reference.pose)
    missed_K2 = reference.landmarks.points_TKD[0, :, :2].to(camera_K3) - project(camera_K3)
    spread_K1 = (CAMERA_DISTANCE - camera_K3[:, 2:]) / FOCAL
    aside_K2 = missed_K2 * spread_K1 * missed_K2.new_tensor([1, -1])
    moved_K3 = torch.cat([aside_K2, torch.zeros_like(spread_K1)], 1)
    residual_K3 = moved_K3 @ euler_to_matrix(reference.pose[:3])
    # Lips and lids open as far as the motion says: what is left over moves both sides alike.
    for pairs in (LIP_PAIRS, RIGHT_LID_PAIRS, LEFT_LID_PAIRS):
        ends = torch.tensor(pairs, device=residual_K3.device)
        residual_K3[ends] = residual_K3[ends].mean(1, keepdim=True).expand(-1, 2, -1)
    return residual_K3
