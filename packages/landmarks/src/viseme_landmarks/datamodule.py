"""What the landmark stage trains on: prepared clips, or synthetic speakers made on the fly."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from viseme_core.types import Landmarks
from viseme_data.datamodule import ClipDataModule, DataConfig
from viseme_data.manifest import Split
from viseme_data.sources import Source
from viseme_data.synthetic.config import SynthesizeConfig
from viseme_face.layouts import select
from viseme_landmarks.config import LAYOUT, LandmarksConfig


@dataclass(frozen=True, kw_only=True)
class SpeakersConfig:
    """Synthetic speakers to make where there is no data."""

    speakers: int = 24
    """How many people."""
    minutes: float = 12.0
    """How long they speak, all together."""
    languages: str = "en,cmn"
    """Codes of languages, with commas between."""
    seed: int = 0
    """Another seed is other people."""


@dataclass(frozen=True, kw_only=True)
class LandmarkDataConfig:
    """What is trained on. Frames of a window and references are the model's own settings."""

    path: str | None = None
    """Folder of prepared clips or shards; left out, synthetic speakers are made and kept in
    `synthetic_path`."""
    synthetic_path: str = "runs/data/landmarks"
    """Where synthetic speakers are kept; a later run with the same settings finds them there."""
    synthetic: SpeakersConfig = field(default_factory=SpeakersConfig)
    """Which synthetic speakers are made."""
    languages: tuple[str, ...] = ()
    """Only clips in these languages, in every split; all by default."""
    evaluation_frames: int = 100
    """Length of a sample of validation and test, completed as a long voice is."""
    batch_size: int = 64
    """Windows per process and step."""
    repeats: int = 1
    """Windows of each segment (at most 10 s) in an epoch."""
    num_workers: int = 2
    """Loader processes."""


class LandmarkDataModule(ClipDataModule):
    """Windows of landmarks and sound.

    Args:
        config: What is trained on.
    """

    def __init__(self, config: LandmarkDataConfig) -> None:
        self.landmark_config = config
        model = LandmarksConfig()
        super().__init__(
            DataConfig(
                path=config.path or config.synthetic_path,
                kind="landmarks",
                frames=model.num_frames,
                evaluation_frames=config.evaluation_frames,
                languages=config.languages,
                references=model.num_references,
                batch_size=config.batch_size,
                repeats=config.repeats,
                num_workers=config.num_workers,
            )
        )

    def prepare_data(self) -> None:
        """Make the synthetic speakers where no data are given."""
        if self.landmark_config.path is not None:
            return
        # Synthetic speech is an extra of viseme_data that training on real clips does without.
        from viseme_data.synthetic.run import synthesize

        wanted = self.landmark_config.synthetic
        settings = SynthesizeConfig(
            speakers=wanted.speakers,
            minutes=wanted.minutes,
            languages=wanted.languages,
            seed=wanted.seed,
        )
        synthesize(settings, out=Path(self.config.path), workers=self.config.num_workers)

    def setup(self, stage: str) -> None:
        """Take over how many frames and references the model is trained with."""
        trained = getattr(getattr(self.trainer, "lightning_module", None), "config", None)
        if isinstance(trained, LandmarksConfig):
            self.config = replace(
                self.config,
                frames=trained.num_frames,
                references=trained.num_references,
                window=max(self.config.window, trained.num_frames),
            )

    def predict_dataloader(self) -> DataLoader:
        """Return the loader of the test clips: their lips and jaws are what is predicted."""
        return self.test_dataloader()

    def clips_of(self, split: Split) -> list[str]:
        """Return the clip of each sample of an evaluation, by the sample's number."""
        dataset = self._dataset(split, 0)
        if dataset.tiles is None:
            raise ValueError(f"samples of the split {split!r} are drawn at random, and of any clip")
        source = dataset.source
        return [source.rows[source.segments[segment].clip].clip_id for segment, _ in dataset.tiles]

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean face and spread of the training clips, as `face_moments` does."""
        return face_moments(self.source("train"))


def face_moments(source: Source) -> tuple[Tensor, Tensor]:
    """Return the mean face (131, 2) of clips, and the root mean square of how far points lie off.

    Args:
        source: Clips, e.g. of a datamodule's training split.
    """
    count, total, squares = 0, torch.zeros((), dtype=torch.float64), torch.zeros(())
    for number, segment in enumerate(source.segments):
        read = source.open(number).read(["landmarks"], segment.start, segment.stop)
        points_TK3 = select(Landmarks(read["landmarks"], "mp478"), LAYOUT).points_TKD
        points_TK2 = points_TK3[..., :2].double()
        count += len(points_TK2)
        total = total + points_TK2.sum(0)
        squares = squares + points_TK2.square().sum(0)
    mean_K2 = total / count
    variance = (squares / count - mean_K2.square()).mean().clamp(min=0)
    return mean_K2.float(), variance.sqrt().float()
