"""Settings that are refused, and every config file of the stage."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.cli import LightningCLI
from torch import nn

from tests.motion.small import FACE, SUBSPACES
from viseme_core.audio import LogMelConfig, PretrainedConfig
from viseme_core.config import from_plain, to_plain
from viseme_core.diffusion import DiffusionConfig
from viseme_core.train.cli import StageCLI
from viseme_motion import module as module_file
from viseme_motion.config import MotionConfig, open_face_model, pinned
from viseme_motion.datamodule import MotionDataModule
from viseme_motion.disenttalk.config import DisentTalkConfig
from viseme_motion.experts import ExpertConfig, LipExpert
from viseme_motion.fd2talk.config import FD2TalkConfig
from viseme_motion.listener.config import ListenerConfig
from viseme_motion.listener.model import ListenerModel
from viseme_motion.listener.module import ListenerModule
from viseme_motion.module import LipExpertModule, MotionModule

CONFIGS = Path(__file__).parents[2] / "packages" / "motion" / "configs"
FILES = sorted(CONFIGS.rglob("*.yaml"))

# Lightning and jsonargparse warn of their own deprecations.
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_layers": 0}, "num_layers must be at least 1, got 0"),
        ({"dim": 20, "num_heads": 4}, "multiple of 2 x num_heads = 8, got 20"),
        ({"reach": -1}, "reach must not be negative, got -1"),
        ({"diffusion": DiffusionConfig(target="noise")}, r"'clean' \(Eq. 3\), got 'noise'"),
    ],
)
def test_settings_that_fd2talk_cannot_have_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        FD2TalkConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_blocks": 0}, "num_blocks must be at least 1, got 0"),
        ({"dim": 20, "num_heads": 4}, "multiple of 2 x num_heads = 8, got 20"),
        ({"window": 4}, "window must be odd, got 4"),
        ({"ahead": -1}, "ahead must not be negative, got -1"),
        ({"lip": (1, 2)}, "must be given together, or neither"),
        ({"drop_audio": 1.0}, r"lie in \[0, 1\), got 1.0"),
        ({"diffusion": DiffusionConfig(target="clean")}, r"'noise' \(Eq. 8\), got 'clean'"),
    ],
)
def test_settings_that_disenttalk_cannot_have_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        DisentTalkConfig(**settings)


def test_defaults_are_the_numbers_that_the_papers_give():
    fd2talk, disenttalk = FD2TalkConfig(), DisentTalkConfig()
    assert (fd2talk.num_layers, fd2talk.reach) == (6, 3)
    assert (fd2talk.diffusion.num_steps, fd2talk.diffusion.target) == (1000, "clean")
    assert (disenttalk.window, disenttalk.drop_audio, disenttalk.weight_sync) == (5, 0.1, 0.01)
    assert (disenttalk.diffusion.num_steps, disenttalk.diffusion.target) == (400, "noise")
    assert MotionConfig(system="fd2talk").windows.length == 25


@pytest.mark.parametrize("system", ["fd2talk", "disenttalk"])
def test_an_expert_is_needed_exactly_where_its_system_has_a_sync_loss(system):
    config = MotionConfig(system=system)
    assert config.needs_expert()
    for off in ({"sync": False}, {"weight_sync": 0.0}):
        without = replace(config, **{system: replace(getattr(config, system), **off)})
        assert not without.needs_expert()
    other = {"fd2talk": "disenttalk", "disenttalk": "fd2talk"}[system]
    still = replace(config, **{other: replace(getattr(config, other), sync=False)})
    assert still.needs_expert()


def test_pinning_writes_down_the_shipped_directions_and_keeps_those_that_are_given():
    config = MotionConfig(system="disenttalk")
    assert pinned(config, FACE.name).disenttalk.lip == SUBSPACES.lip
    assert pinned(config, FACE.name).disenttalk.eye == SUBSPACES.eye
    chosen = replace(config, disenttalk=DisentTalkConfig(lip=(1, 2), eye=(3,)))
    assert pinned(chosen, FACE.name) == chosen
    assert pinned(MotionConfig(system="fd2talk"), "bfm09@11111111").disenttalk.lip == ()
    with pytest.raises(ValueError, match="shipped subspaces belong to face model"):
        pinned(config, "bfm09@11111111")


def test_a_config_comes_back_from_plain_values():
    config = MotionConfig(system="disenttalk", disenttalk=DisentTalkConfig(lip=(1,), eye=(3,)))
    assert from_plain(MotionConfig, to_plain(config), where="test") == config


def test_a_face_model_is_the_built_in_one_or_a_file_that_exists(tmp_path):
    assert open_face_model("builtin").name == FACE.name
    with pytest.raises((ValueError, OSError), match="nowhere"):
        open_face_model(str(tmp_path / "nowhere.safetensors"))


class Parsers(StageCLI):
    """Builds the parser of a config file, and nothing from it."""

    def parse_arguments(self, parser: Any, args: Any) -> None:
        self.config = self.config_init = parser.parse_args(args)

    def instantiate_classes(self) -> None:
        pass

    def after_instantiate_classes(self) -> None:
        pass


@pytest.fixture(scope="module")
def parsers() -> dict[str, LightningCLI]:
    """One command line for each module; building one takes as long as all files."""
    return {
        name: Parsers(kind, MotionDataModule, args=["--model.config.system", system], run=False)
        for name, kind, system in (
            ("motion", MotionModule, "fd2talk"),
            ("expert", LipExpertModule, "fd2talk"),
            ("listener", ListenerModule, "listener"),
        )
    }


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_every_config_file_parses_and_builds_its_model(file, parsers, monkeypatch):
    def untrained(path: str, config: MotionConfig, model) -> LipExpert:
        settings = ExpertConfig(system=config.system, audio_dim=config.audio_dim)
        return LipExpert(settings, model)

    def unheard(path: str, config: MotionConfig, face_model: str) -> ListenerModel:
        return ListenerModel(ListenerConfig(audio=config.audio, audio_dim=config.audio_dim))

    # The experts and listeners that they name are trained first, by `make train-lip-expert` and
    # `make train-listener`.
    monkeypatch.setattr(module_file, "load_expert", untrained)
    monkeypatch.setattr(module_file, "load_listener", unheard)
    kind = "expert" if file.stem.startswith("expert") else "motion"
    if file.parent.name == "listener":
        kind = "listener"
    parser = parsers[kind].parser
    config = parser.parse_args([f"--config={file}"])
    assert config.model.config.system == file.parent.name
    built = parser.instantiate_classes(config)
    assert isinstance(built.model, nn.Module)
    assert sum(p.numel() for p in built.model.parameters()) > 10_000
    windows = getattr(built.model.config, "windows", None)
    assert windows is None or built.data.config.frames >= windows.length


def test_the_papers_scale_is_the_papers(parsers):
    parser = parsers["motion"].parser
    read = {
        system: parser.parse_args([f"--config={CONFIGS / system / 'paper.yaml'}"])
        for system in ("fd2talk", "disenttalk")
    }
    for system, batch_size, kind in (("fd2talk", 1, "wav2vec2"), ("disenttalk", 32, "hubert")):
        found = read[system]
        assert found.data.config.batch_size == batch_size
        assert found.model.config.audio.kind == kind
        assert found.model.optim.name == "adam"
        assert found.model.config[system].sync
    assert read["fd2talk"].model.config.fd2talk.num_layers == 6
    assert read["fd2talk"].model.config.windows.length == 25
    assert read["disenttalk"].model.optim.lr == 1e-4
    assert read["disenttalk"].model.config.disenttalk.weight_sync == 0.01
    assert read["disenttalk"].model.config.disenttalk.diffusion.num_steps == 400


def test_an_unknown_setting_is_refused_by_its_name(parsers, tmp_path, capsys):
    path = tmp_path / "wrong.yaml"
    path.write_text("model: {config: {system: fd2talk, fd2talk: {num_layer: 3}}}\n")
    with pytest.raises(SystemExit):
        parsers["motion"].parser.parse_args([f"--config={path}"])
    assert "num_layer" in capsys.readouterr().err


def test_any_audio_encoder_can_be_named_and_log_mel_need_not_be(parsers):
    given = ["--model.config.system", "fd2talk", "--model.config.fd2talk.sync", "false"]
    wav2vec2 = ["--model.config.audio", "{kind: wav2vec2, path: folder, layer: 9}"]
    for arguments, expected in (
        ([], LogMelConfig()),
        (["--model.config.audio", "{kind: logmel}"], LogMelConfig()),
        (wav2vec2, PretrainedConfig(kind="wav2vec2", path="folder", layer=9)),
    ):
        parser = parsers["motion"].parser
        config = parser.instantiate_classes(parser.parse_args([*given, *arguments]))
        assert config.model.config.audio == expected
