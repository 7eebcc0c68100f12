"""Checkpoints of latent-diffusion against their networks, written once more, and diffusers' map."""

import sys
import types
from collections.abc import Callable

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from safetensors.torch import save_file

from tests.render.autoencoder.ldm import WIDTHS, LatentDiffusionAutoencoder
from viseme_render.autoencoder.net import Autoencoder

KINDS = {
    "kl": {},
    "kl of four wide": {"channels": 4, "width": 4},
    "kl squeezed": {"channels": 4, "width": 2},
    "vq": {"codes": 24},
    "vq squeezed": {"channels": 4, "width": 2, "codes": 24},
}


@pytest.fixture(params=KINDS, ids=str)
def theirs(request) -> LatentDiffusionAutoencoder:
    return LatentDiffusionAutoencoder(**KINDS[request.param]).eval()


def whole_model(theirs: torch.nn.Module, scale: float | None = 0.3) -> dict:
    """The checkpoint of a whole latent-diffusion model."""
    state = {f"first_stage_model.{key}": value for key, value in theirs.state_dict().items()}
    state["model.diffusion_model.out.2.weight"] = torch.zeros(3)
    state["first_stage_model.loss.logvar"] = torch.zeros(())
    if scale is not None:
        state["scale_factor"] = torch.tensor(scale)
    return {"state_dict": state, "epoch": 3}


@pytest.fixture
def load(tmp_path) -> Callable[..., Autoencoder]:
    def reader(state: dict, **options) -> Autoencoder:
        path = tmp_path / "model.ckpt"
        torch.save({"state_dict": state}, path)
        return Autoencoder.from_checkpoint(path, **options)

    return reader


@torch.no_grad()
def test_pictures_and_latents_are_those_of_latent_diffusion(theirs, tmp_path):
    path = tmp_path / "model.ckpt"
    torch.save(whole_model(theirs), path)
    ours = Autoencoder.from_checkpoint(path)
    frames = torch.rand(2, 3, 16, 24) * 2 - 1
    latents = theirs.encode(frames)
    # Attention sums in another order.
    torch.testing.assert_close(ours.encode(frames), 0.3 * latents, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        ours.decode(0.3 * latents), theirs.decode(latents), rtol=1e-4, atol=1e-4
    )
    assert ours.channels == latents.shape[1]
    assert not ours.training


def test_names_are_those_of_diffusers_own_conversion(load):
    theirs = LatentDiffusionAutoencoder()
    wanted = convert_ldm_vae_checkpoint(
        dict(whole_model(theirs)["state_dict"]),
        {"down_block_types": WIDTHS, "up_block_types": WIDTHS},
    )
    ours = load(whole_model(theirs)["state_dict"]).net.state_dict()
    assert ours.keys() == wanted.keys()
    assert all(torch.equal(ours[key], wanted[key]) for key in ours)


def test_the_autoencoders_own_checkpoint_is_taken_too_and_must_be_told_the_scale(tmp_path):
    theirs = LatentDiffusionAutoencoder()
    state = dict(theirs.state_dict()) | {"loss.discriminator.main.0.weight": torch.zeros(2)}
    path = tmp_path / "kl.ckpt"
    torch.save({"state_dict": state}, path)
    with pytest.raises(ValueError, match="does not say what its latents are multiplied by"):
        Autoencoder.from_checkpoint(path)
    ours = Autoencoder.from_checkpoint(path, scale_factor=0.2)
    assert float(ours.scale_factor) == pytest.approx(0.2)
    assert ours.config.scale_factor == pytest.approx(0.2)


def test_code_books_are_not_scaled_unless_the_file_says_so(load):
    theirs = LatentDiffusionAutoencoder(codes=24)
    assert float(load(whole_model(theirs, scale=None)["state_dict"]).scale_factor) == 1
    assert float(load(whole_model(theirs)["state_dict"]).scale_factor) == pytest.approx(0.3)


def test_safetensors_are_read_as_well(tmp_path):
    theirs = LatentDiffusionAutoencoder()
    path = tmp_path / "model.safetensors"
    save_file(whole_model(theirs)["state_dict"], path)
    ours = Autoencoder.from_checkpoint(path)
    assert torch.equal(
        ours.get_parameter("net.encoder.conv_in.weight"), theirs.encoder.conv_in.weight
    )


def test_the_callback_that_old_checkpoints_name_is_not_run(tmp_path, monkeypatch):
    name = "pytorch_lightning.callbacks.model_checkpoint"
    fake = types.ModuleType(name)
    exec("class ModelCheckpoint:\n    pass", fake.__dict__)
    fake.ModelCheckpoint.__module__ = name
    for part in ("pytorch_lightning", "pytorch_lightning.callbacks"):
        monkeypatch.setitem(sys.modules, part, types.ModuleType(part))
    monkeypatch.setitem(sys.modules, name, fake)
    path = tmp_path / "old.ckpt"
    torch.save(
        whole_model(LatentDiffusionAutoencoder()) | {"callbacks": {fake.ModelCheckpoint: {"x": 1}}},
        path,
    )
    monkeypatch.setitem(sys.modules, name, None)
    assert float(Autoencoder.from_checkpoint(path).scale_factor) == pytest.approx(0.3)


class Stranger:
    """What no checkpoint has business to hold."""


def test_other_objects_are_refused_and_not_made(tmp_path):
    path = tmp_path / "strange.ckpt"
    torch.save(whole_model(LatentDiffusionAutoencoder()) | {"more": Stranger()}, path)
    with pytest.raises(ValueError, match="could run code; nothing was run"):
        Autoencoder.from_checkpoint(path)


def test_attention_at_other_sizes_is_refused_by_name(load):
    state = dict(LatentDiffusionAutoencoder().state_dict())
    state["encoder.down.1.attn.0.q.weight"] = torch.zeros(64, 64, 1, 1)
    with pytest.raises(ValueError, match=r"encoder\.down\.1\.attn\.0\.q\.weight"):
        load(state, scale_factor=1.0)


def test_a_weight_that_is_missing_is_named(load):
    state = dict(LatentDiffusionAutoencoder().state_dict())
    del state["decoder.mid.attn_1.k.bias"]
    with pytest.raises(ValueError, match=r"attentions\.0\.to_k\.bias"):
        load(state, scale_factor=1.0)


def test_other_weights_are_no_autoencoder(load):
    with pytest.raises(ValueError, match=r"no autoencoder.*'layer1.weight'"):
        load({"layer1.weight": torch.zeros(2)})
