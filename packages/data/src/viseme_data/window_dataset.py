"""What all data sets of windows share: which window a visit takes, and reading its rows."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from viseme_core.draws import Draws
from viseme_data.segments import tile
from viseme_data.sources import Piece, Source

_EVALUATION = -1


class WindowDataset(Dataset, ABC):
    """Windows of successive frames.

    Args:
        source: Clips of one split.
        frames: Length of a window.
        seed: The run's seed.
        is_tiled: Windows that cover every clip in order, for evaluation, in place of random ones.
        repeats: Windows of each segment in an epoch.
        languages: Only clips in these languages; empty takes all.

    Raises:
        ValueError: If the windows do not fit the source, or it has no clip with sound or of these
            languages.
    """

    needs_sound: ClassVar[bool] = False
    """Whether clips whose source was silent are left out."""

    def __init__(
        self,
        source: Source,
        *,
        frames: int,
        seed: int = 0,
        is_tiled: bool = False,
        repeats: int = 1,
        languages: Collection[str] = (),
    ) -> None:
        if frames < 1 or repeats < 1:
            raise ValueError(
                f"data.frames and data.repeats must be at least 1, got {frames} and {repeats}"
            )
        self.source = source
        self.frames = frames
        self.seed = seed
        self.repeats = 1 if is_tiled else repeats
        self.segments = [
            number
            for number, segment in enumerate(source.segments)
            if source.rows[segment.clip].has_audio or not self.needs_sound
            if not languages or source.rows[segment.clip].language in languages
        ]
        """Numbers of the source's segments that are used."""
        if not self.segments:
            wanted = "with sound" if self.needs_sound else ""
            wanted += f" in {', '.join(sorted(languages))}" if languages else ""
            raise ValueError(f"{source.where} has no clip {wanted.strip()}; prepare some that have")
        self.tiles = _tiles(source, self.segments, frames) if is_tiled else None
        # Refused now rather than at some sample.
        for segment in source.segments[:1]:
            source.plan.starts(segment, source.rows[segment.clip].num_frames, frames)

    def __len__(self) -> int:
        return len(self.segments) * self.repeats if self.tiles is None else len(self.tiles)

    def __getitem__(self, index: int) -> Any:
        """Return the sample of a visit; a plain index is one of evaluation."""
        draws = draws_of(self.seed, index)
        segment, start = self.place(int(index), draws)
        return self.sample(self.source.open(segment), start, draws)

    @property
    def chunk_of(self) -> list[int] | None:
        """Which chunk each training sample lies in, as the source says."""
        chunks = self.source.chunk_of if self.tiles is None else None
        return chunks and [
            chunks[self.segments[index // self.repeats]] for index in range(len(self))
        ]

    def place(self, index: int, draws: Draws) -> tuple[int, int]:
        """Return the segment of a sample and the first frame of its window."""
        if self.tiles is not None:
            return self.tiles[index]
        segment = self.segments[index // self.repeats]
        return segment, self.draw_start(segment, draws, "data/window")

    def draw_start(self, segment: int, draws: Draws, name: str) -> int:
        """Return a random first frame of a window in a segment."""
        chosen = self.source.segments[segment]
        num_frames = self.source.rows[chosen.clip].num_frames
        starts = self.source.plan.starts(chosen, num_frames, self.frames)
        return starts[int(draws.integers(name, len(starts)))]

    @abstractmethod
    def sample(self, piece: Piece, start: int, draws: Draws) -> Any:
        """Return the window of a piece that begins at a frame."""


def draws_of(seed: int, index: int) -> Draws:
    """Return the draws of a visit; a plain index is one of evaluation."""
    # What `viseme_core.train.Visit.draws` returns; importing it would bring Lightning along.
    return Draws(seed, getattr(index, "epoch", _EVALUATION), [int(index)])


def _tiles(source: Source, numbers: list[int], frames: int) -> list[tuple[int, int]]:
    """Return segment and first frame of the windows that cover every clip."""
    tiles = []
    for number in numbers:
        segment = source.segments[number]
        starts = tile(source.rows[segment.clip].num_frames, frames)
        tiles += [(number, start) for start in starts if segment.start <= start < segment.stop]
    return tiles


def rows_at(piece: Piece, names: list[str], numbers: Tensor) -> dict[str, Tensor]:
    """Return the rows of tensors at frames, which may repeat; what has no frames comes whole."""
    begin, end = int(numbers.min()), int(numbers.max()) + 1
    read = piece.read(names, begin, end)
    return {
        name: values if name == "identity" else values[numbers - begin]
        for name, values in read.items()
    }


def index_of(draws: Draws) -> Tensor:
    """Return the index of the sample that the draws are for, as batches hold it."""
    return torch.tensor(draws.index[0])
