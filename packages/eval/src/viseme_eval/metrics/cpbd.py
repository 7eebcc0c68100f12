"""CPBD over a set of clips."""

from torch import Tensor

from viseme_eval.functional.cpbd import cpbd
from viseme_eval.functional.image import Region
from viseme_eval.metrics.frame_mean import Average, FrameMean


class CPBD(FrameMean):
    """Mean over frames of their CPBD, in [0, 1]; more is sharper. See `functional.cpbd.cpbd`.

    Args:
        region: What to measure.
        average: Over what; see `FrameMean`.
    """

    higher_is_better = True

    def __init__(self, *, region: Region = "whole", average: Average = "frames") -> None:
        super().__init__(average=average)
        self.region: Region = region

    def update(self, frames: Tensor, *, clip: int | Tensor = 0) -> None:
        """Count frames (T, 3, H, W) in [-1, 1] of a clip, or of several by number."""
        self.take(cpbd(frames, region=self.region), clip)
