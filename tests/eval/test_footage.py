"""Videos of a study: what would give methods away is refused."""

import numpy as np
import pytest
import torch

from tests.eval.pairs import film, frames, voice
from viseme_data.media import probe
from viseme_eval.run.footage import film_trial, sounds_of_trial
from viseme_eval.run.study import StudyConfig, study


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed):
    torch.set_num_threads(1)


@pytest.fixture
def methods(tmp_path):
    pictures = [frame[:64, :64].copy() for frame in frames(8)]
    film(tmp_path / "one/a.mp4", pictures, sound=voice(8))
    film(tmp_path / "two/a.mp4", pictures[:6])
    return tmp_path


def config_of(path, **settings):
    methods = {name: str(path / name) for name in ("one", "two")}
    return StudyConfig(
        methods=methods, out=str(path / "page"), key=str(path / "key.json"), **settings
    )


def test_a_silent_video_beside_one_with_sound_is_refused_unless_sound_is_given(methods, tmp_path):
    with pytest.raises(ValueError, match=r"'a': '.*two/a\.mp4' has no sound .* --audio"):
        study(config_of(methods))
    # Nothing is left that a second try would stumble over.
    assert not (tmp_path / "page").exists()
    (tmp_path / "out").mkdir()
    paths = {"x": methods / "one/a.mp4", "y": methods / "two/a.mp4"}
    film_trial(paths, sounds_of_trial("a", paths, methods / "one/a.mp4"), tmp_path / "out")
    facts = [probe(tmp_path / f"out/{name}.mp4") for name in "xy"]
    assert [fact.audio_rate_hz for fact in facts] == [16_000, 16_000]
    assert facts[0].seconds == pytest.approx(facts[1].seconds)
    assert facts[0].seconds == pytest.approx(6 / 25, abs=0.03)


def test_videos_that_are_all_silent_are_shown_so(methods, tmp_path):
    (tmp_path / "out").mkdir()
    paths = {name: methods / "two/a.mp4" for name in "xy"}
    film_trial(paths, sounds_of_trial("a", paths, None), tmp_path / "out")
    assert probe(tmp_path / "out/x.mp4").audio_rate_hz == 0


def test_two_videos_of_one_name_are_refused_and_clips_that_one_lacks_are_counted(methods):
    picture = [np.zeros((64, 64, 3), np.uint8)]
    film(methods / "one/b.mp4", picture).rename(methods / "one/a.mov")
    with pytest.raises(ValueError, match=r"'one' has several videos 'a': a\.mov, a\.mp4; keep one"):
        study(config_of(methods))
    (methods / "one/a.mov").unlink()
    film(methods / "one/alone.mp4", picture)
    said = study(config_of(methods, audio=str(methods / "one")))
    assert "1 clips of 2 methods (1 that not all methods have are left out)" in said


def test_questions_must_differ(methods):
    with pytest.raises(ValueError, match="--questions must differ"):
        config_of(methods, questions=("a", "a"))
