"""The LightningModules of the motion stage: the generators, and the lip experts before them."""

from typing import Any

import torch
from torch import Tensor

from viseme_core.batches import MotionBatch
from viseme_core.checkpoint import StageHeader
from viseme_core.config import to_plain
from viseme_core.diffusion import SamplerConfig
from viseme_core.train.expert import ExpertModule
from viseme_core.train.module import StageModule
from viseme_core.train.optim import OptimConfig
from viseme_core.train.systems import stored_config
from viseme_motion.build import EXPERT_STAGE, STAGE, build_model, load_expert
from viseme_motion.config import MotionConfig, open_face_model, pinned
from viseme_motion.datamodule import MotionDataModule
from viseme_motion.experts import ExpertConfig, LipExpert
from viseme_motion.generation import generate_windows
from viseme_motion.monitor import MotionMonitor

FILM_FRAMES = 75
"""Frames of the mesh video that validation shows."""


class MotionModule(StageModule):
    """Trains voice to motion.

    Args:
        config: The model.
        optim: Optimizer and schedule.
        sampler: How validation generates motion; DPM-Solver++ gets along with few steps.
    """

    stage = STAGE

    def __init__(
        self,
        config: MotionConfig,
        optim: OptimConfig | None = None,
        sampler: SamplerConfig | None = None,
    ) -> None:
        optim = optim or OptimConfig(name="adam")
        face_model = open_face_model(config.face_model)
        self._pinned = pinned(config, face_model.name)
        expert = None
        if config.needs_expert():
            if config.expert is None:
                raise ValueError(
                    f"the sync loss needs a lip expert: train one by `make train-lip-expert "
                    f"SYSTEM={config.system}` and name its file by model.config.expert, or set "
                    f"model.config.{config.system}.sync to false"
                )
            expert = load_expert(config.expert, self._pinned, face_model)
        super().__init__(build_model(self._pinned, face_model.name, expert), config, optim)
        self.sampler = sampler or SamplerConfig(solver="dpm++", num_steps=8)
        self.face_model_name = face_model.name
        self._monitor = MotionMonitor(face_model)

    def header(self) -> StageHeader:
        """Return what stage files say: enough to build the model without what trained it."""
        plain = stored_config(self._pinned)
        plain["expert"] = None
        plain["face_model"] = self.face_model_name
        return StageHeader(
            stage=self.stage,
            system=self.config.system,
            config=plain,
            audio=to_plain(self.config.audio),
            face_model=self.face_model_name,
        )

    def on_fit_start(self) -> None:
        """Measure the training data's mean and spread, unless weights came with their own."""
        scales = (self.model.motion_scale, self.model.audio_scale)
        if not any(scale.is_set for scale in scales):
            moments = _moments_of(self.trainer, self.config, self.face_model_name)
            parts = [moments[name].moments() for name in ("expression", "pose")]
            mean, std = (
                torch.cat(part)[: self.model.channels] for part in zip(*parts, strict=True)
            )
            self.model.motion_scale.set(mean, std)
            self.model.audio_scale.set(*moments["audio"].moments())

    def validation_step(self, batch: MotionBatch, batch_idx: int) -> None:
        """Add up the losses of windows and the scores of motion generated for the whole samples."""
        super().validation_step(_shortened(batch, self.model.windows.length), batch_idx)
        found_BTC = self._generate(batch)
        mean_C = self.model.motion_scale.mean[: batch.expression_BTC.shape[-1]]
        for i, mask_T in enumerate(batch.mask_BT):
            scores = self._monitor.scores(
                found_BTC[i, mask_T, : len(mean_C)].cpu(),
                batch.expression_BTC[i, mask_T].cpu(),
                mean_C.cpu(),
                batch.identity_BI[i].cpu(),
            )
            for name, value in scores.items():
                self.add_score(name, value, int(value.isfinite()))

    def samples(self, batch: MotionBatch) -> dict[str, Any]:
        """Return curves and a mesh video of the first sample, for TensorBoard."""
        first = MotionBatch._make(values[:1].cpu() for values in batch)
        found_TC = self._generate(batch)[0, :, : first.expression_BTC.shape[-1]].cpu()
        both = (found_TC, first.expression_BTC[0])
        identity_I = first.identity_BI[0]
        film = self._monitor.film(*(each[:FILM_FRAMES] for each in both), identity_I)
        return {"val/lips": self._monitor.plot(*both, identity_I), "val/mesh": film}

    def _generate(self, batch: MotionBatch) -> Tensor:
        voices = batch.index_B.tolist()
        return generate_windows(
            self.model, batch.audio_BTA, self.sampler, seed=self.seed, voices=voices
        )


class LipExpertModule(ExpertModule):
    """Trains a lip expert.

    Args:
        config: The expert.
        optim: Optimizer and schedule.
    """

    stage = EXPERT_STAGE

    def __init__(self, config: ExpertConfig, optim: OptimConfig | None = None) -> None:
        face_model = open_face_model(config.face_model)
        expert = LipExpert(config, face_model)
        super().__init__(expert, config, optim or OptimConfig(name="adam"))
        self.face_model_name = face_model.name

    def header(self) -> StageHeader:
        """Return what stage files say."""
        plain = to_plain(self.config)
        plain["lip"] = list(self.model.lips)
        plain["face_model"] = self.face_model_name
        return StageHeader(
            stage=self.stage,
            system=self.config.system,
            config=plain,
            audio=to_plain(self.config.audio),
            face_model=self.face_model_name,
        )

    def on_fit_start(self) -> None:
        """Measure the training data's mean and spread, unless weights came with their own."""
        if not self.model.audio_scale.is_set:
            moments = _moments_of(self.trainer, self.config, self.face_model_name)
            self.model.motion_scale.set(*moments["expression"].moments())
            self.model.audio_scale.set(*moments["audio"].moments())

    def pair(self, batch: MotionBatch) -> tuple[Tensor, Tensor]:
        """Return what the expert sees and hears of a batch."""
        return self.model.pair(batch)


def _moments_of(trainer: Any, config: MotionConfig | ExpertConfig, face_model: str) -> Any:
    """Return the training data's moments, having checked that the data are what `config` says."""
    data: MotionDataModule = trainer.datamodule
    source = data.source("train")
    if source.face_model != face_model:
        raise ValueError(
            f"{source.where} was prepared with face model {source.face_model!r}, the model's "
            f"config says {face_model!r}; prepare the data again or set model.config.face_model"
        )
    heard = source.audio[data.config.audio]
    ours = to_plain(config.audio)
    # A fingerprint that the config leaves open pins nothing.
    differing = [k for k, v in ours.items() if v is not None and heard.get(k) != v]
    if differing:
        raise ValueError(
            f"{source.where} was prepared with audio {heard!r}, model.config.audio is {ours!r}; "
            f"set it to what the data say"
        )
    moments = data.moments()
    width = len(moments["audio"].moments()[0])
    if width != config.audio_dim:
        raise ValueError(
            f"{source.where} has audio features of width {width}; set model.config.audio_dim to it"
        )
    return moments


def _shortened(batch: MotionBatch, length: int) -> MotionBatch:
    """Return a batch with at most `length` frames."""
    cut = {
        name: getattr(batch, name)[:, :length]
        for name in ("expression_BTC", "pose_BT6", "audio_BTA", "mask_BT")
    }
    return batch._replace(**cut)
