"""Short joint trainings, in this process or in others."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from viseme_core.train.cli import StageCLI, offer
from viseme_pipeline.datamodule import JointDataModule
from viseme_pipeline.fit.cli import JointCLI
from viseme_pipeline.module import JointModule

LANDMARKS = "{dim: 16, num_layers: 1, num_heads: 2, feedforward_dim: 16, num_frames: 2, "
LANDMARKS += "num_references: 2}"
TALKFORMER = "{net: {widths: [8, 8], blocks: 1, groups: 4, head_width: 8, landmark_width: 8}, "
TALKFORMER += "size: 32, window: 2, drop_previous: 0.5, sampler: {num_steps: 2}}"
BASE = ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.logger", "false"]
BASE += ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
BASE += ["--trainer.num_sanity_val_steps", "0", "--trainer.limit_val_batches", "0"]
BASE += ["--data.config.num_workers", "0", "--data.config.repeats", "8"]
BASE += ["--data.config.batch_size", "4", "--data.config.evaluation_frames", "4"]
BASE += ["--model.optim.lr", "0.01", "--model.config.landmarks", LANDMARKS]
BASE += ["--model.config.talkformer", TALKFORMER]


class _OneVerb(JointCLI):
    """The parsers of other verbs would take as long as most runs here."""

    verb = "fit"

    @classmethod
    def subcommands(cls) -> dict[str, set[str]]:  # type: ignore[override]
        """Return one verb."""
        return offer(cls.verb)


def run(verb: str, people: Path, run_dir: Path, *arguments: str) -> StageCLI:
    """Run a command in this process."""
    given = ["--run_dir", str(run_dir), "--data.config.path", str(people)]
    kind: Any = type("OneVerb", (_OneVerb,), {"verb": verb})
    return kind(JointModule, JointDataModule, args=[verb, *BASE, *given, *arguments])


def popen(people: Path, run_dir: Path, *arguments: str, launcher: tuple[str, ...] = ()) -> Any:
    """Start training as a user does, by default as `python -m viseme_pipeline`."""
    given = ["--run_dir", str(run_dir), "--data.config.path", str(people)]
    command = [sys.executable, *launcher, "-m", "viseme_pipeline", "fit", *BASE, *given]
    return subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(run_dir.parent)},
    )


def start(people: Path, run_dir: Path, *arguments: str, launcher: tuple[str, ...] = ()) -> str:
    """Train in other processes and return what they said."""
    process = popen(people, run_dir, *arguments, launcher=launcher)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return said
