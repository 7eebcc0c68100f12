from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.faces import voice_file
from viseme_data.frames import read_frames
from viseme_data.media import probe, read_audio
from viseme_pipeline.film import check_target, replaced, write_film
from viseme_pipeline.voice import open_voice


def test_picture_and_sound_are_written_in_step_and_in_full(tmp_path):
    voice = open_voice(voice_file(tmp_path / "v.flac", 1.1))
    chunks = np.full((28, 48, 64, 3), 90, np.uint8)
    counts = list(
        write_film(tmp_path / "f.mp4", iter([chunks[:7], chunks[7:]]), voice, (64, 48), crf=20)
    )
    assert counts == [7, 28]
    assert len(list(read_frames(tmp_path / "f.mp4"))) == 28 == voice.num_frames
    facts = probe(tmp_path / "f.mp4")
    assert (facts.width, facts.height, facts.fps) == (64, 48, 25)
    heard = read_audio(tmp_path / "f.mp4").samples_S.numpy()
    told = np.concatenate(list(voice.pieces()))
    # AAC has frames of 1024 samples.
    assert 0 <= len(heard) - len(told) <= 1024
    lags = [
        float(np.dot(heard[500 + lag : 15_500 + lag], told[500:15_500]))
        for lag in range(-400, 401, 16)
    ]
    assert np.argmax(lags) == 25  # no lag


def test_a_file_takes_its_name_only_if_all_went_well(tmp_path):
    target = tmp_path / "film.mp4"
    target.write_text("before")
    with suppress(RuntimeError), replaced(target) as draft:
        draft.write_text("half")
        raise RuntimeError
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]
    with replaced(target) as draft:
        draft.write_text("whole")
    assert target.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("film.avi", r"must end in \.mp4"),
        ("there/film.mp4", "no folder"),
        ("folder.mp4", "is a folder"),
        ("old.mp4", "there already.*--overwrite"),
    ],
)
def test_a_target_that_cannot_be_is_refused_at_once(tmp_path, name, message):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "old.mp4").touch()
    with pytest.raises(ValueError, match=message):
        check_target(tmp_path / name, overwrite=False)


def test_an_old_film_may_be_replaced_if_that_is_said(tmp_path):
    (tmp_path / "old.mp4").touch()
    assert check_target(tmp_path / "old.mp4", overwrite=True) == Path(tmp_path / "old.mp4")
