"""Lips that nearly meet do meet.

A model that learned means knows that an m closes the lips and not to the frame when, so that it
leaves a slit; faces that are fitted to landmarks leave one too. And it takes a portrait with parted
lips for a face whose lips hardly meet, though how far someone's lips are apart in one picture says
next to nothing of that. Each frame by itself, so that a stream gives what the whole sound gives.
"""

from torch import Tensor

from viseme_core.types import Motion
from viseme_face import MorphableModel, close_lips, lip_opening, refit

MEET, FREE = 0.02, 0.06
"""Openings, in mouth widths, up to which lips meet, and from which on they are left as they are.
Lips in pictures that touch measure 0.002 to 0.01, fitted ones 0.01 to 0.03, and in between, up to
0.1, both are about as often."""


def sealed_share(opening_T: Tensor) -> Tensor:
    """Return how far lips are to be shut, (T,): 1 up to `MEET`, 0 from `FREE`.

    Args:
        opening_T: Opening of the lips in mouth widths.
    """
    share_T = ((FREE - opening_T) / (FREE - MEET)).clamp(0, 1)
    return share_T**2 * (3 - 2 * share_T)


def opening_of_motion(model: MorphableModel, motion: Motion) -> Tensor:
    """Return how far the lips are apart in each frame, in mouth widths, float64 (T,).

    Args:
        model: Face model of the motion, in float64.
        motion: The motion.
    """
    identity_I, expression_TC = motion.identity.double(), motion.expression.double()
    return lip_opening(model.landmarks(identity_I, expression_TC, "mp478"))


def with_lips_closed(model: MorphableModel, motion: Motion) -> Tensor:
    """Return the expression (T, C) of the same faces with their lips closed, in float64.

    Args:
        model: Face model of the motion, in float64.
        motion: The motion.
    """
    part = Motion(
        expression=motion.expression.double(),
        pose=motion.pose,
        identity=motion.identity.double(),
        face_model=motion.face_model,
    )
    return refit(model, part, close_lips).expression
