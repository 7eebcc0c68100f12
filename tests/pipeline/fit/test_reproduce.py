"""The grid of ablations: what is run, in which order, and what is not run again."""

import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import yaml

from tests.pipeline.test_joint_configs import Parsers
from viseme_core import chores
from viseme_data import cli as data_cli
from viseme_landmarks.datamodule import LandmarkDataModule
from viseme_landmarks.module import LandmarksModule
from viseme_pipeline.fit import cli, reproduce
from viseme_pipeline.fit.ablations import ROWS, switches_of
from viseme_pipeline.fit.reproduce import CONFIGS, Reproduction, Scale


class Runner:
    """Stands in for `subprocess.run`: keeps commands and leaves the files that they would."""

    def __init__(self) -> None:
        self.all: list[list[str]] = []
        self.threads: set[str | None] = set()
        self.seconds = 0.0
        self.busy = 0
        self.at_once: dict[str, int] = {}
        self.fails_at: int | None = None

    def __call__(
        self, command: list[str], *, env: dict[str, str], stdout: Any, **_: Any
    ) -> SimpleNamespace:
        self.threads.add(env.get("OMP_NUM_THREADS"))
        self.busy += 1
        self.at_once[command[2]] = max(self.at_once.get(command[2], 0), self.busy)
        # Long enough for another one to begin.
        time.sleep(self.seconds)
        self.busy -= 1
        self.all.append(command[2:])
        if command[2] == "viseme_data":
            return SimpleNamespace(returncode=0)
        folder = Path(value(command, "--run_dir"))
        folder.mkdir(parents=True, exist_ok=True)
        if command[2] == "viseme_landmarks":
            (folder / "landmarks.safetensors").touch()
            return SimpleNamespace(returncode=0)
        if len(self.commands) == self.fails_at:
            return SimpleNamespace(returncode=3)
        if command[3] == "fit":
            (folder / "render.safetensors").touch()
        else:
            score = {"test/psnr_lower": 20.0 + len(self.commands), "test/lips_missed": 0.1}
            # Whole or not at all, as training does.
            (folder / "partial").write_text(json.dumps(score))
            (folder / "partial").rename(folder / "test.json")
        return SimpleNamespace(returncode=0)

    @property
    def commands(self) -> list[list[str]]:
        """Those of the rows."""
        return [command for command in self.all if command[0] == "viseme_pipeline.fit"]

    @property
    def head_starts(self) -> list[list[str]]:
        return [command for command in self.all if command[0] == "viseme_landmarks"]


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
    corpora = {value(c, "--data.config.path") for c in runner.all[1:]}
    assert corpora == {value(runner.all[0], "--out")} == {str(tmp_path / "corpus_tiny")}


def test_rows_begin_from_landmarks_of_as_many_references_and_frames(runner, tmp_path):
    Reproduction(tmp_path, "repro", seeds=2).run()
    begun = {value(c, "--run_dir"): c for c in runner.head_starts}
    # N = 1, 3, 5, 10 and L = 1, for both seeds; not one for each of the ten rows.
    assert len(begun) == len(runner.head_starts) == 2 * 5
    fits = [c for c in runner.commands if c[1] == "fit"]
    assert len(fits) == 2 * len(ROWS)
    for fitted in fits:
        start = begun[value(fitted, "--landmarks_from")]
        assert value(start, "--seed_everything") == value(fitted, "--seed_everything")
        for name in ("num_references", "num_frames"):
            asked = value(start, f"--model.config.{name}")
            assert asked == value(fitted, f"--model.config.landmarks.{name}")


@pytest.mark.parametrize("scale", get_args(Scale))
def test_the_head_start_is_of_the_model_that_goes_on(scale):
    whole = yaml.safe_load((CONFIGS / f"{scale}.yaml").read_text())["model"]["config"]["landmarks"]
    alone = yaml.safe_load((CONFIGS / f"landmarks/{scale}.yaml").read_text())["model"]["config"]
    # Frames and references are a row's.
    assert {**whole, "num_frames": 0} == {**alone, "num_frames": 0}


def test_several_rows_at_once_have_a_thread_each(runner, tmp_path):
    runner.seconds = 0.02
    cli.main(["reproduce", "--out", str(tmp_path), "--scale", "tiny", "--jobs", "2"])
    assert runner.threads == {"1"}
    assert runner.at_once == {"viseme_data": 1, "viseme_landmarks": 2, "viseme_pipeline.fit": 2}
    assert len(runner.commands) == 2 * len(ROWS)
    table = (tmp_path / "table.md").read_text()
    assert table.count("| 1 of 1 |") == len(ROWS)


def test_the_table_is_there_after_each_row(runner, tmp_path, monkeypatch):
    done = []
    plain = Reproduction.table

    def table(reproduction: Reproduction) -> str:
        done.append(plain(reproduction))
        return done[-1]

    monkeypatch.setattr(Reproduction, "table", table)
    Reproduction(tmp_path, "tiny").run()
    assert [text.count("| 1 of 1 |") for text in done[: len(ROWS)]] == list(range(1, len(ROWS) + 1))


def test_head_starts_see_as_many_frames_a_step_whatever_the_windows(runner, tmp_path):
    Reproduction(tmp_path, "repro").run()
    frames = {
        int(value(c, "--data.config.batch_size")) * int(value(c, "--model.config.num_frames"))
        for c in runner.head_starts
    }
    assert frames == {80}


def test_what_takes_minutes_is_saved_on_the_way_and_goes_on_from_there(runner, tmp_path):
    Reproduction(tmp_path, "repro").run()
    trainings = [c for c in runner.all if c[1] == "fit"]
    assert len(trainings) == 5 + len(ROWS)
    for command in trainings:
        assert value(command, "--ckpt_path") == "last"
        assert value(command, "--save_every") == "100"
    # A head start that is there is not made again.
    kept, *others = [Path(value(c, "--run_dir")) for c in runner.head_starts]
    for folder in others:
        (folder / "landmarks.safetensors").unlink()
    runner.all.clear()
    Reproduction(tmp_path, "repro").run()
    again = [Path(value(c, "--run_dir")) for c in runner.head_starts]
    assert again == others
    assert kept not in again


def test_rows_of_another_recipe_are_not_compared(runner, tmp_path, monkeypatch):
    Reproduction(tmp_path, "tiny").run()
    corpora = {**reproduce._CORPORA, "tiny": ("--speakers=7",)}
    monkeypatch.setattr(reproduce, "_CORPORA", corpora)
    with pytest.raises(ValueError, match="give the same, or another --out"):
        Reproduction(tmp_path, "tiny").run()
    monkeypatch.undo()
    monkeypatch.setattr(reproduce, "CONFIGS", tmp_path / "configs")
    shutil.copytree(CONFIGS, tmp_path / "configs")
    for name in ("tiny.yaml", "landmarks/tiny.yaml"):
        file = tmp_path / "configs" / name
        said = file.read_text()
        # What is only said of it changes nothing.
        file.write_text("# Another word.\n" + said)
        reproduction = Reproduction(tmp_path, "tiny")
        reproduction._keep_to_settings()
        file.write_text(said.replace("max_steps: ", "max_steps: 1"))
        with pytest.raises(ValueError, match="give the same, or another --out"):
            reproduction._keep_to_settings()
        file.write_text(said)


@pytest.mark.parametrize("scale", get_args(Scale))
def test_the_command_that_makes_speakers_understands_its_switches(runner, tmp_path, scale, capsys):
    Reproduction(tmp_path, scale).run()
    (command,) = [c for c in runner.all if c[0] == "viseme_data"]
    with pytest.raises(SystemExit, match="0"):
        data_cli.main([*command[1:], "--print_config"])
    said = yaml.safe_load(capsys.readouterr().out)
    assert said["frames"] == "256"
    assert said["speakers"] == {"tiny": 6, "repro": 200}[scale]


@pytest.mark.parametrize("scale", get_args(Scale))
def test_landmark_completion_understands_what_its_head_start_is_told(runner, tmp_path, scale):
    Reproduction(tmp_path, scale).run()
    parser = Parsers(LandmarksModule, LandmarkDataModule, args=[], run=False).parser
    for command in runner.head_starts:
        said = [a for a in command[2:] if not a.startswith(("--ckpt_path", "--save", "--run_dir"))]
        found = parser.parse_args(said)
        assert found.trainer.max_steps == {"tiny": 20, "repro": 800}[scale]
        # Of 6 or 200 speakers, who have a clip each, two thirds and more are trained on.
        clips = {"tiny": 4, "repro": 176}[scale]
        assert found.data.config.batch_size <= clips * found.data.config.repeats


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
    made = [value(c, "--out") for c in runner.all if c[0] == "viseme_data"]
    assert len(set(made)) == len(made) == 2


def test_given_clips_take_the_place_of_synthetic_speakers(runner, tmp_path):
    Reproduction(tmp_path, "tiny", data=Path("clips")).run()
    assert {value(c, "--data.config.path") for c in runner.commands} == {"clips"}
    assert {c[0] for c in runner.all} == {"viseme_landmarks", "viseme_pipeline.fit"}


def test_the_command_prints_the_table(runner, tmp_path, capsys):
    assert cli.main(["reproduce", "--out", str(tmp_path), "--scale", "tiny"]) == 0
    said = capsys.readouterr().out
    assert "| III | w/o End2End | 1 of 1 |" in said
    assert "nothing in it is learned" in said


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": "huge"}, "scale must be one of"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"jobs": 0}, "jobs must be at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        Reproduction(tmp_path, **settings).run()


def test_where_there_are_no_configs_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "CONFIGS", tmp_path / "absent")
    with pytest.raises(ValueError, match="installed without its sources"):
        Reproduction(tmp_path).run()
