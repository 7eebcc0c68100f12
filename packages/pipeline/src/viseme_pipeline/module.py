"""The LightningModule of joint training."""

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any

from torch import Tensor, nn

from viseme_core.batches import JointBatch
from viseme_core.checkpoint import StageHeader, load_stage, load_weights
from viseme_core.config import to_plain
from viseme_core.draws import Draws
from viseme_core.train.loader import EVALUATION
from viseme_core.train.module import StageModule
from viseme_core.train.optim import OptimConfig
from viseme_core.train.resume import check_fits
from viseme_landmarks.datamodule import face_moments
from viseme_landmarks.monitor import distances, mouth_width, opening_scores
from viseme_pipeline.fit.judge import pair_scores
from viseme_pipeline.joint import STAGE, JointConfig, build_joint
from viseme_pipeline.joint_files import LANDMARKS, RENDER, stage_headers, with_autoencoder
from viseme_render.talkformer.judge import TalkFormerJudge


class JointModule(StageModule):
    """Trains landmark completion and TalkFormer together, and leaves a stage file of each.

    Validation adds `lip_distance` and `jaw_distance` of completed landmarks, in mouth widths, and
    `lip_correlation` and `lip_spread` of the lips' opening. Test draws films by them, and adds what
    `pair_scores` says of these.

    Args:
        config: Both models and how their errors are added.
        optim: Optimizer and schedule; groups are `landmarks` and `render`.
    """

    stage = STAGE

    def __init__(self, config: JointConfig, optim: OptimConfig | None = None) -> None:
        super().__init__(build_joint(config), config, optim or OptimConfig(name="adam", lr=4e-5))
        self._judge = TalkFormerJudge()

    def header(self) -> StageHeader:
        """Return what the checkpoints of joint training say."""
        landmarks = self.stage_headers()[LANDMARKS]
        named = with_autoencoder(self.config, self.model.renderer.autoencoder_name)
        return StageHeader(
            stage=STAGE,
            config=to_plain(named),
            audio=landmarks.audio,
            layout=landmarks.layout,
        )

    def stage_headers(self) -> dict[str, StageHeader]:
        """Return what the files of each stage say, as if it had been trained alone."""
        return stage_headers(self.config, self.model.renderer.autoencoder_name)

    def stage_models(self) -> dict[str, nn.Module]:
        """Return the model of each stage."""
        return {LANDMARKS: self.model.driving, RENDER: self.model.renderer}

    def stage_files(self) -> dict[str, tuple[Mapping[str, Tensor], StageHeader]]:
        """Return tensors and header of each stage's file."""
        headers, models = self.stage_headers(), self.stage_models()
        return {name: (models[name].state_dict(), headers[name]) for name in models}

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        """Return the parameters of each stage."""
        return {name: model.parameters() for name, model in self.stage_models().items()}

    def load_part(self, stage: str, path: str | PathLike[str]) -> None:
        """Take over the weights of a stage that was trained alone, or together before.

        Args:
            stage: `landmarks` or `render`.
            path: Its stage file, Lightning checkpoint, or a folder with either.

        Raises:
            ValueError: If it is another stage's, or its weights do not fit the config.
        """
        own = self.stage_headers()[stage]
        found = load_stage(path, stage=stage, system=own.system)
        check_fits(found.header, own, str(path))
        name = "autoencoder_name"
        theirs, ours = (
            header.config.get("talkformer", {}).get(name) for header in (found.header, own)
        )
        if theirs not in (None, ours):
            raise ValueError(
                f"{path} was trained on latents of {theirs!r}, this run is set up for {ours!r}; "
                f"name its autoencoder by model.config.talkformer.autoencoder"
            )
        load_weights(self.stage_models()[stage], found.tensors)

    def batch_index(self, batch: JointBatch) -> Tensor:
        """Return the data-set index of each sample."""
        return batch.landmark.index_B

    def on_fit_start(self) -> None:
        """Measure the training data's mean face, unless weights came with theirs."""
        driving = self.model.driving
        if not driving.scale.is_set and self.config.landmarks.convention != "ip_lap":
            trainer: Any = self.trainer
            driving.scale.set(*face_moments(trainer.datamodule.source("train")))

    def validation_step(self, batch: JointBatch, batch_idx: int) -> None:
        """Add up losses, and scores of completed landmarks."""
        self._score(batch, self.model.driving.predict(batch.landmark))

    def test_step(self, batch: JointBatch, batch_idx: int) -> None:
        """Add up losses, scores of completed landmarks, and of films that are drawn by them."""
        found_BTK2 = self.model.driving.predict(batch.landmark)
        self._score(batch, found_BTK2)
        trainer: Any = self.trainer
        for score in pair_scores(self.model, batch, found_BTK2, trainer.datamodule):
            self.add_score(*score)

    def samples(self, batch: JointBatch) -> dict[str, Any]:
        """Return reference, copied, drawn by completed landmarks and true, for TensorBoard."""
        found_BTK2 = self.model.driving.predict(batch.landmark)
        told = self.model.told(found_BTK2, batch)
        return {
            "val/pictures": self._judge.sheet(self.model.renderer, batch.render._replace(**told))
        }

    def _score(self, batch: JointBatch, found_BTK2: Tensor) -> None:
        index = self.batch_index(batch)
        draws = Draws(self.seed, EVALUATION, index)
        for name, value in self.model.losses_of(found_BTK2, batch, draws).items():
            self.add_score(name, value, len(index))
        given = batch.landmark
        for i, mask_T in enumerate(given.mask_BT):
            both = found_BTK2[i, mask_T], given.target_BTK2[i, mask_T]
            scores = distances(*both, mouth_width(given.reference_BNK2[i])) | opening_scores(*both)
            for name, value in scores.items():
                self.add_score(name, value, int(value.isfinite()))
