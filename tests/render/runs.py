"""Short training runs of the render stage, in this process or in others."""

import os
import subprocess
import sys
from pathlib import Path

from viseme_core.train.cli import StageCLI, offer
from viseme_render.cli import RenderCLI
from viseme_render.datamodule import RenderDataModule
from viseme_render.module import RenderModule

NET = "{size: 32, patch: 2, kernel: 3, descriptor: 8, max_width: 8, warp_width: 4, warp_down: 2, "
NET += (
    "warp_up: 1, edit_width: 4, edit_down: 1, edit_blocks: 1, knows_reference: true, blend: true}"
)
BASE = ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.logger", "false"]
BASE += ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
BASE += ["--trainer.num_sanity_val_steps", "0", "--trainer.limit_val_batches", "0"]
BASE += ["--data.config.num_workers", "0", "--data.config.repeats", "8"]
BASE += ["--data.config.batch_size", "4", "--data.config.frames", "1"]
BASE += ["--data.config.evaluation_frames", "6", "--model.optim.lr", "0.01"]
BASE += ["--model.config.system", "pirender", "--model.config.pirender.net", NET]
BASE += ["--model.config.pirender.warp_steps", "2", "--model.config.pirender.loss.scales", "2"]


class _OneVerb(RenderCLI):
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
    return kind(RenderModule, RenderDataModule, args=[verb, *BASE, *given, *arguments])


def start(speakers: Path, run_dir: Path, *arguments: str) -> str:
    """Train by `python -m viseme_render` and return what it said."""
    given = ["--run_dir", str(run_dir), "--data.config.path", str(speakers)]
    ended = subprocess.run(
        [sys.executable, "-m", "viseme_render", "fit", *BASE, *given, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(run_dir.parent)},
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr
