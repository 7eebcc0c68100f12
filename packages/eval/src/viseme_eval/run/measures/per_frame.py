"""Measures that are a mean over frames."""

import math
from collections.abc import Mapping

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
