from dataclasses import replace

import torch

from tests.face.portraits import Sitter, sitter
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


def without_line(mesh: MeshPortrait) -> MeshPortrait:
    mesh.mouth._line = None
    return mesh


def test_lips_that_the_portrait_shows_apart_meet_in_a_dark_line():
    person = sitter(0, size=SIZE, opening=0.7)
    closed_1E, pose = person.closed_E[None], person.reference.pose[None]
    mesh = MeshPortrait(person.reference, person.model)
    with_3HW = mesh.draw(closed_1E, pose)[0]
    darker_HW = (without_line(mesh).draw(closed_1E, pose)[0] - with_3HW).mean(0)
    column, row = person.points(closed_1E, pose)[0, [13, 14]].mean(0).round().int().tolist()
    down_H = darker_HW[:, column]
    assert abs(int(down_H.argmax()) - row) <= 1
    assert down_H.max() > 0.15
    # One to three pixels thick, and nowhere but between the corners of the mouth.
    assert 1 <= int((down_H > 0.03).sum()) <= 3
    corners = person.points(closed_1E, pose)[0, [78, 308], 0]
    columns = (darker_HW.abs().amax(0) > 0.01).nonzero()[:, 0]
    assert corners[0] - 2 < columns.min()
    assert columns.max() < corners[1] + 2
    assert len(columns) > 0.8 * (corners[1] - corners[0])


def test_the_line_of_lips_is_soft_in_a_blurred_portrait():
    person = sitter(0, size=SIZE, opening=0.7)
    closed_1E, pose = person.closed_E[None], person.reference.pose[None]
    soft = replace(person.reference, frame_3HW=blurred(person.reference.frame_3HW[None], TIMES)[0])
    deepest = []
    for reference in (person.reference, soft):
        mesh = MeshPortrait(reference, person.model)
        with_3HW = mesh.draw(closed_1E, pose)[0]
        darker_HW = (without_line(mesh).draw(closed_1E, pose)[0] - with_3HW).mean(0)
        deepest.append(float(darker_HW.max()))
    assert 0.02 < deepest[1] < 0.6 * deepest[0]


def test_the_line_of_lips_is_gone_where_they_are_apart_or_met_in_the_portrait():
    person = sitter(0, size=SIZE, opening=0.7)
    mesh = MeshPortrait(person.reference, person.model)
    pose = person.reference.pose[None]
    slightly_E = person.closed_E + 0.3 * person.opening_E
    frame_3HW = mesh.draw(slightly_E[None], pose)
    assert mesh.mouth._line is not None
    assert torch.equal(frame_3HW, without_line(mesh).draw(slightly_E[None], pose))
    meeting = sitter(0, size=SIZE)
    assert MeshPortrait(meeting.reference, meeting.model).mouth._line is None
