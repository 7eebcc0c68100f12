"""Runs in processes of their own: two at once, and one that is killed."""

import csv
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from tests.core.train.runs import EMA, assert_same_weights, finish, fit, last, start, weights

# Lightning warns of its own deprecations and advises on loaders and loggers.
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


def validation_loss(run_dir: Path) -> float:
    (path,) = run_dir.glob("lightning_logs/*/metrics.csv")
    found = [row["val/loss"] for row in csv.DictReader(path.open()) if row["val/loss"]]
    return float(found[-1])


def test_two_processes_end_with_the_weights_and_the_validation_of_one(tmp_path):
    # Compared as exact float64 sums in another order: four steps leave about 1e-16. The 61
    # samples of validation are shared out as 31 and 30, in batches of 8 and of 4.
    common = ["--trainer.precision", "64-true", "--trainer.max_steps", "4",
              "--trainer.limit_train_batches", "4", "--model.optim.lr", "0.05",
              "--trainer.logger", "CSVLogger"]  # fmt: skip
    fit(tmp_path / "one", *common, "--data.batch_size", "8")
    two = start(tmp_path / "two", *common, "--data.batch_size", "4", "--trainer.devices", "2",
                "--trainer.strategy", "ddp")  # fmt: skip
    output = finish(two)
    assert "x2 processes" in output
    assert output.count("this run:") == 1
    for name, value in weights(tmp_path / "one").items():
        assert value.dtype == torch.float64
        torch.testing.assert_close(weights(tmp_path / "two")[name], value, rtol=0, atol=1e-10)
    losses = validation_loss(tmp_path / "one"), validation_loss(tmp_path / "two")
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


@pytest.mark.parametrize(
    "averaged", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["plain", "ema"]
)
def test_a_killed_and_resumed_run_ends_bit_for_bit_like_the_unbroken_one(tmp_path, averaged):
    # 20 steps are two and a half epochs of eight batches; a checkpoint every 3 steps falls within.
    # Windows are cut in worker processes before and after the kill, and without them unbroken.
    common = ["--trainer.max_steps", "20", "--save_every", "3", "--model.config.deep.dropout",
              "0.3", "--model.optim.lr", "0.05", "--model.optim.schedule", "cosine"]  # fmt: skip
    common += EMA if averaged else []
    fit(tmp_path / "whole", *common)

    workers = ["--data.num_workers", "2"]
    broken = start(tmp_path / "broken", *common, *workers, "--data.sleep_sec", "0.2")
    checkpoint = last(tmp_path / "broken")
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.15)
    os.kill(broken.pid, signal.SIGKILL)
    broken.communicate()
    state = torch.load(checkpoint, weights_only=True)
    assert 3 <= state["global_step"] < 20
    assert not (tmp_path / "broken" / "toy.safetensors").exists()

    fit(tmp_path / "broken", *common, *workers, "--ckpt_path", "last")
    assert_same_weights(tmp_path / "whole", tmp_path / "broken")
