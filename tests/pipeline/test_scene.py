import numpy as np
import pytest
import torch

from viseme_pipeline.scene import film_size, fitted, to_bytes
from viseme_pipeline.wishes import Wishes


@pytest.mark.parametrize(
    ("shown", "film"),
    [
        ((640, 480), (640, 480)),
        ((641, 481), (640, 480)),
        ((7680, 4320), (1920, 1080)),
        ((1000, 3840), (500, 1920)),
    ],
)
def test_films_are_even_and_no_larger_than_asked_for(shown, film):
    assert film_size(shown[0], shown[1], Wishes()) == film


def test_a_picture_of_one_pixel_is_refused():
    with pytest.raises(ValueError, match=r"1 x 1 pixels is too small .* 32 x 32"):
        film_size(1, 1, Wishes())


def test_an_odd_row_is_cut_off_and_not_squeezed():
    picture = np.random.default_rng(0).integers(0, 256, (41, 33, 3), np.uint8)
    assert (fitted(picture, (32, 40)) == picture[:40, :32]).all()


def test_a_picture_is_averaged_down_not_sampled():
    checks = np.indices((80, 80)).sum(0) % 2 * 255
    picture = np.repeat(checks[..., None], 3, -1).astype(np.uint8)
    assert np.abs(fitted(picture, (40, 40)).astype(int) - 127).max() <= 1


def test_frames_are_rounded_to_the_nearest_byte():
    values = torch.tensor([-1.0, -0.996, 0.0, 0.999, 1.2])
    frames = values.expand(1, 3, 1, 5)
    assert to_bytes(frames)[0, 0, :, 0].tolist() == [0, 1, 128, 255, 255]
