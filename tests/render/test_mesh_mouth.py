from dataclasses import replace

import torch

from tests.render.portraits import Sitter, sitter
from viseme_face.layouts import AROUND_LIPS
from viseme_render.mesh.fill import blurred
from viseme_render.mesh.light import share_inside
from viseme_render.mesh.portrait import MeshPortrait

SIZE = 256
TIMES = 8


def steepest(frame_3HW: torch.Tensor, around_HW: torch.Tensor) -> float:
    """The largest step of brightness between neighbouring rows of the mouth."""
    step_HW = frame_3HW.mean(0).diff(dim=0).abs()
    return float(step_HW[around_HW[1:]].max())


def opened(person: Sitter, frame_3HW: torch.Tensor) -> torch.Tensor:
    reference = replace(person.reference, frame_3HW=frame_3HW)
    expression = (person.closed_E + person.opening_E)[None]
    return MeshPortrait(reference, person.model).draw(expression, reference.pose[None])[0]


def test_a_mouth_is_drawn_softly_in_a_blurred_portrait_and_sharply_in_a_sharp_one():
    person = sitter(0, size=SIZE)
    sharp_3HW = person.reference.frame_3HW
    soft_3HW = blurred(sharp_3HW[None], TIMES)[0]
    expression, pose = (person.closed_E + person.opening_E)[None], person.reference.pose[None]
    true_3HW = person.truth(expression, pose)[0]
    around = share_inside(person.points(expression, pose)[0], AROUND_LIPS, SIZE) > 0.5
    in_sharp = steepest(opened(person, sharp_3HW), around)
    in_soft = steepest(opened(person, soft_3HW), around)
    # Drawn teeth are dimmer than those of the drawn truth.
    assert in_sharp > 0.45 * steepest(true_3HW, around)
    assert in_soft < 0.5 * in_sharp
