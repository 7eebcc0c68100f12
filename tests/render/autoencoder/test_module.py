"""Training autoencoders from the command line on a handful of small clips."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.render.speakers import make_folder
from viseme_core.checkpoint import load_stage
from viseme_core.train.cli import StageCLI, offer
from viseme_data.windows import to_float_frames
from viseme_render.autoencoder.datamodule import PictureDataModule
from viseme_render.autoencoder.module import AutoencoderModule
from viseme_render.autoencoder.net import Autoencoder
from viseme_render.datamodule import RenderDataConfig

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)

NET = "{channels: 4, widths: [8, 8], patch: 2, blocks: 1, norm_groups: 4, attends: false}"
LOSS = "{scales: 2, adversary: 0.5, adversary_start: 2, critic_width: 4, critic_layers: 1}"
BASE = ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.logger", "false"]
BASE += ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
BASE += ["--trainer.num_sanity_val_steps", "0", "--trainer.limit_val_batches", "0"]
BASE += ["--data.config.num_workers", "0", "--data.config.repeats", "8"]
BASE += ["--data.config.batch_size", "4", "--data.config.frames", "2"]
BASE += ["--data.config.evaluation_frames", "5", "--model.optim.lr", "0.01"]
BASE += ["--model.config.net", NET, "--model.config.loss", LOSS, "--model.config.size", "32"]


class _OneVerb(StageCLI):
    """The parsers of other verbs would take as long as most runs here."""

    verb = "fit"

    @classmethod
    def subcommands(cls) -> dict[str, set[str]]:  # type: ignore[override]
        """Return one verb."""
        return offer(cls.verb)


def run(verb: str, people: Path, run_dir: Path, *arguments: str) -> StageCLI:
    given = ["--run_dir", str(run_dir), "--data.config.path", str(people)]
    kind = type("OneVerb", (_OneVerb,), {"verb": verb})
    return kind(AutoencoderModule, PictureDataModule, args=[verb, *BASE, *given, *arguments])


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("people") / "clips")


@pytest.fixture(scope="module")
def trained(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two steps without a critic and two with it."""
    run_dir = tmp_path_factory.mktemp("trained")
    run("fit", people, run_dir, "--trainer.max_steps", "4")
    return run_dir


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return load_stage(run_dir, stage="autoencoder").tensors


def assert_same(one: Path, two: Path, tolerance: float = 0.0) -> None:
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=tolerance)


@pytest.mark.parametrize("halfway", ["1", "3"], ids=["before the critic", "with it"])
def test_four_steps_are_some_and_the_rest_bit_for_bit(people, trained, tmp_path, halfway):
    run("fit", people, tmp_path, "--trainer.max_steps", halfway)
    before = weights(tmp_path)
    run("fit", people, tmp_path, "--trainer.max_steps", "4", "--ckpt_path", "last")
    assert_same(trained, tmp_path)
    assert any(not torch.equal(value, before[name]) for name, value in weights(tmp_path).items())


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(people, tmp_path):
    # Sums of float64 in another order, four steps long; the critic's weight is everyone's.
    common = ["--trainer.precision", "64-true", "--trainer.max_steps", "4"]
    run("fit", people, tmp_path / "one", *common)
    given = ["--run_dir", str(tmp_path / "two"), "--data.config.path", str(people), *common]
    two = ["--data.config.batch_size", "2", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    ended = subprocess.run(
        [sys.executable, "-m", "viseme_render.autoencoder", "fit", *BASE, *given, *two],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "x2 processes" in ended.stdout + ended.stderr
    assert_same(tmp_path / "one", tmp_path / "two", 1e-10)


def test_the_scale_is_one_over_the_deviation_of_validations_latents(people, trained):
    autoencoder = Autoencoder.from_checkpoint(trained)
    latents = torch.cat([autoencoder.encode(x) for x in _validation(people)]).detach().numpy()
    assert float(np.std(latents)) == pytest.approx(1, abs=1e-4)


def test_averaged_weights_are_those_that_are_measured(people, tmp_path):
    config = tmp_path / "ema.yaml"
    config.write_text(
        "trainer:\n  callbacks:\n    - class_path: lightning.pytorch.callbacks.EMAWeightAveraging\n"
        "      init_args: {decay: 0.5, use_buffers: false}\n"
    )
    run("fit", people, tmp_path / "run", "--trainer.max_steps", "4", "--config", str(config))
    autoencoder = Autoencoder.from_checkpoint(tmp_path / "run")
    latents = torch.cat([autoencoder.encode(x) for x in _validation(people)]).detach().numpy()
    assert float(np.std(latents)) == pytest.approx(1, abs=1e-4)


def test_validation_measures_decibels_of_the_mode(people, trained):
    more = ["--ckpt_path", "last", "--trainer.limit_val_batches", "1.0"]
    found = run("validate", people, trained, *more).trainer.callback_metrics
    autoencoder = Autoencoder.from_checkpoint(trained)
    decibels = []
    with torch.no_grad():
        for true in _validation(people):
            made = autoencoder.decode(autoencoder.encode(true)).clamp(-1, 1)
            decibels += (10 * np.log10(4 / (made - true).square().mean((1, 2, 3)).numpy())).tolist()
    assert float(found["val/psnr"]) == pytest.approx(np.mean(decibels), abs=1e-3)


def _validation(people: Path) -> list[torch.Tensor]:
    config = RenderDataConfig(path=str(people), evaluation_frames=5, batch_size=4, num_workers=0)
    data = PictureDataModule(config)
    data.setup("validate")
    frames = [to_float_frames(b.frames_BT3HW.flatten(0, 1)) for b in data.val_dataloader()]
    return [torch.nn.functional.avg_pool2d(each, 2) for each in frames]
