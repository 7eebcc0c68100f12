"""The LightningModule that trains autoencoders."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from viseme_core.checkpoint import StageHeader
from viseme_core.config import to_plain
from viseme_core.train.module import StageModule
from viseme_core.train.optim import OptimConfig
from viseme_eval.functional.image import psnr
from viseme_render.autoencoder.batch import PictureBatch
from viseme_render.autoencoder.config import STAGE, AutoencoderTrainingConfig
from viseme_render.autoencoder.model import AutoencoderModel
from viseme_render.features import build_perceptual

SHOWN = 6
"""Pictures in what validation shows."""
MEASURED = 16
"""Batches of validation, per process, that the scale of the finished weights is measured on."""


class AutoencoderModule(StageModule):
    """Trains an autoencoder.

    Validation adds `psnr`, of pictures as they come back from their mode, in dB. It also measures
    the scale of the latents; the last word on it is measured when training ends.

    Args:
        config: The autoencoder and its losses.
        optim: Optimizer and schedule; groups are `autoencoder` and, with a critic, `critic`.
    """

    stage = STAGE

    def __init__(self, config: AutoencoderTrainingConfig, optim: OptimConfig | None = None) -> None:
        optim = optim or OptimConfig(name="adam", lr=4.5e-6, betas=(0.5, 0.9))
        model = AutoencoderModel(config, build_perceptual(config.loss, where="loss"))
        super().__init__(model, config, optim)
        self._moments = torch.zeros(3, dtype=torch.float64)

    @property
    def picture_size(self) -> int:
        """Side of the training pictures in pixels."""
        return self.config.size

    def header(self) -> StageHeader:
        """Return what stage files say."""
        return StageHeader(stage=STAGE, system=self.config.net.kind, config=to_plain(self.config))

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        """Return autoencoder and critic apart."""
        model: AutoencoderModel = self.model
        groups: dict[str, Iterable[nn.Parameter]] = {STAGE: model.autoencoder.parameters()}
        if model.critic is not None:
            groups["critic"] = model.critic.parameters()
        return groups

    def validation_step(self, batch: PictureBatch, batch_idx: int) -> None:
        """Add up losses, decibels and moments of latents."""
        made = self.model.reconstruct(batch)
        count = len(made.picture_B3HW)
        for name, value in self.model.losses_of(made, batch, step=-1).items():
            self.add_score(name, value, count)
        true_B3HW = batch.frames_BT3HW.flatten(0, 1)
        self.add_score("psnr", psnr(made.picture_B3HW.clamp(-1, 1), true_B3HW).mean(), count)
        self._add_moments(made.raw_BZhw)

    def on_validation_epoch_end(self) -> None:
        """Log the means and set the scale."""
        super().on_validation_epoch_end()
        self._set_scale()

    @torch.no_grad()
    def on_train_end(self) -> None:
        """Measure the scale of the finished weights, averages where there are such, on new data."""
        trainer: Any = self.trainer
        self.eval()
        for given in islice(trainer.datamodule.val_dataloader(), MEASURED):
            batch = trainer.strategy.batch_to_device(given)
            self._add_moments(self.model.autoencoder.raw_latents(batch.frames_BT3HW.flatten(0, 1)))
        self._set_scale()

    def _add_moments(self, raw_BZhw: Tensor) -> None:
        raw = raw_BZhw.detach().double()
        found = torch.stack([raw.new_tensor(raw.numel()), raw.sum(), raw.square().sum()])
        self._moments = self._moments.to(found.device) + found

    def _set_scale(self) -> None:
        total = self.trainer.strategy.reduce(self._moments.to(self.device), reduce_op="sum")
        self._moments = torch.zeros(3, dtype=torch.float64)
        count, plain, squares = (float(value) for value in total)
        if count:
            variance = squares / count - (plain / count) ** 2
            self.model.autoencoder.set_scale(max(variance, 0.0) ** 0.5)

    def samples(self, batch: PictureBatch) -> dict[str, Any]:
        """Return pictures for TensorBoard: true ones above those that came back."""
        few = batch._replace(frames_BT3HW=batch.frames_BT3HW[:SHOWN, :1])
        made_B3HW = self.model.reconstruct(few).picture_B3HW
        rows = (few.frames_BT3HW[:, 0], made_B3HW)
        return {"val/pictures": torch.cat([torch.cat(tuple(row), -1) for row in rows], -2)}
