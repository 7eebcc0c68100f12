"""What joint training is fed: the same window for landmark completion and for the renderer."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from viseme_core.batches import JointBatch
from viseme_data.datamodule import ClipDataModule, DataConfig
from viseme_data.synthetic.config import SynthesizeConfig
from viseme_landmarks.config import LandmarksConfig
from viseme_pipeline.joint import JointConfig
from viseme_render.datamodule import SpeakersConfig, found_points, with_pictures


@dataclass(frozen=True, kw_only=True)
class JointDataConfig:
    """What is trained on. Frames of a window and references are the model's own settings."""

    path: str | None = None
    """Folder of prepared clips or shards; left out, synthetic speakers are made and kept in
    `synthetic_path`."""
    synthetic_path: str = "runs/data/joint"
    """Where synthetic speakers are kept; a later run with the same settings finds them there."""
    synthetic: SpeakersConfig = field(default_factory=SpeakersConfig)
    """Which synthetic speakers are made."""
    languages: tuple[str, ...] = ()
    """Only clips in these languages, in every split; all by default."""
    evaluation_frames: int = 25
    """Successive frames of a sample of validation and test."""
    batch_size: int = 4
    """Windows per process and step."""
    repeats: int = 1
    """Windows of each segment (at most 10 s) in an epoch."""
    num_workers: int = 2
    """Loader processes."""
    pin_memory: bool = False
    """Hold batches where a GPU can fetch them by itself."""


class JointDataModule(ClipDataModule):
    """Feeds joint training.

    Args:
        config: What is trained on.
    """

    def __init__(self, config: JointDataConfig) -> None:
        self.joint_config = config
        model = LandmarksConfig()
        super().__init__(
            DataConfig(
                path=config.path or config.synthetic_path,
                kind="joint",
                frames=model.num_frames,
                evaluation_frames=config.evaluation_frames,
                languages=config.languages,
                references=model.num_references,
                batch_size=config.batch_size,
                repeats=config.repeats,
                num_workers=config.num_workers,
                pin_memory=config.pin_memory,
            )
        )

    def prepare_data(self) -> None:
        """Make the synthetic speakers where no data are given."""
        if self.joint_config.path is not None:
            return
        # Synthetic speech is an extra of viseme_data that training on real clips does without.
        from viseme_data.synthetic.run import synthesize

        wanted = self.joint_config.synthetic
        settings = SynthesizeConfig(
            speakers=wanted.speakers,
            minutes=wanted.minutes,
            languages=wanted.languages,
            seed=wanted.seed,
            split_shares=wanted.split_shares,
            frames="256",
        )
        synthesize(settings, out=Path(self.config.path), workers=self.config.num_workers)

    def setup(self, stage: str) -> None:
        """Take over how many frames and references the model is trained with."""
        trained = getattr(getattr(self.trainer, "lightning_module", None), "config", None)
        if isinstance(trained, JointConfig):
            model = trained.landmarks
            self.config = replace(
                self.config,
                frames=model.num_frames,
                references=model.num_references,
                window=max(self.config.window, model.num_frames),
            )

    def found_points(self, pictures_T3HW: Tensor, points_TK2: Tensor) -> Tensor:
        """Return the 478 landmarks that FaceMesh finds; see the renderers' function."""
        return found_points(pictures_T3HW, points_TK2)

    def on_after_batch_transfer(self, batch: JointBatch, dataloader_idx: int) -> Any:
        """Return the batch with its pictures in [-1, 1], in the precision of the rest."""
        return batch._replace(render=with_pictures(batch.render))
