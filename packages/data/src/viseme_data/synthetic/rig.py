"""Handles on a face: what a mouth, brows, lids and eyes do, as coefficients of any face model.

Every control is a displacement of the mesh of 478 points in millimetres or another plain measure,
taken from the gestures and projected onto the model by least squares, once per person. Controls add
up. None but `opening` moves the lips apart: a mouth that is closed stays so whatever else it does.
"""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from viseme_core.types import Motion
from viseme_data.gestures import Gestures
from viseme_face import MorphableModel
from viseme_face.layouts import (
    CONTOUR,
    LEFT_EYE_CORNERS,
    LEFT_LID_PAIRS,
    LIP_CORNERS,
    LIP_PAIRS,
    LIP_RINGS,
    RIGHT_EYE_CORNERS,
    RIGHT_LID_PAIRS,
)
from viseme_face.mouth import CHIN_IDS
from viseme_face.regions import close_eyes, close_lips

MOUTH_CONTROLS = ("jaw", "opening", "width", "protrusion", "tuck", "press")
"""As `visemes.CHANNELS`, in the same units; the tongue has no vertices."""
FACE_CONTROLS = (
    *("smile", "frown", "brows_up", "brows_inner", "brows_down"),
    *("squint", "nose_wrinkle", "lip_raise", "chin_up", "mouth_left"),
)
"""Gestures at full strength."""
LOOK_CONTROLS = ("look_down", "look_right")
"""Turns of the eyes in radians, about the x and y axes of a pose; lids follow a look up or down."""
LID_CONTROLS = ("lid_right", "lid_left")
"""0 at rest, 1 closed, negative wide."""
_SHARED = (*MOUTH_CONTROLS, *FACE_CONTROLS, *LOOK_CONTROLS)
CONTROLS = (*_SHARED, *LID_CONTROLS)

_MM = 0.01  # in model units, decimetres
_NOSE_BRIDGE = 168
# Gap between the lips from one side to the other, as a share of that in the middle.
_PROFILE = (0.34, 0.62, 0.83, 0.96, 1.0, 0.96, 0.83, 0.62, 0.34)
# Of a gap that opens, the part that the lower lip moves; closing is the same backwards.
_LOWER_SHARE = 0.7
# Radius of an eyeball over the distance of the eye's corners, as `viseme_face.eyes` draws it.
_EYE_RADIUS = 0.56
_LID_PAIRS = (*RIGHT_LID_PAIRS, *LEFT_LID_PAIRS)
# Lips and lids matter most, and gaps between them more than where they are.
_LIVELY_WEIGHT = 4.0
_GAP_WEIGHT = 40.0
_PRIOR = 1e-7


class FaceRig:
    """Controls of one person's face.

    Args:
        model: Face model that knows `mp478`.
        identity: The person's identity coefficients, shape (80,).
    """

    def __init__(self, model: MorphableModel, identity: Tensor) -> None:
        self._model = model
        self.identity = identity
        rest_E = torch.zeros_like(model.expression_std_E)
        own_K3 = model.landmarks(identity, rest_E, "mp478").double()
        closed_K3 = close_lips(own_K3)
        mean_K3 = model.mean_V3[model.landmark_ids("mp478")].double()
        shared = _shared_fields(_Mesh(close_lips(mean_K3), model.triangles_P3))
        fields_MK3 = torch.stack([closed_K3 - own_K3, *shared, *_lid_fields(closed_K3)])
        coefficients_ME = _project(model, fields_MK3)
        self.neutral_E = coefficients_ME[0].float()
        """Expression with which this person's lips are closed and all else is at rest."""
        self.controls_ME = coefficients_ME[1:].float()
        """Coefficients of one unit of each control, in the order of CONTROLS."""

    def expression(self, controls_TM: Tensor) -> Tensor:
        """Return expression coefficients, shape (T, E).

        Args:
            controls_TM: Value of every control at each time, in the order of CONTROLS.
        """
        return self.neutral_E + controls_TM.float() @ self.controls_ME

    def motion(self, controls_TM: Tensor, pose_T6: Tensor) -> Motion:
        """Return the motion of controls and poses."""
        return Motion(
            expression=self.expression(controls_TM),
            pose=pose_T6.float(),
            identity=self.identity,
            face_model=self._model.name,
        )


class _Mesh:
    """A mesh as an argument that a cache can tell apart."""

    def __init__(self, points_K3: Tensor, triangles_P3: Tensor) -> None:
        self.points_K3, self.triangles_P3 = points_K3.cpu(), triangles_P3.cpu()

    def __hash__(self) -> int:
        return hash((self.points_K3.shape, self.triangles_P3.shape))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Mesh)
            and torch.equal(self.points_K3, other.points_K3)
            and torch.equal(self.triangles_P3, other.triangles_P3)
        )


@cache
def _shared_fields(mesh: _Mesh) -> tuple[Tensor, ...]:
    """Return the fields of everything but the lids, the same for everyone."""
    make = Gestures(mesh.points_K3, mesh.triangles_P3)
    right_3, left_3 = mesh.points_K3[list(LIP_CORNERS)]
    jaw = make.jaw_open()
    drop_dm = float(-jaw[list(CHIN_IDS), 1].mean())
    radius_dm = _EYE_RADIUS * _eye_width(mesh.points_K3)
    fields = {
        "jaw": jaw * (_MM / drop_dm),
        "opening": torch.zeros_like(jaw),
        # `narrow` is a share of the width, so minus one doubles it.
        "width": make.lips(narrow=-1.0) * (_MM / float((left_3 - right_3).norm())),
        "protrusion": make.lips(forward=_MM),
        "tuck": _tuck(make),
        "press": make.lips(roll=0.02),
        "smile": make.corners(out=0.07, up=0.06, back=0.04, cheeks=0.05),
        "frown": make.corners(out=0.01, up=-0.06, back=0.01),
        "brows_up": make.brows((0.08, 0.08), ("right", "left")),
        "brows_inner": make.brows((0.0, 0.07), ("right", "left")),
        "brows_down": make.brows((-0.01, -0.06), ("right", "left"), together=0.03),
        "squint": make.cheeks_up(),
        "nose_wrinkle": make.nose_wrinkle(),
        "lip_raise": make.lip_row("upper", up=0.03) + make.lip_row("lower", up=0.03),
        "chin_up": make.chin_up(),
        "mouth_left": make.mouth_shift(0.03),
        "look_down": make.look((0, -radius_dm)),
        "look_right": make.look((radius_dm, 0)),
    }
    units_NK = _lip_units(make)
    for name, field_K3 in fields.items():
        gap_N3 = _gap(field_K3, LIP_PAIRS)
        wanted_N3 = torch.zeros_like(gap_N3)
        if name == "opening":
            wanted_N3[:, 1] = torch.tensor(_PROFILE, dtype=torch.float64) * _MM
        if name == "tuck":
            # The lower lip goes behind the upper teeth: only its height is given.
            wanted_N3[:, 2] = gap_N3[:, 2]
        fields[name] = field_K3 + units_NK.T @ (wanted_N3 - gap_N3)
    return tuple(fields[name] for name in _SHARED)


def _lip_units(make: Gestures) -> Tensor:
    """Return how every vertex moves when lips part by one at one pair, (pairs, 478)."""
    columns = len(LIP_PAIRS)
    upper = [ring[1 : columns + 1] for ring in LIP_RINGS]
    lower = [ring[: -columns - 1 : -1] for ring in LIP_RINGS]
    units = []
    for column in range(columns):
        # Bone stays where it is when lips part.
        handles = {i: torch.zeros(3, dtype=torch.float64) for i in (*CONTOUR, *CHIN_IDS)}
        for above, below in zip(upper, lower, strict=True):
            for at in range(columns):
                share = torch.full((3,), float(at == column), dtype=torch.float64)
                handles[above[at]] = share * (1 - _LOWER_SHARE)
                handles[below[at]] = -share * _LOWER_SHARE
        units.append(make.skin.follow(handles, make.lower_face)[:, 0])
    return torch.stack(units)


def _tuck(make: Gestures) -> Tensor:
    """Return the lower lip drawn back and up under the upper teeth, the upper lip lifted a hair."""
    lower = make.lip_row("lower", up=0.012)
    middle_K = lower[:, 1:2] / 0.012
    field_K3 = lower.clone()
    field_K3[:, 2] = -0.035 * middle_K[:, 0]
    return field_K3 + make.lip_row("upper", up=0.012)


def _lid_fields(closed_K3: Tensor) -> list[Tensor]:
    """Return the fields that shut the right and the left eye of one face."""
    shut_K3 = close_eyes(closed_K3) - closed_K3
    is_right_K1 = (closed_K3[:, 0] < closed_K3[_NOSE_BRIDGE, 0])[:, None]
    return [shut_K3 * is_right_K1, shut_K3 * ~is_right_K1]


def _eye_width(points_K3: Tensor) -> float:
    eyes = torch.tensor([RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS])
    return float((points_K3[eyes[:, 0]] - points_K3[eyes[:, 1]]).norm(dim=-1).mean())


def _project(model: MorphableModel, fields_MK3: Tensor) -> Tensor:
    """Return the coefficients whose displacements are nearest to some fields, (M, E)."""
    shape = model.shape_at(model.landmark_ids("mp478"))
    std_E = model.expression_std_E.double()
    basis_EK3 = shape.expression_basis_EV3.double() * std_E[:, None, None]
    weights_K1 = torch.ones(len(shape.mean_V3), 1, dtype=torch.float64)
    weights_K1[sorted({*sum(LIP_RINGS, ()), *sum(_LID_PAIRS, ())})] = _LIVELY_WEIGHT

    def rows(points_XK3: Tensor) -> Tensor:
        gaps_XN3 = _gap(points_XK3, (*LIP_PAIRS, *_LID_PAIRS)) * _GAP_WEIGHT
        return torch.cat([(points_XK3 * weights_K1).flatten(-2), gaps_XN3.flatten(-2)], -1)

    basis_ER, fields_MR = rows(basis_EK3), rows(fields_MK3)
    normal_EE = basis_ER @ basis_ER.T + _PRIOR * torch.eye(len(std_E)).double()
    return torch.linalg.solve(normal_EE, basis_ER @ fields_MR.T).T * std_E


def _gap(points_XK3: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
    upper, lower = torch.tensor(pairs).T
    return points_XK3[..., upper, :] - points_XK3[..., lower, :]
