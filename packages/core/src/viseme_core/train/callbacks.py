"""Callbacks that every stage trains with: what a run says, draws and shows."""

import logging
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.callbacks.throughput_monitor import ThroughputMonitor
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from viseme_core.draws import Draws
from viseme_core.train.media import log_samples

logger = logging.getLogger(__name__)


class RunSummary(Callback):
    """Says before the first step, in one block, what the run will do."""

    @rank_zero_only
    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the block."""
        logger.info("%s", describe_run(trainer, pl_module))


def describe_run(trainer: L.Trainer, module: L.LightningModule) -> str:
    """Return one line each for parts, data, batch, precision, devices and output folder."""
    model = getattr(module, "model", module)
    parts = ", ".join(
        f"{name} {_size(part)}" for name, part in model.named_children() if _count(part)
    )
    datamodule = getattr(trainer, "datamodule", None)
    describe = getattr(datamodule, "describe", None)
    batch_size = getattr(datamodule, "batch_size", None)
    steps = trainer.accumulate_grad_batches * trainer.world_size
    batch = "as the loader gives" if batch_size is None else f"{batch_size * steps}"
    lines = {
        "parameters": f"{_size(model)} ({parts})" if parts else _size(model),
        "data": describe() if callable(describe) else "not described",
        "batch": f"{batch} per step (x{trainer.accumulate_grad_batches} accumulated, "
        f"x{trainer.world_size} processes)",
        "precision": str(trainer.precision),
        "devices": f"{trainer.num_devices} {trainer.strategy.root_device.type} per node, "
        f"{trainer.num_nodes} node(s), {type(trainer.strategy).__name__}",
        "output": trainer.default_root_dir,
    }
    return "\n".join(["this run:", *(f"  {key:<11}{value}" for key, value in lines.items())])


class StepSeed(Callback):
    """Seeds torch's own generators before every step, so that dropout too resumes exactly."""

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed by run, step and rank; processes hold different samples and drop differently."""
        seed = getattr(pl_module, "seed", 0)
        draws = Draws(seed, trainer.global_step, [trainer.global_rank])
        # 32 bits are all of a seed that torch's CPU generator uses. The batch is in the name
        # because accumulated batches share a step.
        torch.manual_seed(int(draws.integers(f"torch/{batch_idx}", 2**32)))


class StageThroughput(ThroughputMonitor):
    """Logs samples and batches per second, by Lightning's own monitor."""

    def __init__(self, window_size: int = 50) -> None:
        super().__init__(batch_size_fn=_batch_size, window_size=window_size)


class SampleLogger(Callback):
    """Writes what the module makes of a validation batch: plots, videos, sound.

    The module says what by `samples(batch) -> dict[str, figure | frames | AudioClip | str]`.

    Args:
        every_n_validations: How often; 1 is after every validation.
    """

    def __init__(self, every_n_validations: int = 1) -> None:
        self.every_n_validations = every_n_validations
        self._seen = 0

    def on_validation_batch_start(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write samples of the first batch."""
        if batch_idx or trainer.sanity_checking or not trainer.is_global_zero:
            return
        self._seen += 1
        writer = trainer.logger
        make = getattr(pl_module, "samples", None)
        due = self._seen % self.every_n_validations == 0
        if due and callable(make) and isinstance(writer, TensorBoardLogger):
            with torch.no_grad():
                samples: Any = make(batch)
            log_samples(writer.experiment, samples, trainer.global_step)


def _batch_size(batch: Any) -> int:
    while not isinstance(batch, torch.Tensor):
        batch = batch[-1]
    return len(batch)


def _count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _size(module: torch.nn.Module) -> str:
    count = _count(module)
    return f"{count / 1e6:.2f} M" if count >= 1e5 else f"{count:,}"
