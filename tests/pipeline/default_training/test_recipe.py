"""The order of the steps, what they are told, and what is not done twice."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.data.prepared import make_prepared
from viseme_data.manifest import read_manifest, write_manifest
from viseme_motion.cli import COMMANDS as MOTION
from viseme_pipeline.cli import main
from viseme_pipeline.default_training import recipe as module
from viseme_pipeline.default_training.recipe import Recipe


class Chores:
    """Stands in for commands: keeps them, and leaves the files that they would."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.told: dict[str, tuple[str, ...]] = {}
        self.fails_at = ""

    def __call__(self, name: str, command: str, *arguments: str, logs: Path, **_: Any) -> None:
        if name == self.fails_at:
            raise ValueError(f"{name} stopped")
        self.done.append(name)
        self.told[name] = (command, *arguments)
        self._leave(name, arguments)

    def value(self, name: str, option: str) -> str:
        return next(a.partition("=")[2] for a in self.told[name] if a.startswith(option + "="))

    def _leave(self, name: str, arguments: tuple[str, ...]) -> None:
        if name == "hearing":
            folder = Path(arguments[arguments.index("--out") + 1])
            folder.mkdir(parents=True)
            (folder / "config.json").touch()
        elif (out := next((a for a in arguments if a.startswith("--out=")), None)) is not None:
            folder = Path(out[6:])
            make_prepared(folder)
            rows = [
                replace(row, offset_confidence=0.9, voiced=0.9, source=f"{row.source}-{name}")
                for row in read_manifest(folder)
            ]
            write_manifest(folder / "manifest.parquet", rows)
        elif "ship" in arguments:
            folder = Path(arguments[1])
            folder.mkdir(parents=True)
            (folder / "viseme.json").touch()
        else:
            folder = Path(self.value(name, "--run_dir"))
            folder.mkdir(parents=True, exist_ok=True)
            stage = "listener" if "listener" in arguments else "motion"
            (folder / f"{stage}.safetensors").touch()


@pytest.fixture
def chores(monkeypatch: pytest.MonkeyPatch) -> Chores:
    stand_in = Chores()
    monkeypatch.setattr(module, "run_chore", stand_in)
    return stand_in


DATA = ["hearing", "prepare", "vary", "synthesize", "hear"]
STAGES = ["listener", "motion", "pose", "ship"]


def test_data_come_first_then_the_stages_that_hear_by_them(chores, tmp_path):
    chain = Recipe(videos=tmp_path, out=tmp_path / "out").run()
    assert chores.done == [*DATA, *(f"everyone-{stage}" for stage in STAGES)]
    assert chain == tmp_path / "out" / "everyone" / "default"
    out = tmp_path / "out"
    assert chores.value("everyone-motion", "--model.config.listener") == str(
        out / "everyone" / "listener"
    )
    for stage in ("listener", "motion"):
        also = chores.value(f"everyone-{stage}", "--data.config.also")
        assert json.loads(also) == [str(out / "varied"), str(out / "synthetic")]
    assert json.loads(chores.value("everyone-pose", "--data.config.also")) == [
        str(out / "synthetic")
    ]
    assert json.loads(chores.value("prepare", "--audio")) == {
        "whisper": {"kind": "whisper", "path": str(out / "hearing")}
    }
    assert f"--pose-from={out / 'everyone' / 'pose'}" in chores.told["everyone-ship"]
    card = (out / "everyone" / "card.md").read_text()
    # 256 frames of the seven clips, each taken for another person.
    assert "0.2 minutes of 7 real people and 60 minutes of 60 synthetic speakers" in card


def test_every_config_and_command_that_it_names_exists(chores, tmp_path):
    Recipe(videos=tmp_path, out=tmp_path / "out").run()
    for name, told in chores.told.items():
        if any(argument.startswith("--config=") for argument in told):
            assert Path(chores.value(name, "--config")).is_file()
            words = told[1 : next(i for i, a in enumerate(told) if a.startswith("--"))]
            assert " ".join(words) in MOTION


def test_a_group_is_trained_without_its_people(chores, tmp_path):
    out = tmp_path / "out"
    Recipe(videos=tmp_path, out=out, groups=2).run()
    trained = [f"group{k}-{stage}" for k in range(2) for stage in STAGES]
    assert chores.done[len(DATA) + len(STAGES) :] == trained
    for k in range(2):
        folder = out / f"group{k}"
        assert chores.value(f"group{k}-listener", "--data.config.path") == str(folder / "data")
        also = chores.value(f"group{k}-motion", "--data.config.also")
        assert json.loads(also) == [str(folder / "varied"), str(out / "synthetic")]
        tested = {row.speaker for row in read_manifest(folder / "data") if row.split == "test"}
        assert tested
        assert not tested & {row.speaker for row in read_manifest(folder / "varied")}
        assert f"of {7 - len(tested)} real people" in (folder / "card.md").read_text()


def test_what_is_done_is_not_done_again_and_a_failure_leaves_the_rest(chores, tmp_path):
    recipe = Recipe(videos=tmp_path, out=tmp_path / "out")
    chores.fails_at = "everyone-motion"
    with pytest.raises(ValueError, match="everyone-motion stopped"):
        recipe.run()
    chores.done.clear()
    chores.fails_at = ""
    recipe.run()
    assert chores.done == ["everyone-motion", "everyone-pose", "everyone-ship"]
    chores.done.clear()
    recipe.run()
    assert chores.done == []


def test_other_groups_or_settings_are_refused_where_some_were_trained(chores, tmp_path):
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    Recipe(videos=videos, out=out).run()
    Recipe(videos=videos, out=out, groups=2).run()
    # Without groups it is the chain of everyone again, and groups are left alone.
    Recipe(videos=videos, out=out).run()
    chores.done.clear()
    with pytest.raises(ValueError, match=r"made with other groups \(2, now 3\)"):
        Recipe(videos=videos, out=out, groups=3).run()
    with pytest.raises(ValueError, match="made with other seed"):
        Recipe(videos=videos, out=out, seed=12).run()
    (videos / "new.mp4").touch()
    with pytest.raises(ValueError, match="made with other videos"):
        Recipe(videos=videos, out=out).run()
    assert chores.done == []


def test_a_group_of_nobody_is_left_out_and_one_of_everybody_is_refused(
    chores, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "group_of", lambda person, groups: int(person[0] == "0"))
    Recipe(videos=tmp_path, out=tmp_path / "a", groups=3).run()
    assert sorted(path.name for path in (tmp_path / "a").glob("group*")) == ["group0", "group1"]
    monkeypatch.setattr(module, "group_of", lambda person, groups: 0)
    with pytest.raises(ValueError, match="nobody is left to learn from"):
        Recipe(videos=tmp_path, out=tmp_path / "b", groups=3).run()


def test_the_card_names_the_command_as_it_was_given_but_for_places(chores, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    people = tmp_path / "people.tsv"
    people.write_text("0\tann\n")
    extra = ("--trainer.max_steps=3",)
    Recipe(videos=tmp_path, out=tmp_path / "out", people=people, seed=4, extra=extra).run()
    card = (tmp_path / "out" / "everyone" / "card.md").read_text()
    assert (
        "`viseme train-default VIDEOS --out OUT --people people.tsv --seed 4 "
        "--extra=--trainer.max_steps=3`, commit unknown, torch"
    ) in card


def test_switches_go_to_every_training(chores, tmp_path, capsys):
    extra = "--extra=--trainer.max_steps=3"
    assert main(["train-default", str(tmp_path), "--out", str(tmp_path / "out"), extra]) == 0
    fits = [told for told in chores.told.values() if "fit" in told]
    assert len(fits) == 3
    assert all(told[-1] == "--trainer.max_steps=3" for told in fits)
    assert "viseme generate --pretrained" in capsys.readouterr().out


def test_what_cannot_be_is_refused_in_a_sentence(chores, tmp_path, monkeypatch, capsys):
    assert main(["train-default", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert main(["train-default", str(tmp_path), "--out", str(tmp_path), "--groups", "1"]) == 2
    assert "groups must be 0, or at least 2, got 1" in capsys.readouterr().err
    monkeypatch.setattr(module, "CONFIGS", tmp_path / "site-packages")
    assert main(["train-default", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "out of a checkout" in capsys.readouterr().err
    assert not chores.done
