import pytest
import torch

from viseme_render.talkformer.framing import framed, framed_points, window_side


def test_a_crop_that_is_not_zoomed_and_of_the_right_size_stays_as_it_is():
    pictures = torch.rand(2, 3, 32, 32)
    assert torch.equal(framed(pictures, 32, 1.0), pictures)


@pytest.mark.parametrize(("side", "zoom"), [(256, 1.6), (250, 1.6), (101, 1.3), (64, 1.0)])
def test_as_many_pixels_are_left_out_at_either_end(side, zoom):
    inside = window_side(side, zoom)
    assert (side - inside) % 2 == 0
    assert side / zoom <= inside < side / zoom + 2
    pictures = torch.arange(side).float().expand(1, 3, side, side)
    found = framed(pictures, inside, zoom)
    margin = (side - inside) // 2
    assert torch.equal(found[0, 0, 0], torch.arange(margin, side - margin).float())


def test_landmarks_stay_on_what_they_mark():
    side, zoom, size = 250, 1.6, 64
    picture = torch.full((1, 3, side, side), -1.0)
    picture[..., 150:154, 90:94] = 1
    point = torch.tensor([[92 / side, 152 / side]])
    found = framed(picture, size, zoom)[0, 0]
    weight = found + 1
    at = (torch.arange(size) + 0.5) / size
    seen = torch.stack([(weight.sum(0) * at).sum(), (weight.sum(1) * at).sum()]) / weight.sum()
    # Smoothing to another size blurs the mark over a pixel or two.
    torch.testing.assert_close(framed_points(point, side, zoom)[0], seen, atol=2e-3, rtol=0)


def test_crops_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match="must be square, got 20 x 30"):
        framed(torch.zeros(1, 3, 20, 30), 16, 1.0)


def test_leading_dimensions_are_kept():
    pictures = torch.rand(2, 3, 3, 40, 40)
    found = framed(pictures, 16, 1.25)
    assert found.shape == (2, 3, 3, 16, 16)
    torch.testing.assert_close(found[1, 2], framed(pictures[1, 2], 16, 1.25))
