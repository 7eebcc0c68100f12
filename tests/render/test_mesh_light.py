import pytest
import torch

from tests.face.portraits import SIZE, sitter
from viseme_face.coverage import Window, cover_outline
from viseme_face.layouts import AROUND_LIPS, LEFT_EYE, LIP_OUTER
from viseme_face.light import to_linear, to_srgb
from viseme_render.mesh.light import light_of, luminance, share_inside


def light_in(picture: torch.Tensor):
    return light_of(picture, SIZE * sitter(0).reference.landmarks.points_TKD[0, :, :2])


def test_half_the_light_gives_half_the_white():
    picture = (sitter(0).reference.frame_3HW + 1) / 2
    whole, half = light_in(picture), light_in(to_srgb(to_linear(picture) / 2))
    torch.testing.assert_close(half.white_3, whole.white_3 / 2, rtol=0.05, atol=0)


def test_a_grey_picture_gets_a_grey_mouth():
    picture = (sitter(0).reference.frame_3HW + 1) / 2
    grey = picture.mean(0, keepdim=True).expand(3, -1, -1)
    light = light_in(grey)
    color = light.on(torch.tensor([0.8, 0.2, 0.1]).view(1, 3, 1, 1))[0, :, 0, 0]
    assert float(color.max() - color.min()) < 1e-3
    colourful = light_in(picture).on(torch.tensor([0.8, 0.2, 0.1]).view(1, 3, 1, 1))
    assert float(colourful[0, 0] - colourful[0, 2]) > 0.1


def test_red_light_makes_a_red_white():
    picture = to_linear((sitter(0).reference.frame_3HW + 1) / 2)
    red = to_srgb(picture * torch.tensor([1.0, 0.6, 0.5])[:, None, None])
    white, plain = light_in(red).white_3, light_in(to_srgb(picture)).white_3
    assert float(white[0] / white[2]) > float(plain[0] / plain[2]) * 1.2


def test_brightness_is_that_of_rec_709():
    color = torch.tensor([0.3, 0.5, 0.9]).view(3, 1)
    torch.testing.assert_close(
        luminance(color, 0), torch.tensor([[0.2126 * 0.3 + 0.7152 * 0.5 + 0.0722 * 0.9]])
    )


@pytest.mark.parametrize("shift", [(0, 0), (-70, 10), (90, 120), (400, 0)])
def test_a_ring_covers_what_it_covers_when_the_whole_picture_is_looked_at(shift):
    points_K2 = SIZE * sitter(0).reference.landmarks.points_TKD[0, :, :2] + torch.tensor(shift)
    zero = torch.zeros(1, dtype=torch.long)
    whole = Window(zero, zero, SIZE, SIZE)
    for ring in (AROUND_LIPS, LIP_OUTER, LEFT_EYE):
        wanted = cover_outline(points_K2[None, list(ring)], whole).share_Thw[0]
        assert torch.equal(share_inside(points_K2, ring, SIZE), wanted)
