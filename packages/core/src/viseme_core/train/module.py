"""The LightningModule that every stage's module derives from: steps, logging, optimizer."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import lightning as L
import torch
from torch import Tensor, nn

from viseme_core.checkpoint import HEADER_KEY, StageHeader, header_to_plain
from viseme_core.config import to_plain
from viseme_core.draws import Draws
from viseme_core.train.loader import EVALUATION
from viseme_core.train.optim import OptimConfig, build_optimizer, build_schedule
from viseme_core.train.systems import stored_config

SEED_KEY = "viseme_seed"


class StageModule(L.LightningModule):
    """Trains a stage's model: `model.loss(batch, draws)` returns named scalars, `loss` the total.

    A stage derives from it, names its `stage` and says in `header` what its files hold. Exactly
    `config` and `optim` are stored as hyperparameters, as plain values, so that a checkpoint made
    from Python and one made from the command line are alike.

    Args:
        model: The model to train; registered as `model`.
        config: The stage's config dataclass.
        optim: Optimizer and schedule.
    """

    stage: ClassVar[str]
    flops_per_batch: int | None = None
    """For Lightning's throughput monitor; None leaves utilisation out."""

    def __init__(self, model: nn.Module, config: Any, optim: OptimConfig) -> None:
        super().__init__()
        self.save_hyperparameters({"config": stored_config(config), "optim": to_plain(optim)})
        self.model: Any = model
        self.config = config
        self.optim = optim
        self._sums: dict[str, Any] = {}
        self._counts: dict[str, int] = {}
        # Lightning passes the seed of seed_everything to every process it starts by this variable.
        self.seed = int(os.environ.get("PL_GLOBAL_SEED", "0"))

    def header(self) -> StageHeader:
        """Return what the stage files of this module say of themselves."""
        raise TypeError(f"{type(self).__name__} must define header()")

    def stage_files(self) -> dict[str, tuple[Mapping[str, Tensor], StageHeader]]:
        """Return tensors and header by name of the stage files that a finished run leaves.

        A module that trains several stages returns one of each, under the names of those stages.
        """
        return {self.stage: (self.model.state_dict(), self.header())}

    def on_weights_from(self, header: StageHeader) -> None:
        """Take over what the header of `--init_from` says beyond the config, if anything."""

    def batch_index(self, batch: Any) -> Tensor:
        """Return the data-set index of each sample of a batch."""
        return batch.index_B

    def losses(self, batch: Any, draws: Draws) -> dict[str, Tensor]:
        """Return the named scalars of one batch; `loss` is what is minimised."""
        return self.model.loss(batch, draws)

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        """Return the parameters by group name; joint modules have one group per stage."""
        return {self.stage: self.model.parameters()}

    def on_test_end(self) -> None:
        """Write what `test` found into `test.json` of the run's folder, whole or not at all."""
        if not self.trainer.is_global_zero:
            return
        found = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        path = Path(self.trainer.default_root_dir) / "test.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whoever waits for it may look at any time.
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(path)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of one batch and log its parts as `train/...`."""
        index = self.batch_index(batch)
        losses = self.losses(batch, Draws(self.seed, self.global_step, index))
        named = {f"train/{name}": value.detach() for name, value in losses.items()}
        self.log("train/loss", named.pop("train/loss"), prog_bar=True, batch_size=len(index))
        self.log_dict(named, batch_size=len(index))
        return losses["loss"]

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Add up the losses of one batch, with the same draws at every validation."""
        index = self.batch_index(batch)
        losses = self.losses(batch, Draws(self.seed, EVALUATION, index))
        for name, value in losses.items():
            self.add_score(name, value, len(index))

    def add_score(self, name: str, value: Tensor, count: int = 1) -> None:
        """Add a number to the mean that is logged as `val/<name>` or `test/<name>` at the end.

        Args:
            name: What it is; every process must name it, or they wait for each other forever.
            value: Its mean over some samples.
            count: How many these are; 0 where there is no such number, whatever the value.
        """
        # Half precision would not hold a sum over a data set.
        value = value.detach().to(torch.promote_types(value.dtype, torch.float32))
        self._sums[name] = self._sums.get(name, 0) + (
            value * count if count else torch.zeros_like(value)
        )
        self._counts[name] = self._counts.get(name, 0) + count

    def on_validation_epoch_end(self) -> None:
        """Log the means over all samples of all processes as `val/...`."""
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        """Log the means over all samples of all processes as `test/...`."""
        self._log_scores("test")

    def _log_scores(self, part: str) -> None:
        # Lightning's own mean divides by the whole part of the mean number of samples per process,
        # which is wrong where 61 samples are shared between two.
        reduce = self.trainer.strategy.reduce
        for name, value in self._sums.items():
            both = torch.stack([value, value.new_tensor(self._counts[name])]).to(self.device)
            total, count = reduce(both, reduce_op="sum")
            if count:
                self.log(f"{part}/{name}", total / count, sync_dist=True)
        self._sums, self._counts = {}, {}

    def configure_optimizers(self) -> Any:
        """Return optimizer and per-step schedule as `optim` says."""
        optimizer = build_optimizer(self.parameter_groups(), self.optim)
        # Lightning works the run's length out from its data, which a constant rate can do without.
        needs_length = self.optim.schedule != "constant" and self.optim.decay_steps is None
        steps = self.trainer.estimated_stepping_batches if needs_length else None
        run_steps = int(steps) if steps is not None and steps != float("inf") else None
        schedule = build_schedule(optimizer, self.optim, run_steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write header and seed beside the weights."""
        checkpoint[HEADER_KEY] = header_to_plain(self.header())
        checkpoint[SEED_KEY] = self.seed

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over the seed, so that a resumed run draws what the unbroken one would."""
        self.seed = checkpoint.get(SEED_KEY, self.seed)
