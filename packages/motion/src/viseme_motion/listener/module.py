"""The LightningModule of the listener."""

import torch
from torch import Tensor

from viseme_core.batches import MotionBatch
from viseme_core.checkpoint import StageHeader
from viseme_core.config import to_plain
from viseme_core.train.module import StageModule
from viseme_core.train.optim import OptimConfig
from viseme_core.train.systems import stored_config
from viseme_eval.functional.curves import best_lag, curve_correlation
from viseme_motion.build import LISTENER_STAGE
from viseme_motion.config import open_face_model
from viseme_motion.listener.config import ListenerConfig
from viseme_motion.listener.model import ListenerModel
from viseme_motion.training_data import check_data, moments_of, pin_encoder


class ListenerModule(StageModule):
    """Trains the listener and measures how its lips follow voices that it never heard.

    Args:
        config: The listener.
        optim: Optimizer and schedule.
    """

    stage = LISTENER_STAGE

    def __init__(self, config: ListenerConfig, optim: OptimConfig | None = None) -> None:
        face_model = open_face_model(config.face_model)
        super().__init__(
            ListenerModel(config, face_model), config, optim or OptimConfig(name="adamw")
        )
        self.face_model_name = face_model.name

    def header(self) -> StageHeader:
        """Return what stage files say."""
        return StageHeader(
            stage=self.stage,
            system=self.config.system,
            config={**stored_config(self.config), "face_model": self.face_model_name},
            audio=to_plain(self.config.audio),
            face_model=self.face_model_name,
        )

    def on_weights_from(self, header: StageHeader) -> None:
        """Take over which weights of the audio encoder these weights listened to."""
        pin_encoder(self, header.audio)

    def on_fit_start(self) -> None:
        """Measure the training data's mean and spread, unless weights came with their own."""
        check_data(self, "train")
        if not self.model.audio_scale.is_set:
            data = self.trainer.datamodule  # type: ignore[attr-defined]
            self.model.audio_scale.set(*moments_of(data, self.config)["audio"].moments())

    def on_validation_start(self) -> None:
        """Refuse data that do not fit."""
        check_data(self, "val")

    def on_test_start(self) -> None:
        """Refuse data that do not fit."""
        check_data(self, "test")

    def validation_step(self, batch: MotionBatch, batch_idx: int) -> None:
        """Add up losses and scores."""
        super().validation_step(batch, batch_idx)
        self._score(batch)

    def test_step(self, batch: MotionBatch, batch_idx: int) -> None:
        """Add up the scores."""
        self._score(batch)

    def _score(self, batch: MotionBatch) -> None:
        """Compare the lips' opening over time, also with that of another sample's voice."""
        target_BT = self.model.targets(batch.expression_BTC, batch.mask_BT)[..., 0]
        audio_BTA = self.model.audio_scale(batch.audio_BTA)
        found_BT = self.model(audio_BTA, batch.mask_BT)[..., 0]
        wrong_BT = found_BT.roll(1, 0)
        for i, mask_T in enumerate(batch.mask_BT):
            true_T, found_T = target_BT[i, mask_T].cpu(), found_BT[i, mask_T].cpu()
            scores = {
                "lip_correlation": curve_correlation(found_T, true_T),
                "lip_correlation_best": best_lag(found_T, true_T).correlation,
                "lip_spread": found_T.std(),
                "wrong_sound_lip_correlation": _if(
                    len(target_BT) > 1, curve_correlation(wrong_BT[i, mask_T].cpu(), true_T)
                ),
            }
            for name, value in scores.items():
                self.add_score(name, value, int(bool(value.isfinite())))


def _if(is_known: bool, value: Tensor) -> Tensor:
    return value if is_known else torch.tensor(torch.nan)
