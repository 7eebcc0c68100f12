"""Which frames of a template stand for the speaker, and a template made longer."""

import torch

from viseme_core.types import Landmarks
from viseme_face.layouts import TALK131, select

_UPPER, _LOWER = TALK131.index(13), TALK131.index(14)


def choose_references(template: Landmarks, num_references: int) -> Landmarks:
    """Return frames of a template from the most closed to the most open mouth, as `talk131`.

    Spread evenly over the frames in the order of their openings: the same for the same template,
    and never all of one viseme. A template of fewer frames repeats some.

    Args:
        template: Landmarks in a layout that holds `talk131`.
        num_references: How many.

    Raises:
        ValueError: If the template has no frames, or another layout.
    """
    if not template.num_frames:
        raise ValueError("the template has no frames: there is nobody to complete")
    points_TK2 = select(template, "talk131").points_TKD[..., :2]
    opening_T = (points_TK2[:, _UPPER] - points_TK2[:, _LOWER]).norm(dim=-1)
    order_T = opening_T.argsort(stable=True)
    if num_references == 1:
        places = torch.tensor([(len(order_T) - 1) // 2])
    else:
        places = torch.linspace(0, len(order_T) - 1, num_references).long()
    return Landmarks(points_TK2[order_T[places]], "talk131")
