"""Folders of diffusers, our own files, and what is none of these."""

import json
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, VQModel
from safetensors.torch import load_file, save_file

from tests.render.autoencoder.small import CRITIC, make_batch, make_model
from viseme_core.checkpoint import HEADER_KEY, StageHeader, header_to_plain, save_stage
from viseme_core.config import to_plain
from viseme_render.autoencoder.net import Autoencoder

SHARED = {
    "block_out_channels": (8, 16, 16), "norm_num_groups": 4, "layers_per_block": 1,
    "down_block_types": ("DownEncoderBlock2D",) * 3, "up_block_types": ("UpDecoderBlock2D",) * 3,
    "scaling_factor": 0.4,
}  # fmt: skip


@pytest.fixture
def frames() -> torch.Tensor:
    return make_batch().frames_BT3HW[0]


def kl() -> AutoencoderKL:
    torch.manual_seed(1)
    return AutoencoderKL(**SHARED, latent_channels=4).eval()


@torch.no_grad()
@pytest.mark.parametrize("is_safe", [True, False], ids=["safetensors", "pickle"])
def test_a_folder_of_diffusers_gives_diffusers_latents(frames, tmp_path, is_safe):
    theirs = kl()
    theirs.save_pretrained(tmp_path, safe_serialization=is_safe)
    ours = Autoencoder.from_checkpoint(tmp_path)
    again: Any = AutoencoderKL.from_pretrained(tmp_path)
    latents = again.encode(frames).latent_dist.mode() * again.config.scaling_factor
    torch.testing.assert_close(ours.encode(frames), latents, rtol=0, atol=0)
    made = again.decode(latents / again.config.scaling_factor).sample
    torch.testing.assert_close(ours.decode(latents), made, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_a_folder_with_a_code_book_gives_diffusers_latents(frames, tmp_path):
    torch.manual_seed(1)
    VQModel(**SHARED, num_vq_embeddings=20, vq_embed_dim=2).save_pretrained(tmp_path)
    ours = Autoencoder.from_checkpoint(tmp_path)
    again: Any = VQModel.from_pretrained(tmp_path)
    latents = again.encode(frames).latents
    torch.testing.assert_close(ours.encode(frames), latents * 0.4, rtol=0, atol=0)
    made = again.decode(latents).sample
    torch.testing.assert_close(ours.decode(0.4 * latents), made, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_attention_of_old_folders_is_found(frames, tmp_path):
    theirs = kl()
    theirs.save_pretrained(tmp_path)
    file = tmp_path / "diffusion_pytorch_model.safetensors"
    renamed = {}
    for key, value in load_file(file).items():
        for new, old in (
            ("to_q", "query"),
            ("to_k", "key"),
            ("to_v", "value"),
            ("to_out.0", "proj_attn"),
        ):
            key = key.replace(f".{new}.", f".{old}.")
        renamed[key] = value.clone()
    assert any(".query." in key for key in renamed)
    save_file(renamed, file)
    wanted = theirs.encode(frames).latent_dist.mode() * 0.4  # type: ignore[union-attr]
    torch.testing.assert_close(Autoencoder.from_checkpoint(tmp_path).encode(frames), wanted)


@pytest.mark.parametrize(
    ("name", "value"),
    [("shift_factor", 0.1), ("use_quant_conv", False), ("in_channels", 1), ("act_fn", "gelu")],
)
def test_a_folder_of_another_make_is_refused_by_its_setting(tmp_path, name, value):
    kl().save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {name: value}))
    with pytest.raises(ValueError, match=f"{name} = "):
        Autoencoder.from_checkpoint(tmp_path)


def test_other_things_of_diffusers_are_refused_by_name(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "UNet2DModel"}))
    with pytest.raises(ValueError, match=r"UNet2DModel.*vae"):
        Autoencoder.from_checkpoint(tmp_path)


def test_a_folder_without_weights_says_which_are_missing(tmp_path):
    kl().save_config(tmp_path)
    with pytest.raises(ValueError, match=r"diffusion_pytorch_model\.safetensors"):
        Autoencoder.from_checkpoint(tmp_path)


def header(model, stage: str = "autoencoder") -> StageHeader:
    return StageHeader(stage=stage, system="kl", config=to_plain(model.config))


@pytest.mark.parametrize("ending", ["safetensors", "ckpt"])
def test_what_was_trained_here_comes_back_without_its_critic(frames, tmp_path, ending):
    model = make_model(**CRITIC)
    model.autoencoder.set_scale(3.0)
    path = tmp_path / f"autoencoder.{ending}"
    if ending == "ckpt":
        state = {f"model.{key}": value for key, value in model.state_dict().items()}
        torch.save({"state_dict": state, HEADER_KEY: header_to_plain(header(model))}, path)
    else:
        save_stage(path, model.state_dict(), header(model))
    for given in (path, tmp_path):
        found = Autoencoder.from_checkpoint(given)
        assert found.name == model.autoencoder.name
        assert not any("critic" in key for key in found.state_dict())
        torch.testing.assert_close(found.encode(frames), model.autoencoder.eval().encode(frames))


def test_a_file_whose_scale_was_never_measured_is_refused(tmp_path):
    model = make_model()
    path = tmp_path / "autoencoder.safetensors"
    save_stage(path, model.state_dict(), header(model))
    with pytest.raises(ValueError, match="does not say what its latents are multiplied by"):
        Autoencoder.from_checkpoint(path)
    assert float(Autoencoder.from_checkpoint(path, scale_factor=0.5).scale_factor) == 0.5


def test_another_stage_is_refused_by_name(tmp_path):
    model = make_model()
    path = tmp_path / "motion.safetensors"
    save_stage(path, model.state_dict(), header(model, stage="motion"))
    with pytest.raises(ValueError, match="holds stage 'motion', expected 'autoencoder'"):
        Autoencoder.from_checkpoint(path)


@pytest.mark.parametrize("name", ["x.safetensors", "x.ckpt", "x.pt"])
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(ValueError, match="there is no autoencoder at"):
        Autoencoder.from_checkpoint(path)
    path.write_bytes(b"nothing of use")
    with pytest.raises(ValueError, match=r"damaged|cannot be read"):
        Autoencoder.from_checkpoint(path)
    torch.save([1, 2], path.with_suffix(".pt"))
    with pytest.raises(ValueError, match="holds a list"):
        Autoencoder.from_checkpoint(path.with_suffix(".pt"))
