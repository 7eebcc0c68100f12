"""Short training runs through the command line, in this process or in others."""

import os
import subprocess
import sys
from pathlib import Path

from viseme_core.train.cli import StageCLI, offer
from viseme_motion.cli import MotionCLI
from viseme_motion.datamodule import MotionDataModule
from viseme_motion.module import LipExpertModule, MotionModule

BASE = ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.logger", "false"]
BASE += ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
BASE += ["--trainer.num_sanity_val_steps", "0", "--trainer.limit_val_batches", "0"]
BASE += ["--data.config.num_workers", "0", "--data.config.repeats", "8"]
BASE += ["--data.config.batch_size", "4", "--model.optim.lr", "0.01"]
SMALL = {
    "fd2talk": "{num_layers: 1, dim: 16, num_heads: 2, sync: false}",
    "disenttalk": "{num_blocks: 1, dim: 16, num_heads: 2, ahead: 4, sync: false}",
}


class OnlyFit(MotionCLI):
    """The parsers of other verbs would take as long as most runs here."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return one verb."""
        return {"fit": StageCLI.subcommands()["fit"]}


class OnlyFitExpert(StageCLI):
    """As `OnlyFit`."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return one verb."""
        return {"fit": StageCLI.subcommands()["fit"]}


class OnlyValidate(MotionCLI):
    """As `OnlyFit`."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return one verb."""
        return {"validate": StageCLI.subcommands()["validate"]}


class OnlyTest(MotionCLI):
    """As `OnlyFit`."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return one verb."""
        return offer("test")


class OnlyPredict(MotionCLI):
    """As `OnlyFit`."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return one verb."""
        return offer("predict")


def options(speakers: Path, run_dir: Path, system: str, *arguments: str) -> list[str]:
    """Return the arguments of a run of a small model."""
    given = ["--run_dir", str(run_dir), "--data.config.path", str(speakers)]
    given += ["--model.config.system", system, f"--model.config.{system}", SMALL[system]]
    return [*BASE, *given, *arguments]


def fit(speakers: Path, run_dir: Path, system: str, *arguments: str) -> StageCLI:
    """Train a motion model in this process."""
    return OnlyFit(
        MotionModule,
        MotionDataModule,
        args=["fit", *options(speakers, run_dir, system, *arguments)],
    )


def validate(speakers: Path, run_dir: Path, system: str, *arguments: str) -> StageCLI:
    """Validate a motion model in this process."""
    given = options(speakers, run_dir, system, *arguments)
    return OnlyValidate(MotionModule, MotionDataModule, args=["validate", *given])


def run_test(speakers: Path, run_dir: Path, system: str, *arguments: str) -> StageCLI:
    """Test a motion model in this process."""
    given = options(speakers, run_dir, system, *arguments)
    return OnlyTest(MotionModule, MotionDataModule, args=["test", *given])


def predict(speakers: Path, run_dir: Path, system: str, *arguments: str) -> StageCLI:
    """Write the motion of the test clips in this process."""
    given = options(speakers, run_dir, system, *arguments)
    return OnlyPredict(MotionModule, MotionDataModule, args=["predict", *given])


def fit_expert(speakers: Path, run_dir: Path, system: str, *arguments: str) -> Path:
    """Train a lip expert in this process and return its stage file."""
    given = ["--run_dir", str(run_dir), "--data.config.path", str(speakers)]
    given += ["--model.config.system", system, "--model.config.dim", "16", *arguments]
    OnlyFitExpert(LipExpertModule, MotionDataModule, args=["fit", *BASE, *given])
    return run_dir / "lip-expert.safetensors"


def start(speakers: Path, run_dir: Path, system: str, *arguments: str) -> str:
    """Train a motion model by `python -m viseme_motion` and return what it said."""
    command = [sys.executable, "-m", "viseme_motion", "fit"]
    ended = subprocess.run(
        [*command, *options(speakers, run_dir, system, *arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(run_dir.parent)},
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr
