from pathlib import Path

import pytest
import torch

from tests.pipeline.joint_small import make_config, make_model
from tests.render.autoencoder.small import NETS
from viseme_core.checkpoint import StageHeader, load_stage
from viseme_core.checkpoint.header import HEADER_KEY, header_to_plain
from viseme_core.config import to_plain
from viseme_core.train.systems import stored_config
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.cli import main
from viseme_pipeline.joint import STAGE
from viseme_pipeline.joint_files import RENDER, split_checkpoint, stage_headers
from viseme_pipeline.landmark_drive import LandmarkDrive
from viseme_pipeline.module import JointModule
from viseme_render.autoencoder.config import AutoencoderConfig
from viseme_render.autoencoder.net import Autoencoder
from viseme_render.autoencoder.saving import save_autoencoder
from viseme_render.config import RenderConfig


def test_a_broken_off_joint_run_becomes_a_folder_that_dubs(tmp_path):
    model = make_model()
    header = StageHeader(stage=STAGE, config=to_plain(make_config()))
    weights = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({HEADER_KEY: header_to_plain(header), "state_dict": weights}, tmp_path / "last.ckpt")
    given = [str(tmp_path / "chain"), "--joint", str(tmp_path / "last.ckpt")]
    assert main(["ship", *given]) == 0
    chain = TalkingFace.from_pretrained(tmp_path / "chain", device="cpu")
    assert isinstance(chain.drive, LandmarkDrive)
    found = chain.drive.renderer.model.state_dict()
    assert found.keys() == model.renderer.state_dict().keys()  # type: ignore[attr-defined]
    assert all(torch.equal(found[key], weights[f"model.renderer.{key}"]) for key in found)
    landmarks = load_stage(tmp_path / "chain" / "landmarks.safetensors").tensors
    assert all(torch.equal(landmarks[key], weights[f"model.driving.{key}"]) for key in landmarks)


def save_latents(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    save_autoencoder(Autoencoder(AutoencoderConfig(**NETS["kl"])), path)
    return path


def test_a_joint_runs_autoencoder_may_have_moved_but_must_be_the_same(tmp_path):
    first = save_latents(tmp_path / "training" / "latents.safetensors", 0)
    module = JointModule(make_config(talkformer={"autoencoder": str(first)}))
    weights = {f"model.{name}": tensor for name, tensor in module.model.state_dict().items()}
    path = tmp_path / "last.ckpt"
    torch.save({HEADER_KEY: header_to_plain(module.header()), "state_dict": weights}, path)
    moved = first.rename(tmp_path / "moved.safetensors")
    files = split_checkpoint(path, tmp_path, autoencoder=moved)
    name = module.model.renderer.autoencoder_name  # type: ignore[attr-defined]
    assert files.renderer is not None
    stored = load_stage(files.renderer).header.config["talkformer"]
    assert (stored["autoencoder"], stored["autoencoder_name"]) == (str(moved), name)
    # Another one that lies where the first did was not what the pair was trained with.
    save_latents(first, 1)
    with pytest.raises(ValueError, match=f"trained on latents of '{name}'"):
        split_checkpoint(path, tmp_path)


def test_a_checkpoint_of_one_stage_is_no_joint_one(tmp_path, pair, capsys):
    given = [str(tmp_path / "chain"), "--joint", str(pair / "render.safetensors")]
    assert main(["ship", *given]) == 2
    assert "holds stage 'render', expected 'joint'" in capsys.readouterr().err
    assert not (tmp_path / "chain").exists()


def test_the_renderers_file_says_what_it_would_if_it_had_been_trained_alone():
    config = make_config()
    said = stage_headers(config, "autoencoder@01234567")[RENDER].config
    alone = stored_config(RenderConfig(system="talkformer", talkformer=config.talkformer))
    alone["talkformer"]["autoencoder_name"] = "autoencoder@01234567"
    assert said == alone
