"""PSNR and SSIM over a set of clips."""

import torch
from torch import Tensor

from viseme_eval.functional.image import Region, psnr, ssim
from viseme_eval.metrics.frame_mean import Average, FrameMean


class PSNR(FrameMean):
    """Mean over frames of their PSNR in dB; more is better. See `functional.image.psnr`.

    Not the PSNR of all frames' mean error, which is what torchmetrics gives and is lower.

    Args:
        region: What to compare.
        average: Over what; see `FrameMean`.
        ceiling_db: What a frame counts at most: equal frames have an infinite ratio, and one of
            them would make the mean infinite. A single wrong level of one channel of a 256 px
            frame has 101 dB.
    """

    higher_is_better = True

    def __init__(
        self,
        *,
        region: Region = "whole",
        average: Average = "frames",
        ceiling_db: float = 100.0,
    ) -> None:
        super().__init__(average=average)
        self.region: Region = region
        self.ceiling_db = ceiling_db

    @torch.no_grad()
    def update(
        self,
        generated: Tensor,
        reference: Tensor,
        *,
        mask: Tensor | None = None,
        clip: int | Tensor = 0,
    ) -> None:
        """Count frames (T, 3, H, W) in [-1, 1] of a clip, or of several by number."""
        values = psnr(generated, reference, region=self.region, mask=mask)
        self.take(values.clamp_max(self.ceiling_db), clip)


class SSIM(FrameMean):
    """Mean over frames of their SSIM; more is better, 1 at most. See `functional.image.ssim`.

    Args:
        region: What to compare.
        average: Over what; see `FrameMean`.
    """

    higher_is_better = True

    def __init__(self, *, region: Region = "whole", average: Average = "frames") -> None:
        super().__init__(average=average)
        self.region: Region = region

    @torch.no_grad()
    def update(
        self,
        generated: Tensor,
        reference: Tensor,
        *,
        mask: Tensor | None = None,
        clip: int | Tensor = 0,
    ) -> None:
        """Count frames (T, 3, H, W) in [-1, 1] of a clip, or of several by number."""
        self.take(ssim(generated, reference, region=self.region, mask=mask), clip)
