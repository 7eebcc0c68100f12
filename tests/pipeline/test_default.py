import json
import logging
import shutil

import pytest
import torch

from viseme_core.checkpoint import read_header
from viseme_core.types import SAMPLE_RATE_HZ, AudioClip
from viseme_data.sound import read_audio
from viseme_face import MorphableModel, lip_opening
from viseme_pipeline.arguments import parse, to_task
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.default import FOLDER, default_folder, describe_default, embedded_folders
from viseme_pipeline.stages import load_chain

FD2TALK = FOLDER.parent / "fd2talk"
NEEDED = ["--audio=a.wav", "--image=p.jpg", "--out=f.mp4"]


def test_the_default_is_small_and_its_card_says_what_it_is():
    folder = default_folder()
    files = {file.name: file.stat().st_size for file in folder.iterdir()}
    weights = {file.name: file.stat().st_size for file in folder.rglob("*.safetensors")}
    assert max(weights.values()) <= 16_000_000
    assert set(weights) == {"model.safetensors", "motion.safetensors", "pose.safetensors"}
    assert set(files) - set(weights) == {"LICENSE.whisper", "card.md", "hearing", "viseme.json"}
    card = (folder / "card.md").read_text()
    for words in ("real", "viseme-data vary", "make train-default", "docs/motion.md", "Limits"):
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
    load_chain(to_task(parse([*NEEDED, "--motion", str(FD2TALK)])).chain)
    assert "embedded default" not in caplog.text


def test_a_package_without_the_default_says_what_to_give(monkeypatch, tmp_path):
    monkeypatch.setattr("viseme_pipeline.default.FOLDER", tmp_path)
    with pytest.raises(ValueError, match="--motion, for example one that `make train-motion"):
        default_folder()


@pytest.mark.parametrize("system", ["fd2talk", "disenttalk"])
def test_a_system_whose_weights_come_along_can_be_named(caplog, system):
    caplog.set_level(logging.INFO)
    chain = load_chain(to_task(parse([*NEEDED, f"--system={system}"])).chain)
    assert chain.motion.config.system == system
    assert f"the embedded {system}" in caplog.text


def test_a_system_without_weights_says_which_there_are_and_how_to_train_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FD2TALK, tmp_path / "assets" / "default")
    monkeypatch.setattr("viseme_pipeline.default.FOLDER", tmp_path / "assets" / "default")
    choice = to_task(parse([*NEEDED, "--system=disenttalk"])).chain
    with pytest.raises(ValueError, match="only of fd2talk; `make train-motion SYSTEM=disenttalk"):
        load_chain(choice)
    run = tmp_path / "runs" / "motion" / "disenttalk" / "small"
    run.mkdir(parents=True)
    shutil.copy(FD2TALK / "motion.safetensors", run)
    with pytest.raises(ValueError, match="--motion runs/motion/disenttalk/small"):
        load_chain(choice)


def test_weights_of_another_system_than_was_named_are_refused():
    given = [*NEEDED, "--system=disenttalk", "--motion", str(FD2TALK)]
    with pytest.raises(ValueError, match=r"--system disenttalk: .* holds fd2talk"):
        load_chain(to_task(parse(given)).chain)


def test_an_unknown_system_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"invalid choice: 'wav2lip'.*fd2talk.*disenttalk"):
        parse([*NEEDED, "--system=wav2lip"])


def test_a_chain_that_is_added_is_found_by_its_system(monkeypatch, tmp_path):
    for name in ("another", "default"):
        shutil.copytree(FD2TALK, tmp_path / "assets" / name)
    monkeypatch.setattr("viseme_pipeline.default.FOLDER", tmp_path / "assets" / "default")
    # Of two with one system, the default is meant.
    assert embedded_folders() == {"fd2talk": tmp_path / "assets" / "default"}
    monkeypatch.setattr("viseme_pipeline.default.system_of", lambda folder: folder.name)
    assert embedded_folders() == {
        name: tmp_path / "assets" / name for name in ("default", "another")
    }


def test_the_lips_of_the_default_follow_the_voice_that_it_hears():
    samples_S = read_audio(FOLDER.parent / "demo" / "voice.flac").samples_S[: 8 * SAMPLE_RATE_HZ]
    chain = TalkingFace.from_pretrained(device="cpu")
    motion = chain.motion(AudioClip(samples_S), seed=0)
    points_TK3 = MorphableModel.builtin().landmarks(motion.identity, motion.expression, "mp478")
    opening_T = lip_opening(points_TK3)
    loudness_T = samples_S.unfold(0, 640, 640).square().mean(1).add(1e-6).log()
    both = torch.stack([opening_T[: len(loudness_T)], loudness_T])
    assert float(torch.corrcoef(both)[0, 1]) > 0.3
    # Of another time, a voice says nothing of them.
    apart = torch.stack([both[0], both[1].roll(75)])
    assert abs(float(torch.corrcoef(apart)[0, 1])) < 0.25
