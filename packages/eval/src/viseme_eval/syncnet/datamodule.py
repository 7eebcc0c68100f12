"""What a sync network is trained on: prepared clips, or synthetic speakers made on the fly."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from viseme_core.draws import Draws
from viseme_core.types import Landmarks
from viseme_data.datamodule import ClipDataModule, DataConfig, open_source
from viseme_data.joined import JoinedSource
from viseme_data.manifest import ClipRow, Split
from viseme_data.sources import Piece, Source
from viseme_data.synthetic.config import SynthesizeConfig
from viseme_data.window_dataset import WindowDataset, index_of, rows_at
from viseme_data.windows import frame_numbers
from viseme_eval.syncnet.batch import SyncBatch
from viseme_eval.syncnet.mouth import LAYOUT
from viseme_face.layouts import select


@dataclass(frozen=True, kw_only=True)
class SpeakersConfig:
    """Synthetic speakers to make where there is no data."""

    speakers: int = 60
    """How many people."""
    minutes: float = 60.0
    """How long they speak, all together."""
    languages: str = "en,cmn,de,fr,ja,es"
    """Codes of languages, with commas between."""
    seed: int = 0
    """Another seed is other people."""


@dataclass(frozen=True, kw_only=True)
class SyncDataConfig:
    """What is trained on."""

    path: str | None = None
    """Folder of prepared clips or shards; left out, synthetic speakers are made and kept in
    `synthetic_path`."""
    also: str | None = None
    """Another folder of prepared clips that is mixed in; validation keeps to the first."""
    also_repeats: int = 1
    """How often each of its segments counts in an epoch."""
    synthetic_path: str = "runs/data/syncnet"
    """Where synthetic speakers are kept; a later run with the same settings finds them there."""
    synthetic: SpeakersConfig = field(default_factory=SpeakersConfig)
    """Which synthetic speakers are made."""
    languages: tuple[str, ...] = ()
    """Only clips in these languages; all by default."""
    audio: str = "logmel"
    """Audio feature of the prepared data."""
    frames: int = 100
    """Length of a training sample, at least the model's window and twice its max_shift; shorter
    clips are left out."""
    evaluation_frames: int = 125
    """Length of a sample of validation."""
    batch_size: int = 32
    """Samples per process and step."""
    repeats: int = 1
    """Samples of each segment (at most 10 s) in an epoch."""
    num_workers: int = 2
    """Loader processes."""


class SyncDataset(WindowDataset):
    """Windows of landmarks and sound: `SyncBatch`, without its first dimension.

    Args:
        source: Clips of one split.
        audio: Audio feature to take.
        shortest: Clips of fewer frames are left out.
        options: As `WindowDataset`.

    Raises:
        ValueError: If the source lacks that feature, or a clip that is long enough.
    """

    needs_sound = True

    def __init__(self, source: Source, *, audio: str, shortest: int, **options: Any) -> None:
        super().__init__(source, **options)
        if audio not in source.audio:
            raise ValueError(
                f"data.audio {audio!r} is not in {source.where}, which has "
                f"{', '.join(sorted(source.audio))}; prepare the data with it"
            )
        self.audio = audio
        self.segments = [number for number in self.segments if self._length(number) >= shortest]
        if self.tiles is not None:
            self.tiles = [tile for tile in self.tiles if self._length(tile[0]) >= shortest]
        if not self.segments:
            raise ValueError(
                f"{source.where} has no clip of at least data.frames = {shortest} frames with "
                f"sound in the split {source.split!r}; prepare longer ones or lower data.frames"
            )

    def sample(self, piece: Piece, start: int, draws: Draws) -> SyncBatch:
        """Return the window of a piece that begins at a frame."""
        numbers, mask_T = frame_numbers(start, self.frames, piece.num_frames)
        feature = f"features.{self.audio}"
        read = rows_at(piece, ["landmarks", feature], numbers)
        points = select(Landmarks(read["landmarks"], "mp478"), LAYOUT)
        return SyncBatch(
            points_BTK3=points.points_TKD,
            audio_BTA=read[feature],
            mask_BT=mask_T,
            index_B=index_of(draws),
        )

    def _length(self, segment: int) -> int:
        return self.source.rows[self.source.segments[segment].clip].num_frames


class SyncDataModule(ClipDataModule):
    """Windows of landmarks and sound.

    Args:
        config: What is trained on.
    """

    def __init__(self, config: SyncDataConfig) -> None:
        if config.also_repeats < 1:
            raise ValueError(f"data.also_repeats must be at least 1, got {config.also_repeats}")
        self.sync_config = config
        self._joined: JoinedSource | None = None
        super().__init__(
            DataConfig(
                path=config.path or config.synthetic_path,
                # What is fed is a data set of our own.
                kind="motion",
                frames=config.frames,
                evaluation_frames=config.evaluation_frames,
                languages=config.languages,
                audio=config.audio,
                batch_size=config.batch_size,
                repeats=config.repeats,
                # At least twice a window, as the plan of segments wants it.
                segment=max(250, 2 * config.frames),
                window=config.frames,
                num_workers=config.num_workers,
            )
        )

    def source(self, split: Split) -> Source:
        """Return the clips of a split; those for training with what is mixed in."""
        config = self.sync_config
        if split != "train" or config.also is None:
            return super().source(split)
        if self._joined is None:
            self._joined = JoinedSource(
                super().source(split),
                [open_source(replace(self.config, path=config.also), split)],
                repeats=config.also_repeats,
                audio=config.audio,
            )
        return self._joined

    def describe(self) -> str:
        """Return one line for the run's summary."""
        return f"landmarks and sound{super().describe().removeprefix('motion')}"

    def prepare_data(self) -> None:
        """Make the synthetic speakers where no data are given."""
        if self.sync_config.path is None:
            make_speakers(
                self.sync_config.synthetic, self.config.path, workers=self.config.num_workers
            )

    def _dataset(self, split: Split, seed: int) -> WindowDataset:
        config = self.sync_config
        is_training = split == "train"
        return SyncDataset(
            self.source(split),
            audio=config.audio,
            shortest=config.frames,
            frames=config.frames if is_training else config.evaluation_frames,
            seed=seed,
            is_tiled=not is_training,
            repeats=config.repeats,
            languages=config.languages,
        )


def make_speakers(wanted: SpeakersConfig, path: str, *, workers: int) -> None:
    """Make synthetic speakers in a folder, or find them there.

    Raises:
        ImportError: If synthetic speech, an extra of viseme_data, is not installed.
        ValueError: If the folder holds other data.
    """
    # An extra that training on real clips does without.
    from viseme_data.synthetic.run import synthesize

    settings = SynthesizeConfig(
        speakers=wanted.speakers,
        minutes=wanted.minutes,
        languages=wanted.languages,
        seed=wanted.seed,
    )
    synthesize(settings, out=Path(path), workers=workers)


class WholeClip(NamedTuple):
    """A prepared clip with sound, from its first frame to its last."""

    row: ClipRow
    points_TK3: Tensor
    """Landmarks `mp478`."""
    audio_S: Tensor
    """16 kHz mono, 640 samples for each frame."""


def whole_clips(path: str, split: Split) -> Iterator[WholeClip]:
    """Yield the clips of a split that have sound, one at a time.

    Raises:
        ValueError: If the folder holds no prepared clips.
    """
    source = open_source(DataConfig(path=path, kind="motion", num_workers=0), split)
    seen = set()
    for number, segment in enumerate(source.segments):
        row = source.rows[segment.clip]
        if row.has_audio and segment.clip not in seen:
            seen.add(segment.clip)
            read = source.open(number).read(["landmarks", "audio"], 0, row.num_frames)
            yield WholeClip(row, read["landmarks"], read["audio"])
