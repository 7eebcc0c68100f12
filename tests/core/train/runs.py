"""Runs of the toy stage: in this process by `fit`, in processes of their own by `start`."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from tests.core.train import toy
from viseme_core.checkpoint import load_stage
from viseme_core.train import StageCLI

TOY = Path(__file__).with_name("toy.py")
BASE = ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.logger", "false"]
BASE += ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
DEEP = ["--model.config.system", "deep"]
EMA = ["--trainer.callbacks+", "lightning.pytorch.callbacks.EMAWeightAveraging"]
EMA += ["--trainer.callbacks.use_buffers", "false", "--trainer.callbacks.decay", "0.8"]


class OnlyFit(StageCLI):
    """Building the parser of the other verb would take as long as most runs here."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        return {"fit": StageCLI.subcommands()["fit"]}


ONE_VERB = {"fit": OnlyFit, "validate": StageCLI}


def start(run_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    options = [*BASE, *DEEP, "--run_dir", str(run_dir), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(run_dir.parent)}
    return subprocess.Popen(
        [sys.executable, str(TOY), "fit", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 0, output
    return output


def fit(run_dir: Path, *arguments: str, verb: str = "fit", system: str = "deep") -> StageCLI:
    # A net of 67 weights gains nothing from a second thread, and loses on a busy machine.
    torch.set_num_threads(1)
    options = [*BASE, "--run_dir", str(run_dir), "--model.config.system", system, *arguments]
    return ONE_VERB[verb](toy.ToyModule, toy.ToyDataModule, args=[verb, *options])


def last(run_dir: Path) -> Path:
    return run_dir / "checkpoints" / "last.ckpt"


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return load_stage(run_dir, stage="toy").tensors


def assert_same_weights(one: Path, two: Path) -> None:
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
