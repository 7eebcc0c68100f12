"""One Lightning datamodule for every kind of batch, over prepared folders and shards."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning as L
from torch.utils.data import DataLoader

from viseme_core.draws import Draws
from viseme_core.train.loader import EpochSampler, EvaluationSampler, ResumableLoader, Visit
from viseme_core.types import FPS
from viseme_data.datasets import (
    JointDataset,
    LandmarkDataset,
    MotionDataset,
    PairDataset,
    RenderDataset,
    WindowDataset,
    with_float_pictures,
)
from viseme_data.manifest import Split
from viseme_data.segments import SegmentPlan
from viseme_data.shards import POOL, Shards, chunked_order
from viseme_data.sources import ClipFolder, Source

Kind = Literal["motion", "pairs", "landmarks", "render", "joint"]

_DATASETS: dict[str, type[WindowDataset]] = {
    "motion": MotionDataset,
    "pairs": PairDataset,
    "landmarks": LandmarkDataset,
    "render": RenderDataset,
    "joint": JointDataset,
}


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What is trained on, and in which pieces."""

    path: str
    """Folder that `viseme-data prepare` or `synthesize` wrote, or that `pack` wrote, or the address
    of shards in object storage (s3://, gs://, ...)."""
    kind: Kind
    """Which batches: motion and sound, pairs of speakers, landmarks, frames, or the last two."""
    frames: int = 25
    """Length of a window in frames, L."""
    evaluation_frames: int | None = None
    """Length of the windows of validation and test; that of training when left out."""
    languages: tuple[str, ...] = ()
    """Only clips in these languages; all when left out."""
    audio: str = "logmel"
    """Audio feature of motion and pairs."""
    references: int = 5
    """Reference frames of landmarks and joint, N."""
    batch_size: int = 8
    """Samples per process and step."""
    repeats: int = 1
    """Windows of each segment in an epoch."""
    segment: int = 250
    """Longest stretch of a clip that counts as one sample of an epoch; shards bring their own."""
    window: int = 25
    """Longest window that segments leave room for; shards bring their own."""
    num_workers: int = 2
    """Loader processes."""
    pool: int = POOL
    """Chunks of shards whose segments are mixed with each other."""
    cache: str | None = None
    """Folder for chunks from object storage; none means litdata's own."""
    pin_memory: bool = False
    """Hold batches where a GPU can fetch them by itself."""

    def __post_init__(self) -> None:
        for name, lowest in (("frames", 1), ("references", 1), ("batch_size", 1), ("repeats", 1)):
            if getattr(self, name) < lowest:
                raise ValueError(f"data.{name} must be at least {lowest}")
        if self.num_workers < 0:
            raise ValueError(f"data.num_workers must be at least 0, got {self.num_workers}")
        if self.pool < 1:
            raise ValueError(f"data.pool must be at least 1, got {self.pool}")


class ChunkSampler(EpochSampler):
    """Yields this process's share of an order that stays within a few chunks at a time.

    Args:
        chunk_of: Chunk of every sample.
        batch_size: Samples per process and step.
        pool: Chunks that are mixed.
        options: As `EpochSampler`.
    """

    def __init__(
        self, chunk_of: list[int], batch_size: int, *, pool: int = POOL, **options: Any
    ) -> None:
        super().__init__(len(chunk_of), batch_size, **options)
        self._chunk_of = chunk_of
        self._pool = pool

    def __iter__(self) -> Iterator[Visit]:
        epoch = self.epoch
        order = chunked_order(self._chunk_of, Draws(self.seed, epoch, [0]), self._pool)
        order = order[self.first_batch * self.global_batch : self.num_batches * self.global_batch]
        for index in order[self.rank :: self.world_size].tolist():
            yield Visit(index, epoch)


class ClipDataModule(L.LightningDataModule):
    """Feeds a stage from prepared clips.

    Training batches are the same for any number of processes and go on in the middle of an epoch;
    validation and test go through all clips in order and leave none out.

    Args:
        config: What is trained on.
    """

    def __init__(self, config: DataConfig) -> None:
        super().__init__()
        self.config = config
        self._sources: dict[Split, Source] = {}

    @property
    def batch_size(self) -> int:
        """Samples per process and step."""
        return self.config.batch_size

    def source(self, split: Split) -> Source:
        """Return the clips of a split."""
        if split not in self._sources:
            self._sources[split] = open_source(self.config, split)
        return self._sources[split]

    def describe(self) -> str:
        """Return one line for the run's summary."""
        train = self.source("train")
        minutes = sum(row.num_frames for row in train.rows) / FPS / 60
        speakers = len({row.speaker for row in train.rows})
        return (
            f"{self.config.kind}, windows of {self.config.frames} frames from {train.where}: "
            f"{len(train.rows)} clips, {minutes:.1f} min, {speakers} speakers, "
            f"{len(self._dataset('train', 0))} samples an epoch, {train.face_model}"
        )

    def train_dataloader(self) -> ResumableLoader:
        """Return a loader over random windows."""
        rank, world_size, seed = self._process()
        dataset = self._dataset("train", seed)
        options: dict[str, Any] = {"seed": seed, "rank": rank, "world_size": world_size}
        size = self.config.batch_size
        chunk_of = dataset.chunk_of
        sampler = (
            ChunkSampler(chunk_of, size, pool=self.config.pool, **options)
            if chunk_of
            else EpochSampler(len(dataset), size, **options)
        )
        return ResumableLoader(dataset, sampler, **self._loading())

    def val_dataloader(self) -> DataLoader:
        """Return a loader over all windows of the validation clips, in order."""
        return self._evaluation("val")

    def test_dataloader(self) -> DataLoader:
        """Return a loader over all windows of the test clips, in order."""
        return self._evaluation("test")

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Return the batch with its pictures as float32 in [-1, 1], wherever it is now.

        They come from the loader's processes as bytes: that is a quarter of the traffic.
        """
        return with_float_pictures(batch)

    def _evaluation(self, split: Split) -> DataLoader:
        rank, world_size, seed = self._process()
        dataset = self._dataset(split, seed)
        sampler = EvaluationSampler(len(dataset), rank=rank, world_size=world_size)
        return DataLoader(
            dataset, batch_size=self.config.batch_size, sampler=sampler, **self._loading()
        )

    def _dataset(self, split: Split, seed: int) -> WindowDataset:
        config = self.config
        options: dict[str, Any] = {
            "frames": config.frames
            if split == "train"
            else config.evaluation_frames or config.frames,
            "seed": seed,
            "is_tiled": split != "train",
            "repeats": config.repeats,
            "languages": config.languages,
        }
        if config.kind in ("motion", "pairs"):
            options["audio"] = config.audio
        if config.kind in ("landmarks", "joint"):
            options["references"] = config.references
        if config.kind in ("render", "joint"):
            options["is_compact"] = True
        return _DATASETS[config.kind](self.source(split), **options)

    def _process(self) -> tuple[int, int, int]:
        """Return rank, number of processes and the run's seed."""
        if self.trainer is None:
            return 0, 1, 0
        seed = getattr(self.trainer.lightning_module, "seed", 0)
        return self.trainer.global_rank, self.trainer.world_size, seed

    def _loading(self) -> dict[str, Any]:
        workers = self.config.num_workers
        return {
            "num_workers": workers,
            "persistent_workers": workers > 0,
            "pin_memory": self.config.pin_memory,
        }


def open_source(config: DataConfig, split: Split) -> Source:
    """Return the clips of a split, from whatever `config.path` names.

    Raises:
        ValueError: If it is neither a prepared folder nor shards.
    """
    path = config.path
    if "://" in path or path.startswith("local:") or (Path(path) / split / "index.json").is_file():
        return Shards(path, split, config.cache)
    if not (Path(path) / "manifest.parquet").is_file():
        raise ValueError(
            f"data.path {path!r} holds neither prepared clips (manifest.parquet) nor shards with "
            f"the split {split!r} ({split}/index.json)"
        )
    plan = SegmentPlan(length=config.segment, window=config.window)
    if split != "train" and config.evaluation_frames:
        # Windows of evaluation follow each other: how a clip is cut into segments is all one.
        window = config.evaluation_frames
        plan = SegmentPlan(length=max(config.segment, 2 * window), window=window)
    return ClipFolder(path, split, plan)
