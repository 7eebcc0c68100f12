"""The commands beside `generate`."""

import pytest

from viseme_core.checkpoint import load_stage
from viseme_pipeline.cli import COMMANDS, main
from viseme_pipeline.default import default_folder


def test_the_overview_names_every_command(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)
    assert main(["film"]) == 2


def test_the_help_of_generate_names_its_options(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["generate", "--help"])
    shown = capsys.readouterr().out
    for name in (
        "--audio",
        "--image",
        "--video",
        "--preset",
        "--lip",
        "--global",
        "--jobs",
        "--landmarks",
    ):
        assert name in shown


def test_detect_tells_marked_films_from_others_by_its_exit_code(capsys, marks):
    assert main(["detect", "marked.mp4"]) == 0
    assert "found" in capsys.readouterr().out
    assert main(["detect", "plain.mp4"]) == 1


def test_ship_makes_a_folder_that_can_be_read(capsys, tmp_path):
    arguments = ["--motion", str(default_folder().parent / "fd2talk"), "--half"]
    assert main(["ship", str(tmp_path / "chain"), *arguments]) == 0
    assert "MB of weights" in capsys.readouterr().out
    assert load_stage(tmp_path / "chain", stage="motion").header.system == "fd2talk"


def test_ship_wants_motion_or_landmarks(capsys, tmp_path):
    assert main(["ship", str(tmp_path / "chain")]) == 2
    assert "one of --motion, --landmarks" in capsys.readouterr().err
    assert not (tmp_path / "chain").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--motion=m", "--autoencoder=a"], "--autoencoder is what TalkFormer draws through"),
        (["--landmarks=l", "--renderer=r", "--pose-from=p"], "--pose-from belongs to --motion"),
        (["--joint=j", "--hearing=h"], "--hearing belongs to --motion"),
        (["--joint=j", "--blink-rate=0.3"], "--blink-rate belongs to --motion"),
        (["--joint=j", "--renderer=r"], "--joint holds its own renderer"),
    ],
)
def test_ship_refuses_what_it_would_leave_out(capsys, tmp_path, given, words):
    # None of the stages is there: what does not fit is told first.
    assert main(["ship", str(tmp_path / "chain"), *given]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "chain").exists()
