"""The grid of ablations: what is run, in which order, and what is not run again."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from viseme_core import chores
from viseme_pipeline.fit import cli, reproduce
from viseme_pipeline.fit.ablations import ROWS, switches_of
from viseme_pipeline.fit.reproduce import Reproduction


class Runner:
    """Stands in for `subprocess.run`: keeps commands and leaves the files that they would."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.fails_at: int | None = None

    def __call__(self, command: list[str], *, stdout: Any, **_: Any) -> SimpleNamespace:
        self.commands.append(command[2:])
        if len(self.commands) == self.fails_at:
            return SimpleNamespace(returncode=3)
        folder = Path(value(command, "--run_dir"))
        folder.mkdir(parents=True, exist_ok=True)
        if command[3] == "fit":
            (folder / "render.safetensors").touch()
        else:
            score = {"test/psnr_lower": 20.0 + len(self.commands), "test/lips_missed": 0.1}
            (folder / "test.json").write_text(json.dumps(score))
        return SimpleNamespace(returncode=0)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Runner:
    stand_in = Runner()
    monkeypatch.setattr(chores.subprocess, "run", stand_in)
    return stand_in


def value(command: list[str], option: str) -> str:
    return next(a.partition("=")[2] for a in command if a.startswith(option + "="))


def test_every_row_is_trained_by_its_switches_and_tested_before_the_next(runner, tmp_path):
    Reproduction(tmp_path, "tiny", extra=("--trainer.max_steps=7",)).run()
    assert [c[1] for c in runner.commands] == ["fit", "test"] * len(ROWS)
    for row, fitted, tested in zip(ROWS, runner.commands[::2], runner.commands[1::2], strict=True):
        assert fitted[0] == tested[0] == "viseme_pipeline.fit"
        for switch in switches_of(row):
            assert switch in fitted
            assert switch in tested
        folder = value(fitted, "--run_dir")
        assert value(tested, "--landmarks_from") == value(tested, "--render_from") == folder
        assert value(fitted, "--config") == value(tested, "--config")
        assert Path(value(fitted, "--config")).is_file()
        assert value(fitted, "--data.config.batch_size") == str(row.windows)
        # What is asked for besides wins over what a scale says.
        assert [a for a in fitted if "max_steps" in a][-1] == "--trainer.max_steps=7"
    corpora = {value(c, "--data.config.synthetic_path") for c in runner.commands}
    assert corpora == {str(tmp_path / "corpus")}


def test_seeds_are_runs_of_their_own_after_all_rows_of_the_one_before(runner, tmp_path):
    Reproduction(tmp_path, "repro", seeds=2).run()
    fits = [c for c in runner.commands if c[1] == "fit"]
    assert [value(c, "--seed_everything") for c in fits] == ["0"] * len(ROWS) + ["1"] * len(ROWS)
    assert len({value(c, "--run_dir") for c in fits}) == 2 * len(ROWS)


def test_a_broken_run_goes_on_where_it_was_and_a_whole_one_does_nothing_again(runner, tmp_path):
    runner.fails_at = 6
    with pytest.raises(ValueError, match=r"tiny_w-o-r-align_0 stopped with exit code 3; see '"):
        Reproduction(tmp_path, "tiny").run()
    # What was done until then stands in the table already.
    assert "| w/o M-Align | 1 of 1 |" in (tmp_path / "table.md").read_text()
    assert "| w/o R-Align | 0 of 1 |" in (tmp_path / "table.md").read_text()
    runner.fails_at = None
    before = len(runner.commands)
    table = Reproduction(tmp_path, "tiny").run()
    # It was trained; only its test is done again.
    assert [c[1] for c in runner.commands[before : before + 2]] == ["test", "fit"]
    after = len(runner.commands)
    assert Reproduction(tmp_path, "tiny").run().read_text() == table.read_text()
    assert len(runner.commands) == after


def test_rows_of_one_scale_are_not_those_of_another(runner, tmp_path):
    Reproduction(tmp_path, "tiny").run()
    before = len(runner.commands)
    Reproduction(tmp_path, "repro").run()
    assert len(runner.commands) == 2 * before


def test_given_clips_take_the_place_of_synthetic_speakers(runner, tmp_path):
    Reproduction(tmp_path, "tiny", data=Path("clips")).run()
    assert {value(c, "--data.config.path") for c in runner.commands} == {"clips"}
    assert not any("synthetic_path" in a for c in runner.commands for a in c)


def test_the_command_prints_the_table(runner, tmp_path, capsys):
    assert cli.main(["reproduce", "--out", str(tmp_path), "--scale", "tiny"]) == 0
    said = capsys.readouterr().out
    assert "| III | w/o End2End | 1 of 1 |" in said
    assert "nothing in it is learned" in said


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"scale": "huge"}, "scale must be one of"), ({"seeds": 0}, "seeds must be at least 1")],
)
def test_settings_that_make_no_sense_are_refused(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        Reproduction(tmp_path, **settings).run()


def test_where_there_are_no_configs_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "CONFIGS", tmp_path / "absent")
    with pytest.raises(ValueError, match="installed without its sources"):
        Reproduction(tmp_path).run()
