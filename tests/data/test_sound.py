import math

import numpy as np
import pytest

from tests.data.damage import cut_by_edit_list, patched
from tests.data.make_media import (
    Pictures,
    Sound,
    click,
    tone,
    write_media,
)
from viseme_data.sound import read_audio

RATE = 16_000


def clicks(path) -> list[float]:
    """When sound begins after silence, in seconds."""
    loud = (read_audio(path).samples_S.abs() > 0.3).nonzero()[:, 0].numpy()
    starts = loud[np.diff(loud, prepend=-RATE) > RATE // 100]
    return (starts / RATE).tolist()


@pytest.mark.parametrize("container", ["mov", "mkv", "mp4"])
@pytest.mark.parametrize(("video_start", "sound_start"), [(0, 0), (0, 0.5), (0.5, 0), (2.04, 2.5)])
def test_sound_stays_as_far_from_the_picture_as_the_file_says(
    tmp_path, video_start, sound_start, container
):
    codec, kind = ("aac", "fltp") if container == "mp4" else ("pcm_s16le", "s16")
    sound = Sound(samples=click(1.5, 1.0, RATE), start=sound_start, codec=codec, kind=kind)
    path = write_media(tmp_path / f"film.{container}", Pictures(start=video_start), sound)
    # AAC smears a click over some milliseconds.
    assert clicks(path)[:1] == pytest.approx([1.0 + sound_start - video_start], abs=4e-3)


def test_a_picture_that_an_edit_list_takes_away_takes_its_sound_along(tmp_path):
    sound = Sound(samples=click(2, 1.0, RATE))
    path = write_media(tmp_path / "film.mov", Pictures(number=100), sound)
    content = path.read_bytes()
    # The edit starts the video 0.4 s into its media, at time zero of the film: sound is not cut.
    patched(path, lambda content: cut_by_edit_list(content, 36_000))
    assert content != path.read_bytes()
    assert clicks(path) == pytest.approx([1.0], abs=1e-3)


def test_a_gap_is_silent_and_what_follows_is_in_time(tmp_path):
    sound = Sound(samples=click(1, 0.8, RATE) + click(1, 0.2, RATE), gaps={0.512: 0.3})
    path = write_media(tmp_path / "film.mkv", Pictures(), sound)
    assert clicks(path) == pytest.approx([0.2, 1.1], abs=1e-3)


def test_an_overlap_is_cut_and_what_follows_is_in_time(tmp_path):
    sound = Sound(samples=click(1, 0.8, RATE) + click(1, 0.2, RATE), gaps={0.512: -0.05})
    path = write_media(tmp_path / "film.mkv", Pictures(), sound)
    assert clicks(path) == pytest.approx([0.2, 0.75], abs=1e-3)


def test_timestamps_that_waver_do_not_tear_the_sound(tmp_path):
    whole = tone(2, RATE)
    gaps = {0.3: 0.02, 0.6: -0.02, 0.9: 0.03, 1.2: -0.03}
    path = write_media(tmp_path / "film.mkv", Pictures(), Sound(samples=whole, gaps=gaps))
    samples = read_audio(path).samples_S.numpy()
    np.testing.assert_allclose(samples, whole, atol=1e-4)


def test_sound_alone_begins_where_it_begins(tmp_path):
    path = write_media(tmp_path / "radio.mkv", Sound(samples=click(1, 0.2, RATE), start=7))
    assert clicks(path) == pytest.approx([0.2], abs=1e-3)


def test_a_cover_picture_is_no_first_picture(tmp_path):
    cover = Pictures(codec="mjpeg", pixels="yuvj420p", number=1, is_cover=True)
    sound = Sound(samples=click(1, 0.2, RATE), codec="libmp3lame", kind="fltp")
    path = write_media(tmp_path / "song.mp3", sound, cover)
    assert clicks(path)[:1] == pytest.approx([0.2], abs=4e-3)


@pytest.mark.parametrize(
    ("rate_hz", "codec", "kind", "noise"),
    [
        (8000, "pcm_u8", "u8", 0.01),
        (16_000, "pcm_s16le", "s16", 1e-4),
        (44_100, "pcm_s16le", "s16", 1e-3),
        (48_000, "pcm_s32le", "s32", 1e-3),
        (96_000, "pcm_f32le", "flt", 1e-3),
        (22_050, "flac", "s16", 1e-3),
    ],
)
def test_rate_and_sample_format_leave_level_and_time_alone(tmp_path, rate_hz, codec, kind, noise):
    sound = Sound(samples=tone(1, rate_hz), rate_hz=rate_hz, codec=codec, kind=kind)
    path = write_media(tmp_path / "tone.mka", sound)
    samples = read_audio(path).samples_S.numpy()
    # Where the sound begins and ends, a resampler rings.
    np.testing.assert_allclose(samples[800:-800], tone(1, RATE)[800:-800], atol=noise)


@pytest.mark.parametrize("kind", ["s16", "flt"])
@pytest.mark.parametrize(
    ("layout", "levels", "mixed"),
    [
        ("stereo", (1, 1), 1),
        ("stereo", (1, 0), 0.5),
        ("stereo", (1, -1), 0),
        ("5.1", (0, 0, 1, 0, 0, 0), 1 / (2 + math.sqrt(2))),
        ("5.1", (1, 1, 1, 0, 1, 1), 1),
        ("5.1", (0, 0, 0, 1, 0, 0), 0),
        ("quad", (1, 1, 1, 1), 1),
    ],
)
def test_channels_are_mixed_without_clipping(tmp_path, layout, levels, mixed, kind):
    samples = np.stack([level * tone(0.5, RATE) for level in levels])
    codec = {"s16": "pcm_s16le", "flt": "pcm_f32le"}[kind]
    path = write_media(
        tmp_path / "mix.wav", Sound(samples=samples, codec=codec, kind=kind, layout=layout)
    )
    np.testing.assert_allclose(read_audio(path).samples_S, mixed * tone(0.5, RATE), atol=2e-4)


def test_what_is_beyond_full_scale_is_cut_to_it(tmp_path):
    loud = tone(0.5, RATE, level=1.5)
    path = write_media(tmp_path / "loud.wav", Sound(samples=loud, codec="pcm_f32le", kind="flt"))
    np.testing.assert_allclose(read_audio(path).samples_S, loud.clip(-1, 1), atol=1e-6)
