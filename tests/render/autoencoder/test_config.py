"""Settings that are refused, and every config file."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.render.autoencoder import ldm
from viseme_core.config import from_plain, to_plain
from viseme_core.train.cli import StageCLI
from viseme_render import features
from viseme_render.autoencoder import module as module_file
from viseme_render.autoencoder.config import (
    AutoencoderConfig,
    AutoencoderLossConfig,
    AutoencoderTrainingConfig,
)
from viseme_render.autoencoder.datamodule import PictureDataModule
from viseme_render.autoencoder.module import AutoencoderModule

FILES = sorted((Path(__file__).parents[3] / "packages/render/configs/autoencoder").glob("*.yaml"))

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


class Parsers(StageCLI):
    """Builds the parser of a config file, and nothing from it."""

    def parse_arguments(self, parser: Any, args: Any) -> None:
        self.config = self.config_init = parser.parse_args(args)

    def instantiate_classes(self) -> None:
        pass

    def after_instantiate_classes(self) -> None:
        pass


@pytest.fixture(scope="module")
def parser() -> Any:
    return Parsers(AutoencoderModule, PictureDataModule, args=[], run=False).parser


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_every_config_file_builds_an_autoencoder_of_factor_4(file, parser, monkeypatch):
    def empty(config, **_):
        return features.NetworkLoss(torch.nn.Identity(), config.scales)

    monkeypatch.setattr(module_file, "build_perceptual", empty)
    built = parser.instantiate_classes(parser.parse_args([f"--config={file}"])).model
    assert built.model.autoencoder.factor == 4
    again = from_plain(AutoencoderTrainingConfig, to_plain(built.config))
    assert again == built.config
    if file.stem == "paper":
        # KL-f4 of latent-diffusion.
        monkeypatch.setattr(ldm, "WIDTHS", (128, 256, 512))
        with torch.device("meta"):
            theirs = ldm.LatentDiffusionAutoencoder()
        count = sum(p.numel() for p in built.model.autoencoder.parameters())
        assert count == sum(p.numel() for p in theirs.parameters())
        assert (built.config.loss.kl, built.config.loss.adversary_start) == (1e-6, 50_001)


def test_there_is_a_config_of_each_scale():
    assert [file.stem for file in FILES] == ["paper", "small", "tiny"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"channels": 0}, "channels must be at least 1"),
        ({"patch": 0}, "patch must be at least 1"),
        ({"code_dim": 0}, "code_dim must be at least 1"),
        ({"widths": ()}, "must name a width"),
        ({"widths": (32, 48)}, "multiples of norm_groups = 32, got 48"),
        ({"scale_factor": 0.0}, "scale_factor must be positive"),
        ({"kind": "pixel", "sees_reference": True}, "has none"),
        ({"kind": "vq", "shortcut": True}, "shortcut needs kind 'kl'"),
        ({"channels": 2, "shortcut": True}, "at least 3 channels"),
    ],
)
def test_networks_that_cannot_be_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        AutoencoderConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kl": -1.0}, "kl must not be negative"),
        ({"critic_layers": 0}, "critic_layers must be at least 1"),
        ({"pixels": 0.0, "perceptual": 0.0}, "nothing to train by"),
    ],
)
def test_losses_that_cannot_be_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        AutoencoderLossConfig(**settings)


def test_pictures_must_divide_and_pixels_cannot_learn():
    with pytest.raises(ValueError, match="multiple of the factor 4, got 66"):
        AutoencoderTrainingConfig(size=66)
    with pytest.raises(ValueError, match="nothing to train"):
        AutoencoderTrainingConfig(net=AutoencoderConfig(kind="pixel"))


def test_the_factor_counts_halvings_and_patches():
    assert AutoencoderConfig().factor == 4
    assert AutoencoderConfig(widths=(32, 32), patch=2).factor == 4
    assert AutoencoderConfig(widths=(32, 32, 32, 32)).factor == 8
    assert AutoencoderConfig(kind="pixel").latent_channels == 48
    assert AutoencoderConfig(kind="vq", channels=4, code_dim=2).latent_channels == 2


def test_missing_weights_are_asked_for_by_the_key_of_this_config(monkeypatch):
    monkeypatch.delenv("VISEME_WEIGHTS", raising=False)
    config = AutoencoderTrainingConfig(
        net=AutoencoderConfig(widths=(32, 32, 32), blocks=1),
        loss=AutoencoderLossConfig(features="vgg19"),
    )
    with pytest.raises(
        ValueError, match=r"loss\.features is 'vgg19'.*model\.config\.loss\.weights"
    ):
        AutoencoderModule(config)
