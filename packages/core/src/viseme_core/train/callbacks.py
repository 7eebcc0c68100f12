"""Callbacks that every stage trains with."""

import logging
import math
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.callbacks.throughput_monitor import ThroughputMonitor
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from viseme_core.checkpoint import save_stage
from viseme_core.train.media import log_samples
from viseme_core.train.module import StageModule

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
        torch.manual_seed(hash((seed, trainer.global_step, batch_idx, trainer.global_rank)))


class StageThroughput(ThroughputMonitor):
    """Logs samples and batches per second, by Lightning's own monitor."""

    def __init__(self, window_size: int = 50) -> None:
        super().__init__(batch_size_fn=_batch_size, window_size=window_size)


class NonFiniteGuard(Callback):
    """Stops a run whose loss is no number, instead of training on to nothing.

    Args:
        every_n_steps: How often to look; looking makes the CPU wait for the GPU.
    """

    def __init__(self, every_n_steps: int = 10) -> None:
        self.every_n_steps = every_n_steps

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Look at the loss."""
        if trainer.global_step % self.every_n_steps:
            return
        loss = float(outputs["loss"] if isinstance(outputs, dict) else outputs)
        if not math.isfinite(loss):
            raise ValueError(
                f"train/loss is {loss} at step {trainer.global_step}; the last good checkpoint is "
                "kept: lower optim.lr, clip with --trainer.gradient_clip_val 1, or look at the data"
            )


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


class StageExport(Callback):
    """Writes `<stage>.safetensors` into the run's folder when training ends.

    With averaged weights in use it holds the average, as validation saw it.
    """

    @rank_zero_only
    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the stage file."""
        if isinstance(pl_module, StageModule) and not trainer.interrupted:
            # Not trainer.log_dir: asking for it is a collective call, and this is rank zero alone.
            path = Path(trainer.default_root_dir) / f"{pl_module.stage}.safetensors"
            save_stage(path, pl_module.model.state_dict(), pl_module.header())
            logger.info("wrote %s", path)


def _batch_size(batch: Any) -> int:
    while not isinstance(batch, torch.Tensor):
        batch = batch[-1]
    return len(batch)


def _count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _size(module: torch.nn.Module) -> str:
    count = _count(module)
    return f"{count / 1e6:.2f} M" if count >= 1e5 else f"{count:,}"
