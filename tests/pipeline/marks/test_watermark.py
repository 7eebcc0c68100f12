import re
import time

import cv2
import numpy as np
import pytest

from tests.pipeline.marks.films import draw_film
from viseme_pipeline.marks import Watermark
from viseme_pipeline.marks.pattern import PERIOD


@pytest.fixture(scope="module")
def film() -> np.ndarray:
    return draw_film(30)


def test_chunking_does_not_change_the_film(film: np.ndarray) -> None:
    whole = Watermark().embed(film, 0)
    mark = Watermark()
    parts = [mark.embed(film[start : start + 7], start) for start in range(0, len(film), 7)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_the_frames_given_are_left_as_they_were(film: np.ndarray) -> None:
    before = film.copy()
    marked = Watermark().embed(film, 0)
    np.testing.assert_array_equal(film, before)
    assert (marked != film).any()


def test_the_cost_is_at_most_what_42_decibels_allow(film: np.ndarray) -> None:
    error = np.mean((Watermark().embed(film, 0).astype(float) - film) ** 2)
    assert 10 * np.log10(255**2 / error) > 42


def test_colours_move_together(film: np.ndarray) -> None:
    middle = np.clip(film, 40, 215)
    change = Watermark().embed(middle, 0).astype(int) - middle
    np.testing.assert_array_equal(change[..., 0], change[..., 2])
    np.testing.assert_array_equal(change[..., 0], change[..., 1])


def test_black_and_white_do_not_wrap_around() -> None:
    for level in (0, 255):
        flat = np.full((PERIOD, 64, 64, 3), level, np.uint8)
        assert np.abs(Watermark().embed(flat, 0).astype(int) - level).max() <= 8


def test_texture_carries_more_than_a_plain_wall() -> None:
    plain = np.full((1, 256, 256, 3), 120, np.uint8)
    noise = np.random.default_rng(0).integers(-60, 60, (16, 16, 1))
    rough = plain + cv2.resize(noise.astype(np.float32), (256, 256))[None, ..., None]
    changes = [
        np.std(Watermark().embed(frames, 0).astype(float) - frames)
        for frames in (plain, rough.astype(np.uint8))
    ]
    assert changes[1] > 1.3 * changes[0]


@pytest.mark.parametrize("size", [(64, 64), (101, 64), (1280, 720), (720, 1281)])
def test_any_size_carries_the_same_pattern(size: tuple[int, int]) -> None:
    width, height = size
    grey = np.full((1, height, width, 3), 128, np.uint8)
    mark = Watermark()
    change = mark.embed(grey, 3)[0, ..., 0].astype(np.float32) - 128
    small = (
        cv2.resize(
            mark.embed(np.full((1, 512, 512, 3), 128, np.uint8), 3)[0, ..., 0],
            (32, 32),
            interpolation=cv2.INTER_AREA,
        ).astype(np.float32)
        - 128
    )
    seen = cv2.resize(change, (32, 32), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(seen.ravel(), small.ravel())[0, 1] > 0.85


@pytest.mark.slow
def test_a_frame_of_256_pixels_costs_less_than_a_millisecond_and_a_half() -> None:
    film = draw_film(40)
    mark = Watermark()
    mark.embed(film, 0)
    costs = []
    for _ in range(5):
        begin = time.process_time()
        mark.embed(film, 0)
        costs.append((time.process_time() - begin) / len(film))
    assert min(costs) < 1.5e-3


@pytest.mark.parametrize(
    ("frames", "start", "sentence"),
    [
        (np.zeros((2, 64, 64, 3), np.float32), 0, "expects uint8 frames of shape (T, H, W, 3)"),
        (np.zeros((64, 64, 3), np.uint8), 0, "got uint8 of shape (64, 64, 3)"),
        (np.zeros((1, 16, 64, 3), np.uint8), 0, "at least 32 x 32, got 64 x 16"),
        (np.zeros((1, 64, 64, 3), np.uint8), -1, "counts frames from 0, got -1"),
    ],
)
def test_what_is_no_frame_is_refused(frames: np.ndarray, start: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Watermark().embed(frames, start)
