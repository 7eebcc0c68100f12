import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tests.pipeline.marks.films import draw_film, draw_noise, read_film, write_film
from viseme_data.media import MediaError
from viseme_pipeline.marks import Watermark, detect, detect_frames
from viseme_pipeline.marks.detection import (
    LOG10_ALARM,
    judge,
    log10_tail,
    squared_cosines,
    vectors,
)
from viseme_pipeline.marks.listening import listen
from viseme_pipeline.marks.pattern import NUM_WAVES
from viseme_pipeline.marks.views import VIEWS

WHOLE = VIEWS[0]


@pytest.fixture(scope="module")
def film() -> np.ndarray:
    return draw_film(57)


@pytest.fixture(scope="module")
def marked(film: np.ndarray) -> np.ndarray:
    return Watermark().embed(film, 0)


def test_the_tail_is_that_of_the_beta_distribution() -> None:
    for rho2 in (0.0, 0.01, 0.05, 0.3):
        expected = math.log10(stats.beta.sf(rho2, 1, NUM_WAVES - 1))
        assert log10_tail(rho2) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("kind", ["noise", "film"])
def test_p_values_over_keys_are_uniform_whatever_the_film(kind: str, film: np.ndarray) -> None:
    frames = draw_noise(50, 96, seed=3) if kind == "noise" else film[:50]
    heard = vectors(list(listen(frames)), WHOLE)
    keys = [f"other {number}".encode() for number in range(2000)]
    p_values = [10 ** log10_tail(squared_cosines(heard, key)[0]) for key in keys]
    # At the level 1e-4: the keys are fixed, so this cannot fail by chance later.
    assert stats.kstest(p_values, "uniform").pvalue > 1e-4


def test_p_values_over_films_are_uniform_for_the_key_that_is_used() -> None:
    p_values = []
    for seed in range(24):
        heard = vectors(list(listen(draw_noise(50, 64, seed))), WHOLE)
        p_values.append(10 ** log10_tail(squared_cosines(heard)[0]))
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3


def test_the_bound_over_all_questions_is_kept_over_keys(film: np.ndarray) -> None:
    windows = list(listen(film[:50]))
    bounds = [judge(windows, key=f"bound {number}".encode()).p_value for number in range(30)]
    assert np.mean(np.array(bounds) < 0.1) < 0.1 + 3 * np.sqrt(0.1 * 0.9 / 30)
    assert min(bounds) > 1e-3


def test_an_unmarked_film_is_not_found(film: np.ndarray) -> None:
    seen = detect_frames(film)
    assert not seen.found
    assert seen.seconds == ()
    assert seen.describe().startswith("no viseme watermark found (chance")


def test_the_mark_is_found_and_by_its_own_key_only(marked: np.ndarray) -> None:
    seen = detect_frames(marked)
    assert seen.found
    assert seen.log10_p < -50
    assert seen.view == "whole"
    assert seen.p_value == pytest.approx(10**seen.log10_p)
    assert not detect_frames(marked, key=b"another").found


def test_a_picture_that_stands_quite_still_is_found(film: np.ndarray) -> None:
    still = np.repeat(film[:1], 50, axis=0)
    assert detect_frames(Watermark().embed(still, 0)).log10_p < -50
    assert not detect_frames(still).found


def test_a_film_cut_at_its_start_is_found(marked: np.ndarray) -> None:
    for trim in (1, 3, 6):
        assert detect_frames(marked[trim:]).log10_p < -50


def test_a_mirrored_film_is_found(marked: np.ndarray) -> None:
    seen = detect_frames(marked[:, :, ::-1])
    assert seen.found
    assert seen.view == "mirrored"


def test_a_part_of_the_picture_is_found(marked: np.ndarray) -> None:
    seen = detect_frames(marked[:, 10:230, 20:240])
    assert seen.found
    assert seen.view.startswith("part of")


@pytest.mark.parametrize(("crf", "scale"), [(23, 1.0), (28, 0.5)])
def test_the_mark_survives_encoding_twice_and_scaling(
    marked: np.ndarray, tmp_path: Path, crf: float, scale: float
) -> None:
    written = write_film(tmp_path / "out.mp4", marked[:50])
    again = write_film(tmp_path / "again.mp4", read_film(written), crf=crf, scale=scale)
    seen = detect(again)
    assert seen.found
    assert seen.num_frames == 50


def test_an_encoded_film_without_the_mark_is_not_found(film: np.ndarray, tmp_path: Path) -> None:
    again = write_film(tmp_path / "again.mp4", film, crf=28, scale=0.5)
    assert detect(again).log10_p > LOG10_ALARM / 2


def test_the_seconds_named_are_those_that_are_marked() -> None:
    film = draw_film(200)
    film[50:150] = Watermark().embed(film[50:150], 50)
    seen = detect_frames(film)
    assert seen.seconds == ((2.0, 6.0),)
    assert "2.0 to 6.0 s" in seen.describe()


def test_a_film_too_short_to_tell_says_so(marked: np.ndarray) -> None:
    seen = detect_frames(marked[:20])
    assert not seen.found
    assert seen.p_value == 1
    assert seen.describe() == "too short to tell: 20 frames, at least 25 are needed"


def test_what_is_no_video_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "words.mp4").write_text("words")
    with pytest.raises(MediaError, match="no media file"):
        detect(tmp_path / "words.mp4")
