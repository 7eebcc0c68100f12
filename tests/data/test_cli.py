"""The command line: every setting has help, and errors are one sentence."""

import subprocess
import sys
from dataclasses import dataclass, fields

import pytest

from tests.data.corpora import film
from viseme_data import cli
from viseme_data.manifest import read_manifest
from viseme_data.prepare.config import PrepareConfig


def test_help_names_every_command(capsys):
    assert cli.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in cli.COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["prepar"], ["--version"]])
def test_a_misspelt_command_shows_the_others(capsys, arguments):
    assert cli.main(arguments) == 2
    assert "prepare" in capsys.readouterr().err


def test_every_setting_of_prepare_has_its_help(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["prepare", "--help"])
    assert ended.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    for field in fields(PrepareConfig):
        assert f"--{field.name}" in printed
    assert "--workers" in printed
    assert "--out" in printed
    # The docstrings under fields, of nested configs too.
    assert "Side of the crop in pixels." in printed
    assert "Frames of the clip." in printed


def test_prepare_runs_from_the_command_line(tmp_path, capsys):
    film(tmp_path / "a.mp4", number=26)
    out = tmp_path / "out"
    given = ["prepare", str(tmp_path / "a.mp4"), "--out", str(out), "--workers", "0"]
    given += ["--quality.min_frames", "20", "--split_shares", "[1, 0, 0]", "--face", "0"]
    assert cli.main(given) == 0
    assert "1 clips" in capsys.readouterr().out
    assert [(row.num_frames, row.split) for row in read_manifest(out)] == [(26, "train")]
    # A bare switch is on.
    assert cli.main([*given[:6], "--need_audio", "--overwrite"]) == 0
    assert cli.main(given[:6]) == 1
    error = capsys.readouterr().err
    assert "settings.need_audio was True and now is False" in error
    assert "Traceback" not in error


def test_a_wrong_value_is_named(capsys):
    with pytest.raises(SystemExit):
        cli.main(["prepare", "videos", "--out", "x", "--size", "300"])
    assert "size" in capsys.readouterr().err
    assert cli.main(["prepare", "no such folder", "--out", "x"]) == 1
    assert "there is no folder 'no such folder'" in capsys.readouterr().err


def test_a_disk_that_takes_nothing_is_one_sentence(tmp_path, capsys):
    film(tmp_path / "a.mp4", number=26)
    assert cli.main(["prepare", str(tmp_path), "--out", "/proc/prepared"]) == 1
    error = capsys.readouterr().err.splitlines()
    assert "/proc/prepared" in error[-1]
    assert "Traceback" not in error


@dataclass(frozen=True, kw_only=True)
class _Config:
    folder: str
    """What to read."""
    out: str
    """Where to."""
    size: int = 3
    """How much."""
    is_loud: bool = False
    """How."""


def _configured(config: _Config) -> str:
    """Return what was given."""
    return str(config)


def test_a_command_may_be_a_config_alone(monkeypatch, capsys):
    monkeypatch.setitem(cli.COMMANDS, "pack", cli._Command(__name__, "_configured", ""))
    assert cli.main(["pack", "here", "--out", "there", "--is_loud"]) == 0
    expected = _Config(folder="here", out="there", is_loud=True)
    assert capsys.readouterr().out.strip() == str(expected)


def test_the_package_can_be_run():
    run = subprocess.run(
        [sys.executable, "-m", "viseme_data", "--help"], capture_output=True, text=True, check=True
    )
    assert "viseme-data COMMAND" in run.stdout


def test_a_missing_extra_is_one_sentence(monkeypatch, capsys):
    # As if litdata and all that stands behind an extra were not there.
    monkeypatch.setattr(cli, "import_module", _without_extra)
    assert cli.main(["prepare", "videos", "--out", "x"]) == 1
    assert capsys.readouterr().err == "viseme-data prepare: install it with `pip install it`\n"


def _without_extra(_: str) -> None:
    raise ImportError("install it with `pip install it`")
