import pytest
import torch

from tests.face.portraits import SIZE, psnr, sitter, turned
from viseme_face import pose_vertices
from viseme_face.head_shape import LOWER_OVAL
from viseme_face.parts import read_builtin
from viseme_face.sheet.hidden import HiddenSkin
from viseme_face.sheet.topology import NUM_FACE, RIM
from viseme_render.mesh.light import share_inside
from viseme_render.mesh.portrait import MeshPortrait

FAR_CHEEK = (454, 323, 361)
"""Rim of the left side of the face, which a turn to the picture's right hides."""


def skin_of(person) -> HiddenSkin:
    reference = person.reference
    points_K3 = person.model.landmarks(reference.identity, reference.expression, "mp478")
    camera_V3 = pose_vertices(points_K3, reference.pose)[:NUM_FACE]
    return HiddenSkin(camera_V3, read_builtin().triangles_P3)


def test_the_far_cheek_of_a_turned_head_is_hidden_and_the_front_of_a_face_is_not():
    turned_away = skin_of(sitter(1, yaw=35))
    assert (turned_away.hidden_V[list(FAR_CHEEK)] == 1).all()
    assert (turned_away.hidden_V[[93, 132, 205, 425, 151, 9]] == 0).all()
    assert (skin_of(sitter(1)).hidden_V[[205, 425, 151, 9, 50, 280]] == 0).all()


def test_hidden_skin_is_taken_from_within_the_face():
    hidden = skin_of(sitter(1, yaw=35))
    source_V2 = torch.rand(NUM_FACE, 2)
    rim_R2 = torch.rand(len(RIM), 2)
    filled_V2 = hidden.filled(source_V2, rim_R2)
    shown = hidden.hidden_V == 0
    assert torch.equal(filled_V2[shown], source_V2[shown])
    rim = torch.tensor(RIM)
    gone = hidden.hidden_V[rim] > 0
    assert torch.equal(filled_V2[rim[gone]], rim_R2[gone])
    # Means of their neighbours lie within what these span.
    inner = hidden.hidden_V > 0
    inner[rim] = False
    assert inner.any()
    assert (filled_V2[inner] >= 0).all()
    assert (filled_V2[inner] <= 1).all()
    assert not torch.equal(filled_V2[inner], source_V2[inner])


def test_skin_comes_into_view_only_as_the_head_turns_back():
    person = sitter(1, yaw=35)
    hidden = skin_of(person)
    angles = torch.tensor([0.0, -0.3, 0.3])
    cos, sin, zero, one = angles.cos(), angles.sin(), 0 * angles, torch.ones(3)
    turn = torch.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos], -1).view(3, 3, 3)
    coming = hidden.coming(turn)[:, list(FAR_CHEEK)]
    assert (coming[0] == 0).all()
    assert (coming[1] == 1).all()
    assert (coming[2] == 0).all()


@pytest.mark.parametrize("yaw", [30, -30])
def test_a_turned_head_that_turns_back_shows_skin_where_it_showed_none(yaw):
    person = sitter(1, yaw=yaw)
    reference = person.reference
    expression, pose = reference.expression[None], turned(reference.pose, yaw=-0.5 * yaw)[None]
    mesh = MeshPortrait(reference, person.model)
    frame = mesh.draw(expression, pose)[0]
    true = person.truth(expression, pose)[0]
    points_K2 = person.points(expression, pose)[0]
    lower = share_inside(points_K2, (*LOWER_OVAL, 127, 162, 151, 389, 356), SIZE) > 0.99
    # Skin everywhere: redder than blue, as the true face is.
    warm = (frame[0] - frame[2])[lower]
    assert (
        float((warm < 0).float().mean())
        < float((true[0] - true[2] < 0)[lower].float().mean()) + 0.03
    )
    still = psnr(reference.frame_3HW[:, lower], true[:, lower])
    assert psnr(frame[:, lower], true[:, lower]) > still + 2


@pytest.mark.parametrize("yaw", [30, -30])
def test_a_turned_head_under_its_own_motion_stays_as_it_is(yaw):
    reference = sitter(1, yaw=yaw).reference
    mesh = MeshPortrait(reference, sitter(1).model)
    frame = mesh.draw(reference.expression[None], reference.pose[None])[0]
    points_K2 = SIZE * reference.landmarks.points_TKD[0]
    outside = share_inside(points_K2, (57, 164, 287, 18), SIZE) == 0
    assert psnr(frame[:, outside], reference.frame_3HW[:, outside]) > 35


def test_what_is_hidden_of_the_rim_fades_from_vertex_to_vertex():
    hidden = skin_of(sitter(1, yaw=35)).hidden_V[list(RIM)]
    assert float(hidden.max()) == 1
    assert float(hidden.min()) == 0
    assert float((hidden - hidden.roll(1)).abs().max()) <= 0.6 + 1e-6
