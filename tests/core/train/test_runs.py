"""Whole runs of a toy stage, by StageCLI; in processes of their own where that is the point."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from viseme_core.checkpoint import load_stage
from viseme_core.train import OptimConfig, StageCLI

from tests.core.train import toy

# Lightning warns of its own deprecations and advises on loaders and loggers.
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)

TOY = Path(__file__).with_name("toy.py")
BASE = ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.logger", "false"]
BASE += ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
FLOAT64 = ["--trainer.precision", "64-true"]


def start(run_dir: Path, *arguments: str, verb: str = "fit") -> subprocess.Popen[str]:
    command = [sys.executable, str(TOY), verb, *BASE, "--run_dir", str(run_dir), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(run_dir.parent)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def fit(run_dir: Path, *arguments: str) -> None:
    options = [*BASE, "--run_dir", str(run_dir), *arguments]
    StageCLI(toy.ToyModule, toy.ToyDataModule, args=["fit", *options])


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 0, output
    return output


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return load_stage(run_dir, stage="toy").tensors


def test_two_processes_end_with_the_weights_of_one(tmp_path):
    # Compared as exact float64 sums in another order: four steps leave about 1e-16.
    common = [*FLOAT64, "--trainer.max_steps", "4", "--model.optim.lr", "0.05"]
    fit(tmp_path / "one", *common, "--data.batch_size", "8")
    two = start(tmp_path / "two", *common, "--data.batch_size", "4", "--trainer.devices", "2",
                "--trainer.strategy", "ddp")  # fmt: skip
    output = finish(two)
    assert "x2 processes" in output
    for name, value in weights(tmp_path / "one").items():
        assert value.dtype == torch.float64
        torch.testing.assert_close(weights(tmp_path / "two")[name], value, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    "averaged", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["plain", "ema"]
)
def test_a_killed_and_resumed_run_ends_bit_for_bit_like_the_unbroken_one(tmp_path, averaged):
    # 20 steps are two and a half epochs of eight batches; a checkpoint every 3 steps falls within.
    common = ["--trainer.max_steps", "20", "--save_every", "3", "--model.config.dropout", "0.3",
              "--model.optim.lr", "0.05", "--model.optim.schedule", "cosine"]  # fmt: skip
    if averaged:
        average = "lightning.pytorch.callbacks.EMAWeightAveraging"
        common += ["--trainer.callbacks+", average, "--trainer.callbacks.use_buffers", "false",
                   "--trainer.callbacks.decay", "0.8"]  # fmt: skip
    fit(tmp_path / "whole", *common)

    broken = start(tmp_path / "broken", *common, "--data.sleep_sec", "0.1")
    checkpoint = tmp_path / "broken" / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.15)
    os.kill(broken.pid, signal.SIGKILL)
    broken.communicate()
    state = torch.load(checkpoint, weights_only=True)
    assert 3 <= state["global_step"] < 20
    assert not (tmp_path / "broken" / "toy.safetensors").exists()

    fit(tmp_path / "broken", *common, "--ckpt_path", "last")
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "broken")
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name


def test_a_stage_file_starts_a_new_run_and_a_pickle_does_not(tmp_path, capsys):
    fit(tmp_path / "first", "--trainer.max_steps", "2")
    source = tmp_path / "first" / "toy.safetensors"
    again = ["--trainer.max_steps", "1", "--model.optim.lr", "1e-12", "--init_from", str(source)]
    fit(tmp_path / "second", *again)
    for name, value in weights(tmp_path / "first").items():
        torch.testing.assert_close(weights(tmp_path / "second")[name], value, rtol=0, atol=1e-9)

    trap = tmp_path / "trap.ckpt"
    torch.save({"state_dict": {}, "run": _Trap(tmp_path / "ran")}, trap)
    for option in ("--init_from", "--ckpt_path"):
        with pytest.raises(SystemExit) as stopped:
            fit(tmp_path / "third", option, str(trap))
        assert stopped.value.code == 2
        assert f"error: {trap}" in capsys.readouterr().err
        assert not (tmp_path / "ran").exists()


def test_a_run_told_to_go_on_where_nothing_is_starts_from_zero(tmp_path):
    fit(tmp_path / "run", "--trainer.max_steps", "1", "--ckpt_path", "last")
    assert weights(tmp_path / "run")


def test_a_finished_run_is_not_written_over(tmp_path, capsys):
    options = ["--trainer.max_steps", "2", "--save_every", "1"]
    fit(tmp_path / "run", *options)
    before = (tmp_path / "run" / "toy.safetensors").read_bytes()
    with pytest.raises(SystemExit) as stopped:
        fit(tmp_path / "run", *options, "--seed_everything", "5")
    assert stopped.value.code == 2
    assert "holds a run already" in capsys.readouterr().err
    assert (tmp_path / "run" / "toy.safetensors").read_bytes() == before
    fit(tmp_path / "run", *options, "--seed_everything", "5", "--overwrite", "true")
    assert (tmp_path / "run" / "toy.safetensors").read_bytes() != before


def test_an_exploding_loss_stops_the_run_with_advice(tmp_path):
    with pytest.raises(ValueError, match="train/loss is inf at step 10"):
        fit(tmp_path / "run", "--trainer.max_steps", "30", "--model.config.explode_at", "9")
    assert not (tmp_path / "run" / "toy.safetensors").exists()


def test_a_checkpoint_from_python_and_one_from_the_command_line_are_alike(tmp_path):
    fit(
        tmp_path / "run",
        "--trainer.max_steps",
        "1",
        "--save_every",
        "1",
        "--model.config.width",
        "5",
    )
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    module = toy.ToyModule.load_from_checkpoint(path, weights_only=True)
    assert module.config == toy.ToyConfig(width=5)
    stored = torch.load(path, weights_only=True)["hyper_parameters"]
    assert dict(stored) == dict(toy.ToyModule(toy.ToyConfig(width=5), OptimConfig()).hparams)


def test_the_stored_config_beats_the_command_line_when_a_run_is_resumed(tmp_path):
    options = ["--save_every", "1", "--model.config.width"]
    fit(tmp_path / "run", "--trainer.max_steps", "1", *options, "5")
    fit(tmp_path / "run", "--trainer.max_steps", "2", *options, "9", "--ckpt_path", "last")
    assert weights(tmp_path / "run")["net.0.weight"].shape == (5, 4)


def test_help_teaches_with_the_words_of_the_docstrings(capsys):
    with pytest.raises(SystemExit):
        StageCLI(toy.ToyModule, toy.ToyDataModule, args=["fit", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "Share of hidden units that are dropped in training." in text
    assert "Learning rate after warm-up." in text
    assert "Stage file or checkpoint whose weights a new run starts from" in text


def test_an_unknown_key_is_refused_by_name(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        fit(tmp_path / "run", "--model.config.widht", "5")
    assert stopped.value.code == 2
    assert "widht" in capsys.readouterr().err


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))
