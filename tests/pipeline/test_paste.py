import numpy as np
import pytest

from viseme_core.types import CropBox
from viseme_data.crop import warp
from viseme_pipeline.paste import Paster


def smooth_picture(width: int = 120, height: int = 90) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 17 + k) + np.cos(y / 13 - k) for k in range(3)]
    return np.stack([(127 + 55 * wave).round() for wave in waves], -1).astype(np.uint8)


@pytest.mark.parametrize("crop_px", [64, 100, 200])
def test_a_picture_gets_its_own_crop_back_without_a_trace(crop_px):
    picture, box = smooth_picture(), CropBox(cx=61.3, cy=44.8, side=70.6)
    pasted = Paster(box, (120, 90), crop_px)(picture, warp(picture, box, crop_px))
    # Both ways interpolate between pixels of 8 bits.
    assert np.abs(pasted.astype(int) - picture).max() <= 2


def test_a_crop_covers_its_middle_and_nothing_beyond_its_box():
    picture, box = np.zeros((90, 120, 3), np.uint8), CropBox(cx=60, cy=45, side=50)
    pasted = Paster(box, (120, 90), 64)(picture, np.full((64, 64, 3), 200, np.uint8))
    assert (pasted[28:62, 43:77] == 200).all()
    outside = np.ones((90, 120), bool)
    outside[20:70, 35:85] = False
    assert not pasted[outside].any()


def test_the_seam_rises_without_a_step():
    picture, box = np.zeros((200, 200, 3), np.uint8), CropBox(cx=100, cy=100, side=150)
    row = Paster(box, (200, 200), 150)(picture, np.full((150, 150, 3), 240, np.uint8))[100, :, 0]
    steps = np.diff(row[:100].astype(int))
    assert steps.min() >= 0
    assert row[26] < 40
    assert row[36] == 240
    # A seam of nine pixels by smoothstep is never steeper than 1.5 / 9.
    assert steps.max() <= 240 * 1.5 / 9 + 3


def test_no_seam_is_left_along_the_edge_of_the_picture():
    picture, box = np.zeros((90, 120, 3), np.uint8), CropBox(cx=30, cy=45, side=120)
    pasted = Paster(box, (120, 90), 128)(picture, np.full((128, 128, 3), 200, np.uint8))
    assert (pasted[:, 0] == 200).all()
    assert (pasted[0, :70] == 200).all()
    assert not pasted[:, 91:].any()


def test_the_picture_itself_stays_as_it_is():
    picture = smooth_picture()
    before = picture.copy()
    Paster(CropBox(cx=60, cy=45, side=50), (120, 90), 64)(picture, np.zeros((64, 64, 3), np.uint8))
    assert (picture == before).all()
