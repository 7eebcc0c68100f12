"""Short training runs of the landmark stage, in this process or in others."""

import os
import subprocess
import sys
from pathlib import Path

from viseme_core.train.cli import StageCLI, offer
from viseme_landmarks.cli import LandmarksCLI
from viseme_landmarks.datamodule import LandmarkDataModule
from viseme_landmarks.module import LandmarksModule

NET = "{dim: 16, num_layers: 1, num_heads: 2, feedforward_dim: 16, num_references: 2}"
BASE = ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.logger", "false"]
BASE += ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
BASE += ["--trainer.num_sanity_val_steps", "0", "--trainer.limit_val_batches", "0"]
BASE += ["--data.config.num_workers", "0", "--data.config.repeats", "8"]
BASE += ["--data.config.batch_size", "4", "--data.config.evaluation_frames", "60"]
BASE += ["--model.optim.lr", "0.01", "--model.config", NET]


class _OneVerb(LandmarksCLI):
    """The parsers of other verbs would take as long as most runs here."""

    verb = "fit"

    @classmethod
    def subcommands(cls) -> dict[str, set[str]]:  # type: ignore[override]
        """Return one verb."""
        return offer(cls.verb)


def run(verb: str, speakers: Path, run_dir: Path, *arguments: str) -> StageCLI:
    """Run a command in this process."""
    given = ["--run_dir", str(run_dir), "--data.config.path", str(speakers)]
    kind = type("OneVerb", (_OneVerb,), {"verb": verb})
    return kind(LandmarksModule, LandmarkDataModule, args=[verb, *BASE, *given, *arguments])


def start(speakers: Path, run_dir: Path, *arguments: str) -> str:
    """Train by `python -m viseme_landmarks` and return what it said."""
    given = ["--run_dir", str(run_dir), "--data.config.path", str(speakers)]
    ended = subprocess.run(
        [sys.executable, "-m", "viseme_landmarks", "fit", *BASE, *given, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(run_dir.parent)},
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr
