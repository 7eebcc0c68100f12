"""The LightningModule of the landmark stage."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from viseme_core.batches import LandmarkBatch
from viseme_core.checkpoint import StageHeader
from viseme_core.train.module import StageModule
from viseme_core.train.optim import OptimConfig
from viseme_core.types import Landmarks
from viseme_face.layouts import CONTENT_SLICE
from viseme_landmarks.build import header_of
from viseme_landmarks.config import LAYOUT, STAGE, LandmarksConfig
from viseme_landmarks.datamodule import LandmarkDataModule
from viseme_landmarks.geometry import carry_references
from viseme_landmarks.landmark_file import save_landmarks
from viseme_landmarks.model import LandmarkModel
from viseme_landmarks.monitor import (
    distances,
    mouth_width,
    opening_scores,
    plot_faces,
    plot_openings,
)


class LandmarksModule(StageModule):
    """Trains landmark completion.

    Validation and test add scores of whole samples, completed as long voices are: `lip_distance`
    and `jaw_distance` in mouth widths, beside those of the references' mean as it is (`..._copy`)
    and carried to where the head is (`..._carried`); `lip_correlation` and `lip_spread` of the
    opening.

    Args:
        config: The model.
        optim: Optimizer and schedule.
    """

    stage = STAGE

    def __init__(self, config: LandmarksConfig, optim: OptimConfig | None = None) -> None:
        super().__init__(LandmarkModel(config), config, optim or OptimConfig(name="adam", lr=4e-5))
        self._clips: list[str] = []

    def header(self) -> StageHeader:
        """Return what stage files say."""
        return header_of(self.config)

    def on_fit_start(self) -> None:
        """Measure the training data's mean face, unless weights came with theirs."""
        # IP_LAP's coordinates are in a box around each face, and need no other scale.
        if not self.model.scale.is_set and self.config.convention != "ip_lap":
            self.model.scale.set(*self._data.moments())

    def on_test_start(self) -> None:
        """Note which clip each sample is of."""
        self._clips = self._data.clips_of("test")

    def validation_step(self, batch: LandmarkBatch, batch_idx: int) -> None:
        """Add up losses and scores of a batch."""
        self._score(batch, self.model.predict(batch))

    def test_step(self, batch: LandmarkBatch, batch_idx: int) -> None:
        """Add up losses and scores, also of what another clip's sound makes: `wrong_sound_...`."""
        self._score(batch, self.model.predict(batch))
        order = other_clips([self._clips[index] for index in batch.index_B.tolist()])
        wrong = batch._replace(mel_BTMW=batch.mel_BTMW[order])
        found_BTK2 = self.model.predict(wrong)
        for i, mask_T in enumerate(batch.mask_BT):
            both = found_BTK2[i, mask_T], batch.target_BTK2[i, mask_T]
            scores = distances(*both, mouth_width(batch.reference_BNK2[i])) | opening_scores(*both)
            # A sample without another clip beside it must name the scores like all others.
            self._add(scores, prefix="wrong_sound_", counts=order[i] != i)

    def predict_step(self, batch: LandmarkBatch, batch_idx: int) -> None:
        """Write completed faces of the test clips into `landmarks/`, named by their numbers."""
        folder = Path(self.trainer.default_root_dir) / "landmarks"
        whole_BTK2 = torch.cat([self.model.predict(batch), batch.pose_BTK2], 2).float().cpu()
        for points_TK2, mask_T, index in zip(
            whole_BTK2, batch.mask_BT.cpu(), batch.index_B.tolist(), strict=True
        ):
            faces = Landmarks(points_TK2[mask_T], LAYOUT)
            save_landmarks(faces, folder / f"{index:06d}.safetensors")

    def samples(self, batch: LandmarkBatch) -> dict[str, Any]:
        """Return curves of lip opening and a few faces of the first sample, for TensorBoard."""
        first = LandmarkBatch._make(values[:1] for values in batch)
        mask_T = first.mask_BT[0].cpu()
        found_TK2, true_TK2, pose_TK2 = (
            values_BT[0].cpu()[mask_T]
            for values_BT in (self.model.predict(first), first.target_BTK2, first.pose_BTK2)
        )
        return {
            "val/lips": plot_openings({"true": true_TK2, "completed": found_TK2}),
            "val/faces": plot_faces(found_TK2, true_TK2, pose_TK2),
        }

    def _score(self, batch: LandmarkBatch, found_BTK2: Tensor) -> None:
        for name, value in self.model.losses_of(found_BTK2, batch).items():
            self.add_score(name, value, len(batch.index_B))
        reference_BRK2 = batch.reference_BNK2[:, :, CONTENT_SLICE]
        copied_BTK2 = reference_BRK2.mean(1, keepdim=True).expand_as(batch.target_BTK2)
        upper_BRK2 = batch.reference_BNK2[:, :, CONTENT_SLICE.stop :]
        carried_BTK2 = carry_references(reference_BRK2, upper_BRK2, batch.pose_BTK2)
        for i, mask_T in enumerate(batch.mask_BT):
            width = mouth_width(batch.reference_BNK2[i])
            true_TK2 = batch.target_BTK2[i, mask_T]
            self._add(distances(found_BTK2[i, mask_T], true_TK2, width))
            self._add(opening_scores(found_BTK2[i, mask_T], true_TK2))
            for suffix, other_BTK2 in (("_copy", copied_BTK2), ("_carried", carried_BTK2)):
                scores = distances(other_BTK2[i, mask_T], true_TK2, width)
                self._add({name + suffix: value for name, value in scores.items()})

    def _add(self, scores: dict[str, Tensor], *, prefix: str = "", counts: bool = True) -> None:
        for name, value in scores.items():
            self.add_score(prefix + name, value, int(counts and bool(value.isfinite())))

    @property
    def _data(self) -> LandmarkDataModule:
        trainer: Any = self.trainer
        return trainer.datamodule


def other_clips(clips: Sequence[str]) -> list[int]:
    """Return for each sample of a batch one of another clip; itself where there is none.

    Neighbours are often of one clip, whose sentence goes on: it is sought from the batch's other
    half on.

    Args:
        clips: Clip of each sample.
    """
    size = len(clips)
    order = []
    for i, clip in enumerate(clips):
        others = ((i + size // 2 + step) % size for step in range(size))
        order.append(next((j for j in others if clips[j] != clip), i))
    return order
