"""Weights of others become stage files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from tests.render.autoencoder.ldm import LatentDiffusionAutoencoder
from tests.render.autoencoder.test_sources import SHARED
from tests.render.speakers import make_folder
from viseme_data.pictures import CropVideo
from viseme_data.windows import to_float_frames
from viseme_render.autoencoder import cli
from viseme_render.autoencoder.cli import main
from viseme_render.autoencoder.net import Autoencoder
from viseme_render.datamodule import resized


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("people") / "clips")


def test_a_folder_of_diffusers_becomes_a_file_of_the_same_latents(tmp_path, capsys):
    torch.manual_seed(1)
    AutoencoderKL(**SHARED, latent_channels=4).save_pretrained(tmp_path / "vae")
    out = tmp_path / "kl.safetensors"
    main(["import", str(tmp_path / "vae"), str(out)])
    assert "kl, factor 4, 4 channels, 0.40000" in capsys.readouterr().out
    assert (
        Autoencoder.from_checkpoint(out).name == Autoencoder.from_checkpoint(tmp_path / "vae").name
    )


def test_the_scale_is_measured_on_pictures_where_the_file_does_not_say(
    people, tmp_path, monkeypatch
):
    monkeypatch.setattr(cli, "_PICTURES", 16)
    monkeypatch.setattr(cli, "_SIZE", 32)
    source, out = tmp_path / "kl.ckpt", tmp_path / "kl.safetensors"
    torch.save({"state_dict": LatentDiffusionAutoencoder().state_dict()}, source)
    main(["import", str(source), str(out), "--data", str(people)])
    autoencoder = Autoencoder.from_checkpoint(out)
    video = CropVideo(people / "clips" / f"{0:016x}.mp4")
    frames = resized(to_float_frames(video.read(range(0, 40, 4))), 32)
    with torch.no_grad():
        deviation = float(np.std(autoencoder.encode(frames).numpy()))
    # Of other pictures of the same clip.
    assert deviation == pytest.approx(1, abs=0.05)


def test_a_scale_that_nobody_says_is_asked_for(tmp_path, capsys):
    source = tmp_path / "kl.ckpt"
    torch.save({"state_dict": LatentDiffusionAutoencoder().state_dict()}, source)
    with pytest.raises(SystemExit):
        main(["import", str(source), str(tmp_path / "kl.safetensors")])
    assert "give scale_factor" in capsys.readouterr().err
    main(["import", str(source), str(tmp_path / "kl.safetensors"), "--scale_factor", "0.2"])
    found = Autoencoder.from_checkpoint(tmp_path / "kl.safetensors")
    assert float(found.scale_factor) == pytest.approx(0.2)
