"""Blinks at a given rate, in place of a model's own.

Lids that fall by themselves are held up, so that nothing of them is a blink any more; blinks are
drawn by the seed and put in. Frame by frame: nothing needs to be known of what follows.
Letters: T frames, C expression coefficients.
"""

import torch
from torch import Tensor

from viseme_core.draws import Draws
from viseme_core.types import FPS, NUM_POSE, Motion
from viseme_face import MorphableModel, close_eyes, eye_aspect_ratio, refit

MAX_BLINKS_PER_SEC = 1.0
"""More is a flutter: blinks would run into each other."""
HELD_SHARE = 0.85
"""Lids that have no blink to do stay at least that far open, as a share of the eye at rest. Gaze
and expression leave that much room; a dip to 0.65 could be taken for a blink."""
SHAPE = (0.4, 0.9, 1.0, 0.8, 0.5, 0.25, 0.1)
"""How far eyes are shut in the frames of a blink: down in 0.1 s, up again in twice that."""


class BlinkPlan:
    """When eyes are shut, and how far: blinks `0.5 to 1.5 / rate` apart, drawn by the seed.

    Args:
        blinks_per_sec: Rate; 0 is none.
        seed: Another seed blinks at other times.
    """

    def __init__(self, blinks_per_sec: float, seed: int) -> None:
        self._rate = blinks_per_sec
        self._seed = seed
        self._number = 0
        self._next_sec = self._luck() / blinks_per_sec if blinks_per_sec else float("inf")
        self._frame = 0
        self._under_way: list[float] = []

    def closure(self, num_frames: int) -> Tensor:
        """Return how far the eyes are shut in each of the next frames, (T,)."""
        found = []
        for _ in range(num_frames):
            if self._frame >= self._next_sec * FPS:
                self._under_way = list(SHAPE)
                self._number += 1
                self._next_sec += (0.5 + self._luck()) / self._rate
            found.append(self._under_way.pop(0) if self._under_way else 0.0)
            self._frame += 1
        return torch.tensor(found)

    def _luck(self) -> float:
        return float(Draws(self._seed, self._number, [0]).uniform("motion/blink"))


class Lids:
    """Opens and closes the lids of one person.

    Args:
        model: Face model; it must know `mp478`.
        identity_I: Whose face it is.
        rest_TC: Expression with the eyes as open as they usually are; of several frames the median
            counts.
    """

    def __init__(self, model: MorphableModel, identity_I: Tensor, rest_TC: Tensor) -> None:
        self._model = model
        self._identity_I = identity_I
        neutral_1C = torch.zeros_like(rest_TC[:1])
        usual = float(self._opening(neutral_1C))
        # A portrait with closed eyes must not make a person who never opens them.
        self._level = max(float(self._opening(rest_TC).median()), 0.6 * usual)
        self._shutting_C = self._shutting(neutral_1C)[0] / usual

    def hold_up(self, expression_TC: Tensor) -> Tensor:
        """Return the expression with lids at least `HELD_SHARE` of the way up."""
        missing_T = (HELD_SHARE * self._level - self._opening(expression_TC)).clamp(min=0)
        return expression_TC - missing_T[:, None] * self._shutting_C

    def shut(self, expression_TC: Tensor, share_T: Tensor) -> Tensor:
        """Return the expression with eyes shut by a share of the way from where they are."""
        return expression_TC + share_T[:, None] * self._shutting(expression_TC)

    def _opening(self, expression_TC: Tensor) -> Tensor:
        points_TK3 = self._model.landmarks(self._identity_I, expression_TC, "mp478")
        return eye_aspect_ratio(points_TK3).mean(-1)

    def _shutting(self, expression_TC: Tensor) -> Tensor:
        """Return the change (T, C) of expression that shuts the eyes."""
        motion = Motion(
            expression=expression_TC,
            pose=expression_TC.new_zeros(len(expression_TC), NUM_POSE),
            identity=self._identity_I,
            face_model=self._model.name,
        )
        return refit(self._model, motion, close_eyes).expression - expression_TC
