"""What a run leaves on the disk: the newest checkpoint, stage files, and never a broken weight."""

import logging
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from viseme_core.checkpoint import save_stage
from viseme_core.train.module import StageModule
from viseme_core.train.run_folder import LAST

logger = logging.getLogger(__name__)


class NonFiniteGuard(Callback):
    """Stops a run whose loss or weights are no numbers, before any checkpoint of them is written.

    Every few batches it looks at the loss (where a manually optimized module returns none, at the
    weights), and before every checkpoint, whichever callback writes it, at loss and weights.

    Args:
        every_n_batches: How often to look; looking makes the CPU wait for the GPU.
    """

    def __init__(self, every_n_batches: int = 10) -> None:
        self.every_n_batches = every_n_batches
        self._seen = 0
        self._loss: Tensor | None = None

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Look at the loss."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        self._loss = loss.detach() if isinstance(loss, Tensor) else None
        self._seen += 1
        if self._seen % self.every_n_batches == 0:
            self._check(trainer, pl_module, with_weights=self._loss is None)

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Look at loss and weights; an error here keeps the older checkpoint as it was."""
        self._check(trainer, pl_module, with_weights=True)

    def _check(self, trainer: L.Trainer, module: L.LightningModule, *, with_weights: bool) -> None:
        values = {} if self._loss is None else {"train/loss": self._loss}
        if with_weights:
            values |= dict(module.named_parameters())
        bad = [name for name, value in values.items() if not torch.isfinite(value).all()]
        # Agreed, because each process has a loss of its own: one alone would leave the others
        # waiting for it.
        if trainer.strategy.reduce_boolean_decision(not bad, all=True):
            return
        found = f"{bad[0]} is {_worst(values[bad[0]])}" if bad else "train/loss of another process"
        raise ValueError(
            f"{found} at step {trainer.global_step}, no finite number; the last good checkpoint is "
            "kept: lower optim.lr, clip with --trainer.gradient_clip_val 1, or look at the data"
        )


class LastCheckpoint(Checkpoint):
    """Keeps the newest state of a run as `last.ckpt`, replaced at one stroke.

    It saves every so many steps, and with the last batch of the run. There, not when training has
    ended: by then Lightning counts a broken-off epoch as a whole one, and averaged weights have
    taken the place of the trained ones, so that going on would not be exact.

    A run that something else stops between two batches of one accumulated step loses the gradients
    of that step.

    Args:
        folder: Folder of `last.ckpt`.
        every_n_steps: Steps between two saves.
    """

    def __init__(self, folder: Path, every_n_steps: int = 1000) -> None:
        if every_n_steps < 1:
            raise ValueError(f"save_every must be at least 1, got {every_n_steps}")
        self.path = folder / LAST
        self.every_n_steps = every_n_steps
        self._saved_step = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count from the step that the run starts at."""
        self._saved_step = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save if it is time, or if this was the last batch of the run."""
        # Manual optimization counts several steps a batch, which may jump over a multiple.
        periods = (
            trainer.global_step // self.every_n_steps,
            self._saved_step // self.every_n_steps,
        )
        if periods[0] > periods[1] or _ends_with_this_batch(trainer):
            self._save(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save if this validation stopped the run early."""
        if _stops_early(trainer):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save if the end of this epoch stopped the run early."""
        if _stops_early(trainer):
            self._save(trainer)

    def _save(self, trainer: L.Trainer) -> None:
        if trainer.global_step != self._saved_step:
            trainer.save_checkpoint(self.path, weights_only=False)
            self._saved_step = trainer.global_step


class StageExport(Callback):
    """Writes the module's stage files into the run's folder when training ends.

    With averaged weights in use they hold the average, as validation saw it.
    """

    def __init__(self) -> None:
        self._has_trained = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note that there was something to train."""
        self._has_trained = True

    @rank_zero_only
    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the stage files."""
        if not isinstance(pl_module, StageModule) or trainer.interrupted:
            return
        if not self._has_trained and trainer.ckpt_path:
            # Resumed at its end. Averages take the place of weights only when training ends, but
            # a checkpoint holds them as its weights.
            content = torch.load(trainer.ckpt_path, map_location="cpu", weights_only=True)
            pl_module.load_state_dict(content["state_dict"])
        for name, (tensors, header) in pl_module.stage_files().items():
            # Not trainer.log_dir: asking for it is a collective call, and this is rank zero alone.
            path = Path(trainer.default_root_dir) / f"{name}.safetensors"
            save_stage(path, tensors, header)
            logger.info("wrote %s", path)


class RunConfig(SaveConfigCallback):
    """Writes the full config of a fit as `config.yaml` into the run's folder."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Write it, if this is a fit: a validation leaves the config of its run alone."""
        if stage == "fit":
            super().setup(trainer, pl_module, stage)

    def save_config(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Write into the run's folder, whichever logger is in use."""
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        self.parser.save(
            self.config, folder / self.config_filename, skip_none=False, overwrite=True
        )


def _ends_with_this_batch(trainer: L.Trainer) -> bool:
    if 0 <= trainer.max_steps <= trainer.global_step or _stops_early(trainer):
        return True
    last_epoch = trainer.max_epochs is not None and trainer.current_epoch + 1 == trainer.max_epochs
    return last_epoch and trainer.is_last_batch


def _stops_early(trainer: L.Trainer) -> bool:
    # A run goes on over should_stop until trainer.min_steps and min_epochs are reached.
    return trainer.should_stop and trainer.fit_loop._can_stop_early


def _worst(value: Tensor) -> float:
    return float(value.flatten()[(~torch.isfinite(value)).flatten()][0])
