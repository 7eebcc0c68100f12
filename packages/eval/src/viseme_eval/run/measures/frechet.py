"""Distance of all generated frames to all real ones: FID, and its stand-in.

Each clip leaves its features in a file; their moments are added up over the files of all clips, so
that a run that was broken needs no frame a second time.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from viseme_eval.functional.frechet import FeatureMoments, frechet_of_moments
from viseme_eval.functional.image import Region, region_of
from viseme_eval.run.measure import Chunk, ClipFacts, Quantity, SetMeasure, SkippedError, View
from viseme_eval.run.measures.seen import Eye, seen_by

_SIDES = ("generated", "reference")
# Rows of features that are read at a time.
_BLOCK = 1024


class Pooled(Protocol):
    """A network with pooled features."""

    def pooled(self, frames_T3HW: Tensor) -> Tensor:
        """Return features (T, D) of frames in [-1, 1]."""
        ...


class _Frechet(SetMeasure):
    """Frechet distance of a network's pooled features, by region; give `pooled`."""

    num_features: ClassVar[int]
    regions: ClassVar[dict[str, Region]]
    """Region by quantity."""

    def pooled(self, view: View, region: Region) -> Tensor:
        """Return features (T, D) of a view's frames."""
        raise NotImplementedError

    def start(self, clip: ClipFacts) -> None:
        """Begin the files of a clip, of which its folder has none."""
        self._work = clip.work

    @torch.no_grad()
    def update(self, chunk: Chunk) -> None:
        """Write the features of the next frames of both."""
        for name, region in self.regions.items():
            for side in _SIDES:
                features = self.pooled(getattr(chunk, side), region)
                rows = np.ascontiguousarray(features.float().cpu().numpy())
                with _file(self._work, name, side).open("ab") as file:
                    file.write(rows.tobytes())

    def finish(self) -> dict[str, float]:
        """Return nothing: the value is the set's."""
        return {}

    def combine(self, works: Sequence[Path]) -> dict[str, float]:
        """Return the distance by region.

        Raises:
            SkippedError: If there are too few frames.
        """
        return {name: self._distance(name, works) for name in self.regions}

    def _distance(self, name: str, works: Sequence[Path]) -> float:
        generated, reference = (self._moments(name, side, works) for side in _SIDES)
        num = int(generated.count)
        if num <= self.num_features:
            raise SkippedError(
                f"{num} frames are too few for {self.num_features} features; evaluate clips of "
                f"more than {self.num_features} frames together"
            )
        return float(frechet_of_moments(generated, reference))

    def _moments(self, name: str, side: str, works: Sequence[Path]) -> FeatureMoments:
        total = FeatureMoments.of(torch.zeros(0, self.num_features))
        for work in works:
            for block in self._blocks(_file(work, name, side)):
                total = total + FeatureMoments.of(block)
        return total

    def _blocks(self, path: Path) -> Iterator[Tensor]:
        size = _BLOCK * self.num_features * 4
        with path.open("rb") as file:
            while piece := file.read(size):
                rows = np.frombuffer(bytearray(piece), np.float32)
                yield torch.from_numpy(rows.reshape(-1, self.num_features))


def _file(work: Path, name: str, side: str) -> Path:
    return work / f"{name}.{side}.f32"


class Fid(_Frechet):
    """Frechet Inception distance."""

    networks = ("inception_fid",)
    num_features = 2048
    regions: ClassVar[dict[str, Region]] = {"fid": "whole", "fid_lower": "lower"}
    quantities = (
        Quantity(
            "fid",
            "FID",
            "",
            "lower",
            "Frechet distance of Inception's pooled features (Heusel et al., 2017) between all "
            "generated and all real frames; needs more than 2048 frames.",
        ),
        Quantity("fid_lower", "FID, lower half", "", "lower", "Of the crop's lower half."),
    )

    def __init__(self, network: Pooled) -> None:
        self._network = network

    def pooled(self, view: View, region: Region) -> Tensor:
        """Return features (T, 2048) of a view's frames."""
        return self._network.pooled(region_of(view.frames_T3HW, region))


class FrechetLite0(_Frechet):
    """The stand-in for it."""

    networks = ("efficientnet_lite0",)
    num_features = 1280
    regions: ClassVar[dict[str, Region]] = {"frechet_lite0": "whole"}
    quantities = (
        Quantity(
            "frechet_lite0",
            "Frechet distance, EfficientNet-Lite0",
            "",
            "lower",
            "Frechet distance of EfficientNet-Lite0's pooled features; needs more than 1280 "
            "frames. Stands in for FID and is in no paper.",
        ),
    )

    def __init__(self, network: Eye) -> None:
        self._network = network

    def pooled(self, view: View, region: Region) -> Tensor:
        """Return features (T, 1280) of a view's frames; its only region is the whole."""
        features_TD = seen_by(self._network, view).pooled
        assert features_TD is not None
        assert region == "whole"
        return features_TD
