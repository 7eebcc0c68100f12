import torch

from tests.face.portraits import SIZE, sitter
from viseme_face.layouts import LEFT_EYE, RIGHT_EYE
from viseme_render.mesh.light import share_inside
from viseme_render.mesh.portrait import MeshPortrait


def test_eyes_that_a_portrait_does_not_show_are_drawn_when_they_open():
    person = sitter(0, shut=True)
    pose = person.reference.pose[None]
    mesh = MeshPortrait(person.reference, person.model)
    frame = mesh.draw(person.closed_E[None], pose)[0]
    points_K2 = person.points(person.closed_E[None], pose)[0]
    for ring in (RIGHT_EYE, LEFT_EYE):
        eye = share_inside(points_K2, ring, SIZE) > 0.9
        inside = (frame + 1)[:, eye] / 2
        # White and iris: something bright without skin's red, and something dark.
        assert float((inside[0] - inside[2])[inside.mean(0) > 0.35].min()) < 0.12
        assert float(inside.mean(0).min()) < 0.3


def test_an_eye_that_looks_aside_moves_its_iris_and_not_its_lids():
    person = sitter(0)
    reference = person.reference
    mesh = MeshPortrait(reference, person.model)
    source_K2 = SIZE * reference.landmarks.points_TKD
    aside_K2 = source_K2.clone()
    aside_K2[:, 468:478, 0] += 2.0
    own, *_ = mesh.eyes.layers(source_K2)
    moved, *_ = mesh.eyes.layers(aside_K2)
    assert torch.equal(own.alpha_Thw, moved.alpha_Thw)
    # What was here is two pixels further right.
    shifted = own.color_T3hw[..., :-2]
    inside = (own.alpha_Thw[..., 2:] > 0.99) & (own.alpha_Thw[..., :-2] > 0.99)
    change = (moved.color_T3hw[..., 2:] - shifted).abs().amax(1)[inside]
    assert len(change) > 5
    assert float(change.max()) < 1e-4
