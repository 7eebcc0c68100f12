"""Measures that are a mean over frames."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from viseme_eval.run.measure import Chunk, ClipFacts, PairMeasure, VideoMeasure, View


class FrameValues:
    """Values of each frame by name, added up when all are known."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Take the values of the next frames, each (T,)."""
        for name, value_T in values.items():
            self._values.setdefault(name, []).extend(value_T.double().tolist())

    def __getitem__(self, name: str) -> list[float]:
        return self._values.get(name, [])

    def means(self) -> dict[str, float]:
        """Return the mean over the frames that have a value, NaN where none has."""
        return {name: mean(values) for name, values in self._values.items()}


class Track:
    """Rows of successive frames in one place.

    As many small tensors, kept between the large ones of frames, they would leave a heap full of
    holes, some ten times their own size.

    Args:
        num_frames: Most rows there can be.
    """

    def __init__(self, num_frames: int) -> None:
        self._most = num_frames
        self._num = 0
        self._rows: Tensor | None = None

    def add(self, rows_T: Tensor) -> None:
        """Take the next rows (T, ...), all of one shape and type."""
        if self._rows is None:
            self._rows = torch.empty(self._most, *rows_T.shape[1:], dtype=rows_T.dtype)
        self._rows[self._num : self._num + len(rows_T)] = rows_T.cpu()
        self._num += len(rows_T)

    def __len__(self) -> int:
        return self._num

    @property
    def rows(self) -> Tensor:
        """All rows so far, (num, ...)."""
        return torch.zeros(0) if self._rows is None else self._rows[: self._num]


def mean(values: list[float]) -> float:
    """Return the mean of numbers less the NaN among them; infinite if one is."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return math.nan
    # fsum rounds once, so that chunks cannot matter; it refuses infinities.
    total = math.fsum(known) if all(map(math.isfinite, known)) else sum(known)
    return total / len(known)


class FramePairMeasure(PairMeasure):
    """A mean over pairs of frames; give `of`."""

    def start(self, clip: ClipFacts) -> None:
        """Forget the frames of another clip."""
        self.values = FrameValues()

    def of(self, chunk: Chunk) -> Mapping[str, Tensor]:
        """Return values of each frame by quantity, (T,)."""
        raise NotImplementedError

    def update(self, chunk: Chunk) -> None:
        """Take in the next frames of both."""
        self.values.add(self.of(chunk))

    def finish(self) -> dict[str, float]:
        """Return the means."""
        return self.values.means()


class FrameMeasure(VideoMeasure):
    """A mean over frames of one video; give `of`."""

    def start(self, clip: ClipFacts) -> None:
        """Forget the frames of another clip."""
        self.values = FrameValues()

    def of(self, view: View) -> Mapping[str, Tensor]:
        """Return values of each frame by quantity, (T,)."""
        raise NotImplementedError

    def update(self, view: View) -> None:
        """Take in the next frames."""
        self.values.add(self.of(view))

    def finish(self) -> dict[str, float]:
        """Return the means."""
        return self.values.means()
