"""The commands of the stage: what they teach and how they refuse."""

import pytest

from tests.landmarks.runs import run
from viseme_landmarks.cli import main

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


def test_help_says_what_the_settings_mean(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["fit", "--help"])
    assert not stopped.value.code
    text = " ".join(capsys.readouterr().out.split())
    assert "1 is the ablation w/o B-Sequential" in text
    assert "Whole faces from elsewhere in the clip, N" in text


def test_help_of_the_import_says_what_it_wants(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["import", "--help"])
    assert not stopped.value.code
    assert "landmark generator that IP_LAP's authors publish" in capsys.readouterr().out


def test_an_unknown_setting_is_refused_by_name(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run("fit", tmp_path, tmp_path / "run", "--model.config.nmu_frames", "5")
    assert stopped.value.code == 2
    assert "nmu_frames" in capsys.readouterr().err


def test_a_setting_that_cannot_be_is_one_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run("fit", tmp_path, tmp_path / "run", "--model.config.num_frames", "0")
    assert stopped.value.code == 2
    assert "num_frames must be at least 1, got 0" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["fit", "test"])
def test_missing_data_are_one_sentence(verb, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(verb, tmp_path / "nowhere", tmp_path / "run")
    assert stopped.value.code == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1


def test_weights_of_another_width_are_refused(speakers, tmp_path, capsys):
    run("fit", speakers, tmp_path / "run", "--trainer.max_steps", "1")
    given = ["--init_from", str(tmp_path / "run"), "--model.config.dim", "32"]
    with pytest.raises(SystemExit) as stopped:
        run("fit", speakers, tmp_path / "other", *given)
    assert stopped.value.code == 2
    assert "(16,) for (32,)" in capsys.readouterr().err
