"""What the motion stage trains on: prepared clips, or synthetic speakers made on the fly."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from torch.utils.data import DataLoader

from viseme_data.datamodule import ClipDataModule, DataConfig, open_source
from viseme_data.joined import JoinedSource
from viseme_data.manifest import Split
from viseme_data.sources import Source
from viseme_data.synthetic.config import SynthesizeConfig
from viseme_motion.scaling import RunningMoments


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
class MotionDataConfig:
    """What is trained on."""

    path: str | None = None
    """Folder of prepared clips or shards; left out, synthetic speakers are made and kept in
    `synthetic_path`."""
    also: tuple[str, ...] = ()
    """Other folders of prepared clips or shards whose train split is trained on too; they must have
    the same face model and audio feature. Validation and test keep to `path`."""
    also_repeats: int = 1
    """How often each segment of these counts in an epoch."""
    synthetic_path: str = "runs/data/motion"
    """Where synthetic speakers are kept; a later run with the same settings finds them there."""
    synthetic: SpeakersConfig = field(default_factory=SpeakersConfig)
    """Which synthetic speakers are made."""
    languages: tuple[str, ...] = ()
    """Only clips in these languages, in every split; all by default. (DisentTalk's ablation without
    CHDTF leaves Mandarin, cmn, out.)"""
    audio: str = "logmel"
    """Audio feature of the prepared data."""
    frames: int = 25
    """Length of a training sample, out of which a random window is cut; at least as long."""
    evaluation_frames: int = 100
    """Length of a sample of validation, generated window by window."""
    batch_size: int = 32
    """Samples per process and step."""
    repeats: int = 1
    """Windows of each segment (at most 10 s) in an epoch."""
    num_workers: int = 2
    """Loader processes."""

    def __post_init__(self) -> None:
        if self.also_repeats < 1:
            raise ValueError(f"data.also_repeats must be at least 1, got {self.also_repeats}")


class MotionDataModule(ClipDataModule):
    """Windows of motion and sound.

    Args:
        config: What is trained on.
    """

    def __init__(self, config: MotionDataConfig) -> None:
        self.motion_config = config
        self._joined: JoinedSource | None = None
        super().__init__(
            DataConfig(
                path=config.path or config.synthetic_path,
                kind="motion",
                frames=config.frames,
                evaluation_frames=config.evaluation_frames,
                languages=config.languages,
                audio=config.audio,
                batch_size=config.batch_size,
                repeats=config.repeats,
                window=config.frames,
                num_workers=config.num_workers,
            )
        )

    def source(self, split: Split) -> Source:
        """Return the clips of a split; those for training with what `also` names."""
        config = self.motion_config
        if split != "train" or not config.also:
            return super().source(split)
        if self._joined is None:
            others = [open_source(replace(self.config, path=path), split) for path in config.also]
            self._joined = JoinedSource(
                super().source(split), others, audio=config.audio, repeats=config.also_repeats
            )
        return self._joined

    def prepare_data(self) -> None:
        """Make the synthetic speakers where no data are given."""
        if self.motion_config.path is not None:
            return
        # Synthetic speech is an extra of viseme_data that training on real clips does without.
        from viseme_data.synthetic.run import synthesize

        wanted = self.motion_config.synthetic
        settings = SynthesizeConfig(
            speakers=wanted.speakers,
            minutes=wanted.minutes,
            languages=wanted.languages,
            seed=wanted.seed,
        )
        synthesize(settings, out=Path(self.config.path), workers=self.config.num_workers)

    def predict_dataloader(self) -> DataLoader:
        """Return the loader of the test clips: their motion is what is predicted."""
        return self.test_dataloader()

    def clips_of(self, split: Split) -> list[tuple[str, str]]:
        """Return clip and language of each sample of an evaluation, by the sample's number."""
        dataset = self._dataset(split, 0)
        if dataset.tiles is None:
            raise ValueError(f"samples of the split {split!r} are drawn at random, and of any clip")
        source = dataset.source
        rows = [source.rows[source.segments[segment].clip] for segment, _ in dataset.tiles]
        return [(row.clip_id, row.language) for row in rows]

    def moments(self) -> dict[str, RunningMoments]:
        """Return mean and deviation of expression, pose and sound over the training clips.

        `pose_within` is the pose around the mean of each segment of a clip.
        """
        source = self.source("train")
        feature = f"features.{self.config.audio}"
        names = {"expression": "expression", "pose": "pose", "audio": feature}
        found: dict[str, RunningMoments] = {}
        # The data set leaves out what is silent or in other languages.
        for index in self._dataset("train", 0).segments:
            segment = source.segments[index]
            read = source.open(index).read(names.values(), segment.start, segment.stop)
            for name, stored in names.items():
                rows_TX = read[stored]
                found.setdefault(name, RunningMoments(rows_TX.shape[-1])).add(rows_TX)
            within_T6 = read["pose"] - read["pose"].mean(0)
            found.setdefault("pose_within", RunningMoments(within_T6.shape[-1])).add(within_T6)
        return found
