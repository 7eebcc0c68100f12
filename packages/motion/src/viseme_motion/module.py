"""The LightningModules of the motion stage: the generators, and the lip experts before them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from viseme_core.batches import MotionBatch
from viseme_core.checkpoint import StageHeader
from viseme_core.config import to_plain
from viseme_core.diffusion import SamplerConfig
from viseme_core.draws import Draws
from viseme_core.frozen import Frozen
from viseme_core.train.expert import ExpertModule
from viseme_core.train.module import StageModule
from viseme_core.train.optim import OptimConfig
from viseme_core.train.systems import stored_config
from viseme_core.types import NUM_EXPRESSION, Motion
from viseme_motion.build import (
    EXPERT_STAGE,
    STAGE,
    build_model,
    load_expert,
    load_judge,
    load_listener,
)
from viseme_motion.config import MotionConfig, open_face_model, pinned
from viseme_motion.experts import ExpertConfig, LipExpert
from viseme_motion.generation import generate_windows
from viseme_motion.judging import choose_shift, head_scores, sync_scores
from viseme_motion.monitor import MotionMonitor
from viseme_motion.motion_file import save_motion
from viseme_motion.training_data import check_data, moments_of, pin_encoder

FILM_FRAMES = 75
"""Frames of the mesh video that validation shows."""


class MotionModule(StageModule):
    """Trains voice to motion.

    Args:
        config: The model.
        optim: Optimizer and schedule.
        sampler: How validation generates motion; DPM-Solver++ gets along with few steps.
        judge: Stage file of a lip expert that validation and test measure sync with; not the one
            that training listens to, which the model has learned to please.
    """

    stage = STAGE

    def __init__(
        self,
        config: MotionConfig,
        optim: OptimConfig | None = None,
        sampler: SamplerConfig | None = None,
        judge: str | None = None,
    ) -> None:
        optim = optim or OptimConfig(name="adam")
        face_model = open_face_model(config.face_model)
        whole = pinned(config, face_model.name)
        expert = None
        if config.needs_expert() and config.expert is not None:
            expert = load_expert(config.expert, whole, face_model)
        listener = None
        if config.listener is not None:
            listener = load_listener(config.listener, whole, face_model.name)
            # Checkpoints hold it, so that its file may go.
            config = replace(config, listener=None, listens=listener.config)
            whole = replace(whole, listener=None, listens=listener.config)
        super().__init__(build_model(whole, face_model, expert), config, optim)
        if listener is not None:
            self.model.hearing.listener.load_state_dict(listener.state_dict())
            # The listener knows sound in units of what it was trained on.
            self.model.audio_scale.load_state_dict(listener.audio_scale.state_dict())
            pin_encoder(self, to_plain(listener.config.audio))
        self.sampler = sampler or SamplerConfig(solver="dpm++", num_steps=8)
        self.face_model_name = face_model.name
        self._monitor = MotionMonitor(face_model)
        if expert is not None:
            pin_encoder(self, to_plain(expert.config.audio))
        self._judge = None
        if judge is not None:
            listener = load_judge(judge, self.config, face_model)
            pin_encoder(self, to_plain(listener.config.audio))
            self._judge = Frozen(listener)
        self._clips: list[tuple[str, str]] = []

    def header(self) -> StageHeader:
        """Return what stage files say: enough to build the model without what trained it."""
        plain = stored_config(pinned(self.config, self.face_model_name))
        return _header(self, {**plain, "expert": None}, self.face_model_name)

    def check_expert(self) -> None:
        """Raise ValueError if there is no lip expert for the sync loss; only losses need it."""
        if self.config.needs_expert() and self.config.expert is None:
            raise ValueError(
                f"the sync loss needs a lip expert: train one by `make train-lip-expert "
                f"SYSTEM={self.config.system}` and name its file by model.config.expert, or set "
                f"model.config.{self.config.system}.sync to false"
            )

    def on_validation_start(self) -> None:
        """Refuse to leave the sync loss out without a word, and data that do not fit."""
        self.check_expert()
        check_data(self, "val")

    def on_test_start(self) -> None:
        """Refuse data that do not fit; note which clip and language each sample is of."""
        check_data(self, "test")
        self._clips = self.trainer.datamodule.clips_of("test")  # type: ignore[attr-defined]

    def on_predict_start(self) -> None:
        """Refuse data that do not fit."""
        check_data(self, "test")

    def on_weights_from(self, header: StageHeader) -> None:
        """Take over which weights of the audio encoder these weights listened to."""
        pin_encoder(self, header.audio)

    def on_fit_start(self) -> None:
        """Measure the training data's mean and spread, unless weights came with their own."""
        self.check_expert()
        check_data(self, "train")
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        frames, length = data.config.frames, self.model.windows.length
        if frames < length:
            raise ValueError(
                f"data.config.frames must be at least model.config.windows.length = {length}, or "
                f"nothing trains windows of that length; got {frames}"
            )
        if not self.model.motion_scale.is_set:
            moments = moments_of(data, self.config)
            is_centred = self.config.system == "fd2talk" and self.config.fd2talk.centre_pose
            spread = ("expression", "pose_within" if is_centred else "pose")
            mean = torch.cat([moments[name].moments()[0] for name in ("expression", "pose")])
            std = torch.cat([moments[name].moments()[1] for name in spread])
            channels = self.model.channels
            self.model.motion_scale.set(mean[:channels], std[:channels])
            if not self.model.audio_scale.is_set:
                self.model.audio_scale.set(*moments["audio"].moments())

    def validation_step(self, batch: MotionBatch, batch_idx: int) -> None:
        """Add up the losses of windows and the scores of motion generated for the whole samples."""
        super().validation_step(batch, batch_idx)
        self._score(batch, self._generate(batch.audio_BTA, batch))

    def test_step(self, batch: MotionBatch, batch_idx: int) -> None:
        """Add up the scores of motion generated for whole samples, also from the wrong sound."""
        self._score(batch, self._generate(batch.audio_BTA, batch))
        # A batch of one has no other sound, but must name the scores like all others.
        has_other = len(batch.index_B) > 1
        shift = choose_shift([self._clips[index][0] for index in batch.index_B.tolist()])
        wrong_BTC = self._generate(batch.audio_BTA.roll(shift, 0), batch)
        self._score(batch, wrong_BTC, prefix="wrong_sound_", counts=has_other)

    def predict_step(self, batch: MotionBatch, batch_idx: int) -> None:
        """Write the motion of whole samples into `motion/` of the run, named by their numbers."""
        folder = Path(self.trainer.default_root_dir) / "motion"
        found_BTC = self._generate(batch.audio_BTA, batch).cpu()
        pose_BT6 = batch.pose_BT6.cpu()
        if self.model.channels > NUM_EXPRESSION:
            pose_BT6 = found_BTC[..., NUM_EXPRESSION:]
        for i, mask_T in enumerate(batch.mask_BT.cpu()):
            motion = Motion(
                expression=found_BTC[i, mask_T, :NUM_EXPRESSION],
                pose=pose_BT6[i, mask_T],
                identity=batch.identity_BI[i].cpu(),
                face_model=self.face_model_name,
            )
            save_motion(motion, folder / f"{int(batch.index_B[i]):06d}.safetensors")

    def _score(
        self, batch: MotionBatch, found_BTC: Tensor, *, prefix: str = "", counts: bool = True
    ) -> None:
        width = batch.expression_BTC.shape[-1]
        mean_C = self.model.motion_scale.mean[:width].cpu()
        mask_BT = batch.mask_BT.cpu().clone()
        mask_BT[:, 0] = False  # given, not generated
        # Every process must name every language, whichever its samples are in.
        languages = sorted({language for _, language in self._clips if language})
        for i, mask_T in enumerate(mask_BT):
            scores = self._monitor.scores(
                found_BTC[i, mask_T, :width].cpu(),
                batch.expression_BTC[i].cpu()[mask_T],
                mean_C,
                batch.identity_BI[i].cpu(),
            )
            if self._judge is not None:
                judge = self._judge.on(found_BTC)
                expression_TC = found_BTC[i, mask_T, :width]
                heard = (batch.identity_BI[i].cpu(), batch.audio_BTA[i].cpu()[mask_T])
                scores |= sync_scores(judge, expression_TC, *heard)
            if found_BTC.shape[-1] > width:
                scores |= head_scores(found_BTC[i, mask_T, width:], batch.pose_BT6[i].cpu()[mask_T])
            for name, value in scores.items():
                count = int(counts and bool(value.isfinite()))
                self.add_score(prefix + name, value, count)
                for language in languages:
                    is_in = language == self._clips[int(batch.index_B[i])][1]
                    self.add_score(f"{language}/{prefix}{name}", value, count * is_in)

    def samples(self, batch: MotionBatch) -> dict[str, Any]:
        """Return curves and a mesh video of the first sample, for TensorBoard."""
        first = MotionBatch._make(values[:1] for values in batch)
        mask_T = first.mask_BT[0].cpu()
        found_TC = self._generate(first.audio_BTA, first)[0].cpu()[mask_T]
        true_TC = first.expression_BTC[0].cpu()[mask_T]
        both = (found_TC[:, : true_TC.shape[-1]], true_TC)
        identity_I = first.identity_BI[0].cpu()
        film = self._monitor.film(both[0][:FILM_FRAMES], both[1][:FILM_FRAMES], identity_I)
        return {"val/lips": self._monitor.plot(*both, identity_I), "val/mesh": film}

    def _generate(self, audio_BTA: Tensor, batch: MotionBatch) -> Tensor:
        """Return motion for whole samples of people whose first frame is known: their portrait.

        As the papers measure, whose reference image is the clip's first frame. A model that is not
        told the portrait goes on from it.
        """
        first_B1C = torch.cat([batch.expression_BTC, batch.pose_BT6], -1)[:, :1]
        is_told = self.model.config.portrait
        return generate_windows(
            self.model,
            audio_BTA,
            self.sampler,
            seed=self.seed,
            voices=batch.index_B.tolist(),
            portrait_BC=batch.expression_BTC[:, 0],
            start_BTC=None if is_told else first_B1C[..., : self.model.channels],
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
        plain = {**to_plain(self.config), "lip": list(self.model.lips)}
        return _header(self, plain, self.face_model_name)

    def on_fit_start(self) -> None:
        """Measure the training data's mean and spread, unless weights came with their own."""
        check_data(self, "train")
        if not self.model.audio_scale.is_set:
            data = self.trainer.datamodule  # type: ignore[attr-defined]
            moments = moments_of(data, self.config)
            self.model.motion_scale.set(*moments["expression"].moments())
            self.model.audio_scale.set(*moments["audio"].moments())

    def on_validation_start(self) -> None:
        """Refuse data that do not fit."""
        check_data(self, "val")

    def on_weights_from(self, header: StageHeader) -> None:
        """Take over which weights of the audio encoder these weights listened to."""
        pin_encoder(self, header.audio)

    def losses(self, batch: MotionBatch, draws: Draws) -> dict[str, Tensor]:
        """Return loss and accuracy of one window of real frames per sample."""
        return self.model.loss(*self.pair(batch), draws, batch.mask_BT.sum(1))

    def pair(self, batch: MotionBatch) -> tuple[Tensor, Tensor]:
        """Return what the expert sees and hears of a batch."""
        return self.model.pair(batch)


def _header(module: StageModule, plain: dict[str, Any], face_model: str) -> StageHeader:
    return StageHeader(
        stage=module.stage,
        system=module.config.system,
        config={**plain, "face_model": face_model},
        audio=to_plain(module.config.audio),
        face_model=face_model,
    )
