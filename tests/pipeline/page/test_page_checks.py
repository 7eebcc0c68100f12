import numpy as np
import pytest
from PIL import Image

from tests.pipeline.faces import portrait_file, voice_file
from viseme_data.write import VideoWriter
from viseme_pipeline.page.checks import check_number, check_picture, check_voice, sentence
from viseme_pipeline.page.config import ServeConfig

CONFIG = ServeConfig(max_seconds=2, max_upload_mb=1)


def test_pictures_are_known_by_what_is_in_them_not_by_their_names(tmp_path):
    mislabelled = portrait_file(tmp_path / "p.png").rename(tmp_path / "notes.txt")
    assert check_picture(str(mislabelled), CONFIG) == mislabelled
    pretender = tmp_path / "face.png"
    pretender.write_text("I am a picture")
    with pytest.raises(ValueError, match="no picture"):
        check_picture(str(pretender), CONFIG)


def test_voices_are_known_by_what_is_in_them_not_by_their_names(tmp_path):
    mislabelled = voice_file(tmp_path / "v.flac", 0.5).rename(tmp_path / "notes.txt")
    assert check_voice(str(mislabelled), CONFIG) == mislabelled
    pretender = tmp_path / "voice.wav"
    pretender.write_text("la la la")
    with pytest.raises(ValueError, match="no media file"):
        check_voice(str(pretender), CONFIG)


def test_a_voice_may_be_as_long_as_the_limit_and_no_longer(tmp_path):
    check_voice(str(voice_file(tmp_path / "just.flac", 2.0)), CONFIG)
    with pytest.raises(ValueError, match="longer than the 2 seconds"):
        check_voice(str(voice_file(tmp_path / "long.flac", 2.01)), CONFIG)


def test_a_long_voice_is_decoded_no_further_than_to_its_limit(tmp_path, monkeypatch):
    decoded = []

    def endless(path):
        while True:
            decoded.append(1)
            yield np.zeros(16_000, np.float32)

    monkeypatch.setattr("viseme_pipeline.page.checks.stream_audio", endless)
    with pytest.raises(ValueError, match="longer"):
        check_voice(str(voice_file(tmp_path / "v.flac")), CONFIG)
    assert len(decoded) == 3


def test_a_film_without_sound_is_no_voice(tmp_path):
    with VideoWriter(tmp_path / "mute.mp4", (64, 64)) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="no audio"):
        check_voice(str(tmp_path / "mute.mp4"), CONFIG)


@pytest.mark.parametrize("check", [check_picture, check_voice])
def test_files_beyond_the_limit_are_refused_before_they_are_opened(tmp_path, check):
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(1_000_001))
    with pytest.raises(ValueError, match=r"1\.0 MB; this page takes 1 MB"):
        check(str(large), CONFIG)


def test_what_is_missing_is_said():
    with pytest.raises(ValueError, match="no face yet"):
        check_picture(None, CONFIG)
    with pytest.raises(ValueError, match="no voice yet"):
        check_voice("", CONFIG)


@pytest.mark.parametrize("value", [-0.1, 2.1, float("nan"), "1", None])
def test_numbers_beyond_their_bounds_are_refused(value):
    with pytest.raises(ValueError, match="Lips must be a number from 0 to 2"):
        check_number(value, "Lips", 0, 2)


def test_sentences_for_the_page_do_not_tell_where_files_lie(tmp_path):
    Image.fromarray(np.zeros((64, 64), np.float32)).save(tmp_path / "my face.tiff")
    with pytest.raises(ValueError, match="32 bits") as caught:
        check_picture(str(tmp_path / "my face.tiff"), CONFIG)
    said = sentence(caught.value)
    assert said.startswith("'my face.tiff' has pixels of 32 bits")
    assert str(tmp_path) not in said
    assert said.endswith(".")
    assert "\n" not in sentence(ValueError("one\ntwo"))
