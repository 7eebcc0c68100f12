import json
import logging

import pytest

from viseme_core.checkpoint import read_header
from viseme_face import MorphableModel
from viseme_pipeline.arguments import parse, to_task
from viseme_pipeline.default import default_folder, describe_default
from viseme_pipeline.stages import load_chain

NEEDED = ["--audio=a.wav", "--image=p.jpg", "--out=f.mp4"]


def test_the_default_is_small_and_its_card_says_what_it_is():
    folder = default_folder()
    files = {file.name: file.stat().st_size for file in folder.iterdir()}
    assert files["motion.safetensors"] <= 16_000_000
    assert set(files) == {"card.md", "motion.safetensors", "viseme.json"}
    card = (folder / "card.md").read_text()
    for words in ("synthetic", "make train-motion", "docs/motion.md", "Limits"):
        assert words in card
    assert json.loads((folder / "viseme.json").read_text())["stages"]["renderer"] == "mesh"


def test_the_default_moves_the_face_model_that_is_built_in():
    assert read_header(default_folder(), stage="motion").face_model == MorphableModel.builtin().name


def test_a_chain_without_a_motion_stage_says_that_it_uses_the_default(caplog):
    caplog.set_level(logging.INFO)
    load_chain(to_task(parse(NEEDED)).chain)
    assert "embedded default" in caplog.text
    assert describe_default() in caplog.text
    caplog.clear()
    load_chain(to_task(parse([*NEEDED, "--motion", str(default_folder())])).chain)
    assert "embedded default" not in caplog.text


def test_a_package_without_the_default_says_what_to_give(monkeypatch, tmp_path):
    monkeypatch.setattr("viseme_pipeline.default.FOLDER", tmp_path)
    with pytest.raises(ValueError, match="--motion, for example one that `make train-motion"):
        default_folder()
