"""The LightningModule of the render stage."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from viseme_core.checkpoint import StageHeader
from viseme_core.train.module import StageModule
from viseme_core.train.optim import OptimConfig
from viseme_core.train.systems import stored_config
from viseme_core.types import LAYOUT_SIZES
from viseme_eval.functional.curves import curve_correlation
from viseme_eval.functional.image import psnr
from viseme_face.layouts import TALK131, lip_opening
from viseme_render.config import STAGE, RenderConfig, open_face_model
from viseme_render.datamodule import RenderDataModule
from viseme_render.features import build_perceptual
from viseme_render.pirender.batch import PIRenderBatch
from viseme_render.pirender.model import PIRenderModel
from viseme_render.pirender.net import Rendered
from viseme_render.pirender.regions import face_mask, mouth_weight

SHOWN = 4
"""Portraits in the picture that validation shows."""


class RenderModule(StageModule):
    """Trains a renderer.

    Validation and test add, as means over frames: `psnr_face`, of the finished picture inside the
    hull of the landmarks, `psnr_mouth`, around the mouth, `psnr_face_warped`, of the warped
    portrait, and `psnr_face_copy`, of the portrait as it is; all in dB.

    Args:
        config: The renderer.
        optim: Optimizer and schedule.
    """

    stage = STAGE

    def __init__(self, config: RenderConfig, optim: OptimConfig | None = None) -> None:
        optim = optim or OptimConfig(name="adam", betas=(0.5, 0.999))
        if optim.weight_decay and config.pirender.warp_steps:
            raise ValueError(
                f"optim.weight_decay {optim.weight_decay} would shrink the editing network while "
                f"it waits for the second phase; set it to 0, or pirender.warp_steps to 0"
            )
        model = PIRenderModel(config.pirender, build_perceptual(config.pirender.loss))
        super().__init__(model, config, optim)
        self.face_model_name = open_face_model(config.face_model).name

    @property
    def picture_size(self) -> int:
        """Side of the model's pictures in pixels."""
        return self.config.pirender.net.size

    def header(self) -> StageHeader:
        """Return what stage files say: enough to draw, without what trained it."""
        plain = stored_config(self.config)
        plain["face_model"] = self.face_model_name
        return StageHeader(
            stage=self.stage,
            system=self.config.system,
            config=plain,
            face_model=self.face_model_name,
        )

    def on_fit_start(self) -> None:
        """Measure the training data's coefficients, unless weights came with their scale."""
        data = self._data
        source = data.source("train")
        if source.face_model != self.face_model_name:
            raise ValueError(
                f"{source.where} was prepared with face model {source.face_model!r}, the model's "
                f"config says {self.face_model_name!r}; prepare the data again or set "
                f"model.config.face_model"
            )
        if not self.model.scale.is_set:
            self.model.scale.set(*data.moments())

    def validation_step(self, batch: PIRenderBatch, batch_idx: int) -> None:
        """Add up losses and scores of a batch."""
        self._score(batch, self.model.render(batch))

    def test_step(self, batch: PIRenderBatch, batch_idx: int) -> None:
        """Add up scores, and how lips that FaceMesh finds in the pictures follow the motion's.

        Over the frames of a sample: `lip_correlation` with the opening of the true landmarks,
        `lip_correlation_seen` with what FaceMesh finds in the true pictures,
        `lip_correlation_true` between these two, the best that can be had; `lip_spread` is the mean
        opening over that in the true pictures.
        """
        made = self.model.render(batch)
        self._score(batch, made)
        frames = batch.frames_BT3HW.shape[1]
        for number, picture_T3HW in enumerate(made.picture_B3HW.split(frames)):
            points_TK2 = batch.landmarks_BTK2[number]
            true_T = lip_opening(_as_mesh(points_TK2))
            seen_T = self._data.lip_openings(batch.frames_BT3HW[number], points_TK2)
            found_T = self._data.lip_openings(picture_T3HW, points_TK2)
            for name, value in (
                ("lip_correlation", curve_correlation(found_T, true_T.cpu())),
                ("lip_correlation_true", curve_correlation(seen_T, true_T.cpu())),
                ("lip_correlation_seen", curve_correlation(found_T, seen_T)),
                ("lip_spread", found_T.nanmean() / seen_T.nanmean()),
            ):
                self.add_score(name, value, int(value.isfinite()))

    def predict_step(self, batch: PIRenderBatch, batch_idx: int) -> None:
        """Write films of the test clips: portrait, warped, finished and true, beside each other."""
        made = self.model.render(batch)
        frames = batch.frames_BT3HW.shape[1]
        folder = Path(self.trainer.default_root_dir) / "films"
        films = zip(made.warped_B3HW.split(frames), made.picture_B3HW.split(frames), strict=True)
        for number, (warped_T3HW, picture_T3HW) in enumerate(films):
            true_T3HW = batch.frames_BT3HW[number]
            portrait_T3HW = batch.reference_B3HW[number].expand_as(true_T3HW)
            film_T3HW = torch.cat([portrait_T3HW, warped_T3HW, picture_T3HW, true_T3HW], -1)
            path = folder / f"{int(batch.index_B[number]):06d}.mp4"
            self._data.write_film(path, film_T3HW)

    def on_test_end(self) -> None:
        """Write the scores into the run's folder."""
        if self.trainer.is_global_zero:
            found = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
            path = Path(self.trainer.default_root_dir) / "test.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")

    def _score(self, batch: PIRenderBatch, made: Rendered) -> None:
        for name, value in self.model.losses_of(made, batch, edit=True).items():
            self.add_score(name, value, len(batch.index_B))
        true_B3HW = batch.frames_BT3HW.flatten(0, 1)
        points_BK2 = batch.landmarks_BTK2.flatten(0, 1)
        size = true_B3HW.shape[-1]
        face_BHW = face_mask(points_BK2, size)
        copied_B3HW = batch.reference_B3HW.repeat_interleave(batch.frames_BT3HW.shape[1], 0)
        for name, found_B3HW, mask_BHW in (
            ("psnr_face", made.picture_B3HW, face_BHW),
            ("psnr_mouth", made.picture_B3HW, mouth_weight(points_BK2, size)),
            ("psnr_face_warped", made.warped_B3HW, face_BHW),
            ("psnr_face_copy", copied_B3HW, face_BHW),
        ):
            found = psnr(found_B3HW.clamp(-1, 1), true_B3HW, mask=mask_BHW)
            # The portrait may be one of the frames of a clip that has few.
            found = found[found.isfinite()]
            count = len(found)
            self.add_score(name, found.mean() if count else found.new_zeros(()), count)

    def samples(self, batch: PIRenderBatch) -> dict[str, Any]:
        """Return pictures for TensorBoard: portrait, warped, finished and true, a row each."""
        few = PIRenderBatch._make(values[:SHOWN] for values in batch)
        # The frame whose lips or head differ most from the portrait's.
        away_BT = (few.landmarks_BTK2 - few.own_landmarks_BK2[:, None]).abs().mean((2, 3))
        chosen_B = away_BT.argmax(1)
        rows = torch.arange(len(chosen_B), device=chosen_B.device)
        few = few._replace(
            frames_BT3HW=few.frames_BT3HW[rows, chosen_B][:, None],
            motion_window_BTWC=few.motion_window_BTWC[rows, chosen_B][:, None],
            landmarks_BTK2=few.landmarks_BTK2[rows, chosen_B][:, None],
        )
        made = self.model.render(few)
        columns = (few.reference_B3HW, made.warped_B3HW, made.picture_B3HW, few.frames_BT3HW[:, 0])
        return {"val/pictures": torch.cat([torch.cat(tuple(x), -2) for x in columns], -1)}

    @property
    def _data(self) -> RenderDataModule:
        trainer: Any = self.trainer
        return trainer.datamodule


def _as_mesh(points_TK2: Tensor) -> Tensor:
    """Return landmarks `talk131` at their places among 478; the others are 0."""
    mesh_TK2 = points_TK2.new_zeros(len(points_TK2), LAYOUT_SIZES["mp478"], 2)
    mesh_TK2[:, list(TALK131)] = points_TK2
    return mesh_TK2
