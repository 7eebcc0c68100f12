import numpy as np
import pytest

from tests.data.make_media import Pictures, Sound, click, tone, write_media
from viseme_data.film_sound import FILM_RATE_HZ, stream_film_sound, to_film_rate
from viseme_data.sound import read_audio


def heard(path) -> np.ndarray:
    return np.concatenate(list(stream_film_sound(path)), 1)


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_any_rate_becomes_the_films_and_lasts_as_long(tmp_path, rate_hz):
    path = write_media(tmp_path / "t.wav", Sound(samples=tone(1.3, rate_hz), rate_hz=rate_hz))
    samples_CS = heard(path)
    assert samples_CS.shape == (1, pytest.approx(1.3 * FILM_RATE_HZ, abs=3))
    # Where the sound begins and ends, a resampler rings.
    inside = slice(3000, 59_000)
    wanted_S = tone(1.3, FILM_RATE_HZ)
    np.testing.assert_allclose(samples_CS[0, inside], wanted_S[inside], atol=2e-3)


def test_what_lies_beyond_the_models_hearing_is_kept(tmp_path):
    high_S = 0.5 * np.sin(2 * np.pi * 12_000 * np.arange(44_100) / 44_100)
    path = write_media(tmp_path / "t.wav", Sound(samples=high_S, rate_hz=44_100))
    assert np.abs(heard(path)[:, 4000:40_000]).max() > 0.45
    assert read_audio(path).samples_S[2000:14_000].abs().max() < 0.01


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
def test_left_stays_left_and_right_stays_right(tmp_path, rate_hz):
    pair_2S = np.stack([tone(0.5, rate_hz), 0.3 * tone(0.5, rate_hz)])
    sound = Sound(samples=pair_2S, rate_hz=rate_hz, layout="stereo")
    left_S, right_S = heard(write_media(tmp_path / "t.wav", sound))[:, 3000:-3000]
    np.testing.assert_allclose(right_S, 0.3 * left_S, atol=1e-3)
    assert np.abs(left_S).max() > 0.2


@pytest.mark.parametrize(
    ("levels", "sides"),
    [
        ((1, 0, 0, 0, 0, 0), (1, 0)),
        ((0, 1, 0, 0, 0, 0), (0, 1)),
        ((0, 0, 1, 0, 0, 0), (0.5**0.5, 0.5**0.5)),
        ((0, 0, 0, 1, 0, 0), (0, 0)),
        ((0, 0, 0, 0, 0, 1), (0, 0.5**0.5)),
    ],
)
def test_surround_is_heard_on_the_sides_that_it_comes_from(tmp_path, levels, sides):
    rate_hz = FILM_RATE_HZ
    samples_CS = np.stack([level * tone(0.2, rate_hz) for level in levels])
    sound = Sound(samples=samples_CS, rate_hz=rate_hz, layout="5.1")
    # A side hears its front speaker, the centre and the one behind it: weights 1, 0.7, 0.7.
    wanted_2S = np.outer(sides, tone(0.2, rate_hz)) / (1 + 2 * 0.5**0.5)
    np.testing.assert_allclose(heard(write_media(tmp_path / "t.wav", sound)), wanted_2S, atol=2e-4)


def test_it_is_placed_in_time_as_the_model_hears_it(tmp_path):
    sound = Sound(samples=click(1.5, 1.0, 16_000), start=0.5)
    path = write_media(tmp_path / "film.mkv", Pictures(), sound)
    loud = np.nonzero(np.abs(heard(path)[0]) > 0.3)[0][0] / FILM_RATE_HZ
    assert loud == pytest.approx(1.5, abs=1e-3)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_how_the_sound_is_cut_into_pieces_changes_nothing(rate_hz):
    whole_1S = tone(1, rate_hz)[None].astype(np.float32)
    one, many = (
        np.concatenate(list(to_film_rate(np.split(whole_1S, cuts, axis=1), rate_hz)), 1)
        for cuts in ([], [1, 1, 777, 5000])
    )
    assert one.shape == many.shape
    np.testing.assert_allclose(one, many, atol=1e-6)
