"""The script for Slurm, with a program in srun's place that says what it was asked for."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.pipeline.test_joint_configs import Parsers
from viseme_pipeline.datamodule import JointDataModule
from viseme_pipeline.module import JointModule

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "packages" / "pipeline" / "cluster" / "train.slurm"
SLURM = {"SLURM_JOB_ID": "7", "SLURM_NNODES": "2", "SLURM_TASKS_PER_NODE": "8(x2)"}


def asked(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run the script as Slurm would, on the first node."""
    srun = folder / "srun"
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(srun.stat().st_mode | stat.S_IXUSR)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=kept | {"PATH": f"{folder}:{os.environ['PATH']}"} | variables,
        check=False,
    )


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_the_script_asks_for_a_training_that_the_command_understands(tmp_path):
    more = ["--model.optim.lr", "2e-5"]
    ended = asked(tmp_path, *more, DATA="data/my clips", RUN=str(tmp_path / "run"), **SLURM)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    start = lines.index("viseme_pipeline")
    assert lines[start - 2 : start + 2] == [".venv/bin/python", "-m", "viseme_pipeline", "fit"]
    parser = Parsers(JointModule, JointDataModule, args=[], run=False).parser
    found = parser.parse_args(lines[start + 2 :])
    assert (found.trainer.num_nodes, found.trainer.devices) == (2, "8")
    assert (found.data.config.path, found.model.optim.lr) == ("data/my clips", 2e-5)
    assert (found.run_dir, found.ckpt_path) == (str(tmp_path / "run"), "last")


def test_the_script_trains_one_stage_if_asked(tmp_path):
    config = "packages/render/configs/autoencoder/small.yaml"
    ended = asked(tmp_path, STAGE="render.autoencoder", CONFIG=config, **SLURM)
    lines = ended.stdout.splitlines()
    assert "viseme_render.autoencoder" in lines
    assert lines[lines.index("--run_dir") + 1] == "runs/cluster/render.autoencoder/small"
    assert "--data.config.path" not in lines


def test_without_slurm_the_script_says_what_to_use(tmp_path):
    ended = asked(tmp_path)
    assert ended.returncode != 0
    assert "torchrun" in ended.stderr
