"""Every config file of joint training."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from viseme_core.config import from_plain, to_plain
from viseme_core.train.cli import StageCLI
from viseme_pipeline.datamodule import JointDataModule
from viseme_pipeline.fit.ablations import ROWS
from viseme_pipeline.joint import JointConfig
from viseme_pipeline.module import JointModule
from viseme_render.talkformer import model as model_file
from viseme_render.talkformer.latents import open_autoencoder

PACKAGES = Path(__file__).parents[2] / "packages"
FILES = sorted((PACKAGES / "pipeline" / "configs").glob("*.yaml"))

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
    return Parsers(JointModule, JointDataModule, args=[], run=False).parser


@pytest.mark.parametrize("file", [f for f in FILES if f.stem != "paper"], ids=lambda f: f.stem)
def test_every_config_file_parses_and_builds_both_models(file, parser):
    built = parser.instantiate_classes(parser.parse_args([f"--config={file}"]))
    assert set(built.model.stage_headers()) == {"landmarks", "render"}
    again = from_plain(JointConfig, to_plain(built.model.config))
    assert again == built.model.config


def test_the_papers_scale_is_the_papers(parser, monkeypatch):
    # The autoencoder is the user's, and the whole network a gigabyte.
    def pixels(name):
        assert name == "weights/vq-f4"
        return open_autoencoder("pixel")

    monkeypatch.setattr(model_file, "open_autoencoder", pixels)
    found = parser.parse_args([f"--config={PACKAGES / 'pipeline' / 'configs' / 'paper.yaml'}"])
    config = found.model.config
    assert (config.landmark_weight, config.end_to_end) == (10, True)
    landmarks, talkformer = config.landmarks, config.talkformer
    assert (landmarks.num_references, landmarks.num_frames, talkformer.window) == (5, 5, 5)
    assert (talkformer.size, len(talkformer.net.widths), talkformer.temp_attn) == (256, 4, True)
    assert (talkformer.diffusion.num_steps, talkformer.sampler.num_steps) == (1000, 200)
    assert talkformer.diffusion.target == "noise"
    assert (found.model.optim.name, found.model.optim.lr) == ("adam", 4e-5)
    assert found.trainer.max_epochs == 500


@pytest.mark.parametrize("scale", ["small", "paper"])
def test_what_the_stages_own_configs_train_can_be_trained_on_together(scale):
    joint = yaml.safe_load((PACKAGES / f"pipeline/configs/{scale}.yaml").read_text())
    landmarks = yaml.safe_load((PACKAGES / f"landmarks/configs/{scale}.yaml").read_text())
    render = yaml.safe_load((PACKAGES / f"render/configs/talkformer/{scale}.yaml").read_text())
    ours = from_plain(JointConfig, joint["model"]["config"])
    alone = {
        "landmarks": landmarks["model"]["config"],
        "talkformer": render["model"]["config"]["talkformer"],
    }
    wanted = from_plain(JointConfig, alone)
    assert ours.landmarks == wanted.landmarks
    assert ours.talkformer.net == wanted.talkformer.net
    for name in ("reference_beside", "landmarks_beside"):
        assert getattr(ours.talkformer, name) == getattr(wanted.talkformer, name)
    assert ours.talkformer.autoencoder == wanted.talkformer.autoencoder


def test_no_row_of_the_tables_keeps_beside_the_latent_what_its_switch_takes_away():
    plain = yaml.safe_load((PACKAGES / "pipeline/configs/repro.yaml").read_text())
    base = from_plain(JointConfig, plain["model"]["config"]).talkformer
    assert (base.landmarks_beside, base.temp_attn) == (True, False)
    taken = {row.name: row.switches.get("talkformer.landmarks_beside") for row in ROWS}
    assert {name for name, value in taken.items() if value == "false"} == {"w/o M-Align"}
    # Without R-Align the reference stands beside the latent in the paper too.
    assert base.reference_beside


def test_there_is_a_config_of_each_scale():
    assert [file.stem for file in FILES] == ["paper", "repro", "small", "tiny"]


def test_an_unknown_setting_is_refused_by_its_name(parser, tmp_path, capsys):
    path = tmp_path / "wrong.yaml"
    path.write_text("model: {config: {landmark_wieght: 3}}\n")
    with pytest.raises(SystemExit):
        parser.parse_args([f"--config={path}"])
    assert "landmark_wieght" in capsys.readouterr().err
