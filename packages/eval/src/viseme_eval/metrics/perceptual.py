"""LPIPS over a set of clips: between two videos, and between successive frames of one.

Each has a stand-in under another name for where the trunk of LPIPS is absent. Numbers of a stand-in
compare with each other only; those in the papers are LPIPS.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from viseme_eval.functional.image import Region
from viseme_eval.functional.perceptual import PerceptualDistance, consecutive_distance
from viseme_eval.metrics.frame_mean import Average, FrameMean


class _PairDistance(FrameMean):
    higher_is_better = False

    def __init__(self, distance: PerceptualDistance, region: Region, average: Average) -> None:
        super().__init__(average=average)
        self.distance = distance
        self.region: Region = region

    @torch.no_grad()
    def update(self, generated: Tensor, reference: Tensor, *, clip: int | Tensor = 0) -> None:
        """Count frames (T, 3, H, W) in [-1, 1] of a clip, or of several by number."""
        self.take(self.distance(generated, reference, region=self.region), clip)


class LPIPS(_PairDistance):
    """Mean over frames of their LPIPS; less is better. See `functional.perceptual.lpips_distance`.

    Args:
        trunk: Network with the public weights that the heads were made for.
        heads: As `functional.perceptual.lpips_heads` returns them for that trunk.
        region: What to compare.
        average: Over what; see `FrameMean`.
    """

    def __init__(
        self,
        trunk: nn.Module,
        heads: Sequence[Tensor],
        *,
        region: Region = "whole",
        average: Average = "frames",
    ) -> None:
        super().__init__(PerceptualDistance(trunk, heads), region, average)


class EfficientNetDistance(_PairDistance):
    """Mean over frames of the unweighted distance of EfficientNet-Lite0's features.

    Stands in for LPIPS; less is better.

    Args:
        network: Gives a list of its feature maps for frames in [-1, 1].
        region: What to compare.
        average: Over what; see `FrameMean`.
    """

    def __init__(
        self, network: nn.Module, *, region: Region = "whole", average: Average = "frames"
    ) -> None:
        super().__init__(PerceptualDistance(network), region, average)


class _ConsecutiveDistance(FrameMean):
    higher_is_better = False
    # Called as a function, torchmetrics then looks at the batch by itself and puts sums back,
    # rather than adding two parts that lack the pair between them.
    full_state_update = True

    def __init__(self, distance: PerceptualDistance, region: Region, average: Average) -> None:
        super().__init__(average=average)
        self.distance = distance
        self.region: Region = region
        self._before: tuple[int, list[Tensor]] | None = None

    @torch.no_grad()
    def update(self, frames: Tensor, *, clip: int = 0) -> None:
        """Count the next frames (T, 3, H, W) in [-1, 1] of a clip.

        They follow those of the last update if the clip's number is the same. All frames of a
        clip go to one process, in order, before those of another.
        """
        before = self._before[1] if self._before and self._before[0] == clip else None
        curve, last = consecutive_distance(self.distance, frames, before, region=self.region)
        self._before = (clip, last)
        self.take(curve, clip)

    def reset(self) -> None:
        """Forget all frames."""
        super().reset()
        self._before = None


class ConsecutiveLPIPS(_ConsecutiveDistance):
    """Mean LPIPS between successive frames (DisentTalk Fig. 6); near the real videos' is better.

    `functional.perceptual.consecutive_distance` gives the curve itself.

    Args:
        trunk: Network with the public weights that the heads were made for.
        heads: As `functional.perceptual.lpips_heads` returns them for that trunk.
        region: What to compare.
        average: Over what, pairs of frames or clips; see `FrameMean`.
    """

    def __init__(
        self,
        trunk: nn.Module,
        heads: Sequence[Tensor],
        *,
        region: Region = "whole",
        average: Average = "frames",
    ) -> None:
        super().__init__(PerceptualDistance(trunk, heads), region, average)


class ConsecutiveEfficientNetDistance(_ConsecutiveDistance):
    """Mean unweighted distance of EfficientNet-Lite0's features between successive frames.

    Stands in for ConsecutiveLPIPS.

    Args:
        network: Gives a list of its feature maps for frames in [-1, 1].
        region: What to compare.
        average: Over what, pairs of frames or clips; see `FrameMean`.
    """

    def __init__(
        self, network: nn.Module, *, region: Region = "whole", average: Average = "frames"
    ) -> None:
        super().__init__(PerceptualDistance(network), region, average)
