"""Hand-made expressions of MediaPipe's mesh: where the points of a face go when it acts.

Each gesture is a displacement field at full strength, in decimetres: a few handles are moved, the
skin between them follows so that every vertex moves as the mean of its neighbours.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from viseme_data.skin import Skin
from viseme_face.layouts import (
    AROUND_LIPS,
    CONTOUR,
    LEFT_EYE,
    LEFT_IRIS,
    LEFT_LID_PAIRS,
    LIP_RINGS,
    RIGHT_EYE,
    RIGHT_IRIS,
    RIGHT_LID_PAIRS,
)
from viseme_face.regions import LOWER_LID_SHARE

Side = Literal["right", "left"]

# Where the jaw turns: below the ear, a little lower than the joint because the joint slides.
_JAW_PIVOT_FROM_EAR_DM = (-0.25, -0.05)
_JAW_RADIANS = 0.25
_EAR = 234
_NOSE_BASE = 2
# How much of the jaw's turn each contour point takes, from the chin to the ear.
_JAW_SHARE = (1.0, 1.0, 0.97, 0.92, 0.82, 0.66, 0.46, 0.26, 0.1)
_CHIN_PATCH = (199, 200, 175, 171, 396, 208, 428, 201, 421, 18, 83, 313, 182, 406)
_BROW_RINGS: dict[Side, tuple[int, ...]] = {
    "right": (70, 63, 105, 66, 107, 46, 53, 52, 65, 55),
    "left": (300, 293, 334, 296, 336, 276, 283, 282, 295, 285),
}
_CHEEKS: dict[Side, tuple[int, ...]] = {
    "right": (205, 50, 187, 207, 36, 206),
    "left": (425, 280, 411, 427, 266, 426),
}
_CHEEK_BONES: dict[Side, tuple[int, ...]] = {
    "right": (117, 118, 101, 50, 123),
    "left": (346, 347, 330, 280, 352),
}
_NOSE_WINGS: dict[Side, tuple[int, ...]] = {
    "right": (129, 64, 98, 102, 49),
    "left": (358, 294, 327, 331, 279),
}
_SMILE_FOLDS: dict[Side, tuple[int, ...]] = {"right": (206, 216), "left": (426, 436)}


class Gestures:
    """Gestures of one face.

    Args:
        vertices_V3: Mean face with 478 vertices, lips closed, decimetres, float64.
        triangles_P3: Its mesh.
    """

    def __init__(self, vertices_V3: Tensor, triangles_P3: Tensor) -> None:
        self.vertices_V3 = vertices_V3
        self.skin = Skin(triangles_P3, len(vertices_V3))
        below = vertices_V3[:468, 1] < vertices_V3[_NOSE_BASE, 1]
        self.lower_face = set(below.nonzero()[:, 0].tolist())
        # Five rows from the skin around to the inner lip; eleven columns, corner to corner.
        rows = [AROUND_LIPS, *LIP_RINGS]
        self.upper_lip = [row[:11] for row in rows]
        self.lower_lip = [(row[0], *row[:9:-1]) for row in rows]
        self.lip_points = set(sum((*self.upper_lip, *self.lower_lip), ()))

    def all(self) -> dict[str, Tensor]:
        """Return every gesture by name, each (478, 3), the strongest in speech first."""
        return {
            "jaw_open": self.jaw_open(),
            "lips_pucker": self.lips(narrow=0.38, forward=0.06),
            "smile": self.corners(out=0.09, up=0.08, back=0.06, cheeks=0.05),
            "lips_funnel": self.lips(narrow=0.22, forward=0.07, part=0.06),
            "upper_lip_up": self.lip_row("upper", up=0.07),
            "lower_lip_down": self.lip_row("lower", up=-0.07),
            "lips_roll_in": self.lips(roll=0.05),
            "lips_stretch": self.corners(out=0.1, up=-0.01, back=0.05),
            "mouth_frown": self.corners(out=0.02, up=-0.09, back=0.02),
            "chin_up": self.chin_up(),
            "jaw_left": self.jaw_shift((0.08, 0, 0)),
            "mouth_left": self.mouth_shift(0.08),
            "smile_left": self.corners(out=0.07, up=0.08, back=0.05, sides=("left",)),
            "cheeks_puff": self.cheeks_puff(),
            "upper_lip_up_left": self.lip_row("upper", up=0.07, side="left"),
            "lower_lip_down_left": self.lip_row("lower", up=-0.07, side="left"),
            "blink_right": self.blink("right"),
            "blink_left": self.blink("left"),
            "eyes_squint": self.lids(lower=0.03, cheeks=0.02),
            "look_left": self.look((0.05, 0)),
            "look_up": self.look((0, 0.035)),
            "brows_up": self.brows((0.09, 0.09), ("right", "left")),
            "brows_inner_up": self.brows((0.0, 0.08), ("right", "left")),
            "brows_down": self.brows((-0.01, -0.07), ("right", "left"), together=0.03),
            "brow_up_left": self.brows((0.08, 0.04), ("left",)),
            "nose_wrinkle": self.nose_wrinkle(),
            "cheeks_up": self.cheeks_up(),
        }

    def jaw_open(self) -> Tensor:
        """Turn the jaw about an axis near the ears; the corners of the mouth go half-way."""
        ear_y, ear_z = self.vertices_V3[_EAR, 1:] + torch.tensor(_JAW_PIVOT_FROM_EAR_DM)
        y, z = self.vertices_V3[:, 1] - ear_y, self.vertices_V3[:, 2] - ear_z
        cos, sin = math.cos(_JAW_RADIANS) - 1, math.sin(_JAW_RADIANS)
        turn_V3 = torch.stack([torch.zeros_like(y), y * cos - z * sin, y * sin + z * cos], -1)
        share = self._jaw_share()
        for row in self.lower_lip:
            share.update(dict.fromkeys(row[1:-1], 1.0))
            share.update({row[1]: 0.75, row[-2]: 0.75, row[0]: 0.4, row[-1]: 0.4})
        for row in self.upper_lip:
            share.update(dict.fromkeys(row[1:-1], 0.0))
        return self.skin.follow({i: turn_V3[i] * s for i, s in share.items()}, self.lower_face)

    def jaw_shift(self, shift: Sequence[float]) -> Tensor:
        """Slide the jaw; the lower lip goes along by half."""
        share = self._jaw_share()
        for row in self.lower_lip:
            share.update(dict.fromkeys(row[2:-2], 0.6))
        for row in self.upper_lip:
            share.update(dict.fromkeys(row[1:-1], 0.1))
        move = _vector(shift)
        return self.skin.follow({i: move * s for i, s in share.items()}, self.lower_face)

    def lips(
        self, narrow: float = 0, forward: float = 0, part: float = 0, roll: float = 0
    ) -> Tensor:
        """Narrow the mouth (a fraction), push the lips out, part them, or roll them inwards."""
        middle = self.vertices_V3[[13, 14]].mean(0)
        handles: dict[int, Tensor] = {}
        for sign, lip in ((1.0, self.upper_lip), (-1.0, self.lower_lip)):
            for depth, row in enumerate(lip):
                for column, i in enumerate(row):
                    centre = math.sin(math.pi * column / 10)
                    # Rolling turns the red of the lip in: the outer rings come down over it.
                    fold = (0.0, 0.7, 0.5, 0.25, 0.0)[depth] * centre
                    inward = (0.0, 0.3, 0.6, 0.9, 1.0)[depth] * centre
                    x = -narrow * float(self.vertices_V3[i, 0] - middle[0])
                    y = sign * (part * centre - roll * fold)
                    z = forward * (0.4 + 0.6 * centre) - roll * inward
                    handles[i] = _vector((x, y, z)) * (0.5 if depth == 0 else 1.0)
        return self.skin.follow(handles, self.lower_face)

    def corners(
        self,
        *,
        out: float,
        up: float,
        back: float,
        cheeks: float = 0,
        sides: Sequence[Side] = ("right", "left"),
    ) -> Tensor:
        """Pull the corners of the mouth; the lips follow with a soft fall-off to the middle."""
        handles: dict[int, Tensor] = {}
        for lip in (self.upper_lip, self.lower_lip):
            for row in lip:
                for column, i in enumerate(row):
                    handles[i] = torch.zeros(3, dtype=torch.float64)
                    for side in sides:
                        sign, distance = (-1.0, column) if side == "right" else (1.0, 10 - column)
                        pull = math.exp(-0.5 * (distance / 3.0) ** 2)
                        handles[i] += pull * _vector((sign * out, up, -back))
        for side in sides if cheeks else ():
            for i in _CHEEK_BONES[side]:
                handles[i] = _vector((0, cheeks, cheeks / 2))
            for i in _SMILE_FOLDS[side]:
                handles[i] = _vector((0, up * 0.8, cheeks / 2))
        free = self.lower_face.union(*_CHEEKS.values(), *_CHEEK_BONES.values())
        field_V3 = self.skin.follow(handles, free)
        return self.skin.soften(field_V3, free.union(handles) - self.lip_points)

    def lip_row(
        self, lip: Literal["upper", "lower"], *, up: float, side: Side | None = None
    ) -> Tensor:
        """Raise or lower one lip, whole or on one side, the other lip and the corners held."""
        moving, held = (
            (self.upper_lip, self.lower_lip) if lip == "upper" else (self.lower_lip, self.upper_lip)
        )
        handles = {i: _vector((0, 0, 0)) for row in held for i in row[1:-1]}
        for row in moving:
            for column, i in enumerate(row):
                if side is None:
                    share = math.sin(math.pi * column / 10) ** 0.7 if 0 < column < 10 else 0.0
                else:
                    peak = 7 if side == "left" else 3
                    share = math.exp(-0.5 * ((column - peak) / 1.6) ** 2)
                handles[i] = _vector((0, up * share, 0.2 * abs(up) * share))
        return self.skin.follow(handles, self.lower_face)

    def chin_up(self) -> Tensor:
        """Push chin and lower lip up, the upper lip with them: a shrug of the mouth."""
        handles = {i: _vector((0, 0.05, 0.015)) for i in _CHIN_PATCH}
        for row in self.lower_lip:
            for column, i in enumerate(row):
                lift = 0.06 * math.sin(math.pi * column / 10)
                handles[i] = _vector((0, lift, 0.3 * lift))
        for row in self.upper_lip:
            for column, i in enumerate(row[1:-1], 1):
                handles[i] = _vector((0, 0.04 * math.sin(math.pi * column / 10), 0))
        return self.skin.follow(handles, self.lower_face - set(CONTOUR))

    def mouth_shift(self, sideways: float) -> Tensor:
        """Slide both lips to the person's left."""
        move = _vector((sideways, 0, 0))
        rows = (*self.upper_lip, *self.lower_lip)
        handles = {
            i: move * (0.7 if k % 5 == 0 else 1.0) for k, row in enumerate(rows) for i in row
        }
        return self.skin.follow(handles, self.lower_face)

    def cheeks_puff(self) -> Tensor:
        """Blow the cheeks out."""
        handles = {}
        for cheek, sign in ((_CHEEKS["right"], -1), (_CHEEKS["left"], 1)):
            handles.update({i: _vector((sign * 0.08, 0, 0.1)) for i in cheek})
        free = self.lower_face.union(handles, *_CHEEK_BONES.values())
        for row in (*self.upper_lip, *self.lower_lip):
            handles.update({i: _vector((0, 0, 0.02)) for i in row[1:-1]})
        return self.skin.soften(self.skin.follow(handles, free), free - self.lip_points)

    def cheeks_up(self) -> Tensor:
        """Raise the cheek bones' skin."""
        handles = {i: _vector((0, 0.05, 0.03)) for ids in _CHEEK_BONES.values() for i in ids}
        return self.skin.follow(handles, self.skin.near(handles, rings=2))

    def nose_wrinkle(self) -> Tensor:
        """Pull the wings of the nose and the upper lip up."""
        handles = {i: _vector((0, 0.04, -0.01)) for ids in _NOSE_WINGS.values() for i in ids}
        handles.update({i: _vector((0, 0.025, 0)) for row in self.upper_lip for i in row[2:-2]})
        handles.update({i: _vector((0, -0.02, 0.01)) for i in (55, 285, 8, 9)})
        return self.skin.follow(handles, self.skin.near(handles, rings=2))

    def blink(self, side: Side) -> Tensor:
        """Close one eye: the upper lid goes nearly all the way."""
        pairs = RIGHT_LID_PAIRS if side == "right" else LEFT_LID_PAIRS
        handles = {}
        for upper, lower in pairs:
            gap = self.vertices_V3[upper] - self.vertices_V3[lower]
            handles[upper] = (LOWER_LID_SHARE - 1) * gap
            handles[lower] = LOWER_LID_SHARE * gap
        return self.skin.follow(handles, self._around_eyes((side,)))

    def lids(self, upper: float = 0, lower: float = 0, cheeks: float = 0) -> Tensor:
        """Lift the upper lids (eyes wide) or the lower ones (squint)."""
        handles = {}
        for pairs in (RIGHT_LID_PAIRS, LEFT_LID_PAIRS):
            for column, (top, bottom) in enumerate(pairs, 1):
                arch = math.sin(math.pi * column / 8)
                handles[top] = _vector((0, upper * arch, 0))
                handles[bottom] = _vector((0, lower * arch, 0))
        if cheeks:
            bones = sum(_CHEEK_BONES.values(), ())
            handles.update({i: _vector((0, cheeks, cheeks / 2)) for i in bones})
        return self.skin.follow(handles, self._around_eyes(("right", "left")))

    def look(self, shift: tuple[float, float]) -> Tensor:
        """Turn both eyes: irises move, upper lids follow a vertical look by a third."""
        field_V3 = torch.zeros_like(self.vertices_V3)
        if shift[1]:
            field_V3 += self.lids(upper=shift[1] / 3)
        field_V3[[*RIGHT_IRIS, *LEFT_IRIS]] = _vector((*shift, 0))
        return field_V3

    def brows(self, up: tuple[float, float], sides: Sequence[Side], together: float = 0) -> Tensor:
        """Raise the outer and inner ends of the brows, or draw the inner ends together."""
        handles = {}
        for side in sides:
            sign = 1 if side == "right" else -1
            for k, i in enumerate(_BROW_RINGS[side]):
                inner = (k % 5) / 4
                lift = (1 - inner) * up[0] + inner * up[1]
                handles[i] = _vector((sign * together * inner, lift, 0))
        free = self.skin.near(handles, rings=3)
        return self.skin.follow(handles, free - set(RIGHT_EYE) - set(LEFT_EYE))

    def _jaw_share(self) -> dict[int, float]:
        right, left = CONTOUR[12:3:-1], CONTOUR[12:21]
        share = dict(zip(right, _JAW_SHARE, strict=True))
        share.update(zip(left, _JAW_SHARE, strict=True))
        share.update(dict.fromkeys(_CHIN_PATCH, 1.0))
        return share

    def _around_eyes(self, sides: Sequence[Side]) -> set[int]:
        eyes: dict[Side, tuple[int, ...]] = {"right": RIGHT_EYE, "left": LEFT_EYE}
        own = [i for side in sides for i in eyes[side]]
        corners = {eyes[side][k] for side in sides for k in (0, 8)}
        other = {i for side, eye in eyes.items() if side not in sides for i in eye}
        return self.skin.near(own, rings=2) - corners - other - set(sum(_BROW_RINGS.values(), ()))


def _vector(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
