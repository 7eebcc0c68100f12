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
TALK_NET = "{widths: [8, 16, 16], blocks: 1, groups: 4, head_width: 8, landmark_width: 12}"
BASE = ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.logger", "false"]
BASE += ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
BASE += ["--trainer.num_sanity_val_steps", "0", "--trainer.limit_val_batches", "0"]
BASE += ["--data.config.num_workers", "0", "--data.config.repeats", "8"]
BASE += ["--data.config.batch_size", "4", "--data.config.frames", "1"]
BASE += ["--data.config.evaluation_frames", "6", "--model.optim.lr", "0.01"]
SYSTEMS = {
    "pirender": [
        *("--model.config.system", "pirender", "--model.config.pirender.net", NET),
        *("--model.config.pirender.warp_steps", "2", "--model.config.pirender.loss.scales", "2"),
    ],
    "talkformer": [
        *("--model.config.system", "talkformer", "--model.config.talkformer.net", TALK_NET),
        *("--model.config.talkformer.size", "32", "--model.config.talkformer.window", "2"),
        *("--model.config.talkformer.sampler.num_steps", "2"),
        *("--data.config.samples", "successive", "--data.config.frames", "2"),
    ],
}
"""Arguments of each system's smallest model."""


class _OneVerb(RenderCLI):
    """The parsers of other verbs would take as long as most runs here."""

    verb = "fit"

    @classmethod
    def subcommands(cls) -> dict[str, set[str]]:  # type: ignore[override]
        """Return one verb."""
        return offer(cls.verb)


def run(
    verb: str, speakers: Path, run_dir: Path, *arguments: str, system: str = "pirender"
) -> StageCLI:
    """Run a command in this process."""
    given = [*BASE, *SYSTEMS[system]]
    given += ["--run_dir", str(run_dir), "--data.config.path", str(speakers)]
    kind = type("OneVerb", (_OneVerb,), {"verb": verb})
    return kind(RenderModule, RenderDataModule, args=[verb, *given, *arguments])


def start(speakers: Path, run_dir: Path, *arguments: str, system: str = "pirender") -> str:
    """Train by `python -m viseme_render` and return what it said."""
    given = [*BASE, *SYSTEMS[system]]
    given += ["--run_dir", str(run_dir), "--data.config.path", str(speakers)]
    ended = subprocess.run(
        [sys.executable, "-m", "viseme_render", "fit", *given, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(run_dir.parent)},
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr
