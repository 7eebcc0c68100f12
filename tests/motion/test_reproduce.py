"""The grid of ablations: what is run, in which order, and what is not run again."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from viseme_core import chores
from viseme_motion import reproduce
from viseme_motion.ablations import ROWS
from viseme_motion.reproduce import Reproduction


class Runner:
    """Stands in for `subprocess.run`: keeps commands and leaves the files that they would."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.fails_at: int | None = None

    def __call__(self, command: list[str], *, stdout: Any, **_: Any) -> SimpleNamespace:
        self.commands.append(command[2:])
        stdout.write(f"output of {command[3]}")
        if len(self.commands) == self.fails_at:
            return SimpleNamespace(returncode=3)
        self._leave_files(command)
        return SimpleNamespace(returncode=0)

    def _leave_files(self, command: list[str]) -> None:
        run_dir = next((Path(a[10:]) for a in command if a.startswith("--run_dir=")), None)
        if run_dir is None:
            return
        run_dir.mkdir(parents=True, exist_ok=True)
        if "test" in command:
            scores = {"test/sync_confidence": 0.1 * len(self.commands), "test/lip_distance": 0.03}
            scores["test/cmn/sync_confidence"] = 0.07
            (run_dir / "test.json").write_text(json.dumps(scores))
        else:
            name = "lip-expert" if "expert" in command else "motion"
            (run_dir / f"{name}.safetensors").touch()

    def fits(self, *words: str) -> list[list[str]]:
        """Return the trainings whose commands hold these words."""
        found = [command for command in self.commands if "fit" in command]
        return [command for command in found if all(word in command for word in words)]


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Runner:
    stand_in = Runner()
    monkeypatch.setattr(chores.subprocess, "run", stand_in)
    return stand_in


def value(command: list[str], option: str) -> str:
    return next(a.partition("=")[2] for a in command if a.startswith(option + "="))


def test_experts_come_before_rows_and_the_judge_is_no_ones_expert(runner, tmp_path):
    Reproduction(tmp_path).run()
    kinds = ["expert" if "expert" in c else "row" for c in runner.fits()]
    assert kinds == sorted(kinds)
    assert runner.commands[0][1] == "synthesize"
    experts = {Path(value(c, "--run_dir")).name: c for c in runner.fits("expert")}
    assert set(experts) == {"fd2talk", "disenttalk", "judge"}
    assert value(experts["judge"], "--seed_everything") == "1"
    for command in runner.commands:
        if "test" in command:
            assert Path(value(command, "--model.judge")) == tmp_path / "experts" / "judge"
            assert Path(value(command, "--model.config.expert")).name in ("fd2talk", "disenttalk")


def test_every_row_is_trained_by_its_switches_once_for_each_seed_and_then_tested(runner, tmp_path):
    Reproduction(tmp_path, extra=("--trainer.max_steps=7",)).run()
    expert = "--model.config.expert=" + str(tmp_path / "experts")
    rows = [c for c in runner.fits() if any(a.startswith(expert) for a in c)]
    assert len(rows) == sum(row.seeds for row in ROWS)
    assert len({value(c, "--run_dir") for c in rows}) == len(rows)
    for row in ROWS:
        for switch in row.switches:
            assert len([c for c in rows if switch in c]) == row.seeds
    assert all("--trainer.max_steps=7" in c for c in rows)
    for fitted in rows:
        folder = value(fitted, "--run_dir")
        tested = runner.commands[runner.commands.index(fitted) + 1]
        assert (tested[1], value(tested, "--init_from")) == ("test", folder)


def test_a_broken_run_goes_on_where_it_was_and_a_whole_one_does_nothing_again(runner, tmp_path):
    runner.fails_at = 9
    with pytest.raises(
        ValueError, match=r"^fd2talk_w-o-alignment_0 stopped with exit code 3; see '(.*)'"
    ):
        Reproduction(tmp_path).run()
    log = tmp_path / "logs" / "fd2talk_w-o-alignment_0.log"
    assert log.read_text().endswith("output of fit")
    broken = len(runner.commands)
    runner.fails_at = None
    table = Reproduction(tmp_path).run()
    # The corpus is looked at again, and the row that broke is begun again.
    fits = [tuple(c) for c in runner.commands if "fit" in c]
    assert len(fits) - len(set(fits)) == 1
    assert len(runner.commands) > broken
    before = len(runner.commands)
    assert Reproduction(tmp_path).run().read_text() == table.read_text()
    assert [c[1] for c in runner.commands[before:]] == ["synthesize"]


def test_the_table_has_the_scores_of_the_rows_that_are_done(runner, tmp_path):
    text = Reproduction(tmp_path).run().read_text()
    lines: list[Any] = [line.split(" | ") for line in text.splitlines()[2:]]
    assert [cells[2] for cells in lines] == [f"{row.seeds} of {row.seeds}" for row in ROWS]
    assert all("0.070" in cells[4] for cells in lines)
    assert all("0.030" in cells[6] for cells in lines)


def test_configs_are_found_from_any_folder_and_where_there_are_none_it_says_so(
    runner, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Reproduction(tmp_path / "out").run()
    assert all(Path(value(c, "--config")).is_file() for c in runner.fits())
    monkeypatch.setattr(reproduce, "CONFIGS", tmp_path / "site-packages")
    with pytest.raises(ValueError, match=r"no config files in .*out of a checkout"):
        Reproduction(tmp_path / "other").run()
