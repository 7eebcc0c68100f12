"""Every config file of the stage."""

from pathlib import Path
from typing import Any

import pytest
import torch

from viseme_core.config import from_plain, to_plain
from viseme_core.train.cli import StageCLI
from viseme_core.train.systems import stored_config
from viseme_render import features
from viseme_render import module as module_file
from viseme_render.autoencoder.config import AutoencoderConfig
from viseme_render.autoencoder.net import Autoencoder
from viseme_render.config import RenderConfig
from viseme_render.datamodule import RenderDataModule
from viseme_render.module import RenderModule
from viseme_render.talkformer import model as model_file
from viseme_render.talkformer.net import TalkFormerNet

CONFIGS = Path(__file__).parents[2] / "packages" / "render" / "configs"
# Autoencoders have a command of their own.
FILES = sorted(f for f in CONFIGS.rglob("*.yaml") if f.parent.name != "autoencoder")

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
    args = ["--model.config.system", "pirender"]
    return Parsers(RenderModule, RenderDataModule, args=args, run=False).parser


@pytest.fixture(autouse=True)
def _no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of the user's are left empty, autoencoders of the user's are packed pixels."""

    pixel = AutoencoderConfig(kind="pixel")

    def empty(config):
        return features.NetworkLoss(torch.nn.Identity(), config.scales)

    def weightless(config, channels):
        # The paper's takes gigabytes, and seconds to fill.
        with torch.device("meta"):
            return TalkFormerNet(config, channels)

    monkeypatch.setattr(module_file, "build_perceptual", empty)
    monkeypatch.setattr(model_file, "open_autoencoder", lambda *given: Autoencoder(pixel))
    monkeypatch.setattr(model_file, "TalkFormerNet", weightless)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_every_config_file_parses_and_builds_its_model(file, parser):
    config = parser.parse_args([f"--config={file}"])
    assert config.model.config.system == file.parent.name
    built = parser.instantiate_classes(config)
    assert built.model.header().stage == "render"
    assert built.model._system.samples == built.data.render_config.samples
    if file.parent.name == "pirender":
        assert built.model.config.pirender.warp_steps < config.trainer.max_steps
    again = from_plain(RenderConfig, stored_config(built.model.config))
    assert to_plain(again) == to_plain(built.model.config)


def test_there_is_a_config_of_each_scale():
    stems = {"pirender": ["paper", "small", "tiny"]}
    stems["talkformer"] = ["paper", "repro", "small", "tiny"]
    for system, expected in stems.items():
        assert [file.stem for file in FILES if file.parent.name == system] == expected


def test_talkformers_paper_scale_is_the_papers(parser):
    found = parser.parse_args([f"--config={CONFIGS / 'talkformer' / 'paper.yaml'}"])
    built = parser.instantiate_classes(found)
    module, config = built.model, built.model.config.talkformer
    assert (config.size, config.net.widths) == (256, (224, 448, 672, 896))
    assert (config.diffusion.num_steps, config.sampler.num_steps) == (1000, 200)
    assert config.temp_attn
    assert not config.complete_ref
    assert (module.optim.name, module.optim.lr) == ("adam", 4e-5)
    data = built.data.render_config
    assert data.frames == config.window == 5
    assert data.batch_size * 16 == 64


def test_the_papers_scale_is_the_papers(parser):
    found = parser.parse_args([f"--config={CONFIGS / 'pirender' / 'paper.yaml'}"])
    built = parser.instantiate_classes(found).model
    net, loss = built.config.pirender.net, built.config.pirender.loss
    assert sum(p.numel() for p in built.model.net.parameters()) == 22_519_109
    assert (net.size, net.patch, net.kernel, net.knows_reference, net.blend) == (
        256,
        1,
        7,
        False,
        False,
    )
    assert (loss.features, loss.scales) == ("vgg19", 4)
    assert (loss.perceptual_warp, loss.perceptual, loss.style) == (2.5, 4.0, 1000.0)
    assert (loss.pixels, loss.landmarks) == (0, 0)
    assert built.config.pirender.warp_steps == 200_000
    assert found.trainer.max_steps == 400_000
    assert (built.optim.name, built.optim.lr, built.optim.betas) == ("adam", 1e-4, (0.5, 0.999))


def test_the_small_network_fits_into_16_megabytes_of_half_precision(parser):
    found = parser.parse_args([f"--config={CONFIGS / 'pirender' / 'small.yaml'}"])
    built = parser.instantiate_classes(found).model
    assert sum(v.numel() * 2 for v in built.model.state_dict().values()) <= 16e6


def test_an_unknown_setting_is_refused_by_its_name(parser, tmp_path, capsys):
    path = tmp_path / "wrong.yaml"
    path.write_text("model: {config: {system: pirender, pirender: {net: {widht: 3}}}}\n")
    with pytest.raises(SystemExit):
        parser.parse_args([f"--config={path}"])
    assert "widht" in capsys.readouterr().err
