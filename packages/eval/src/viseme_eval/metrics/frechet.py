"""Frechet distances of features over two sets of frames, FID among them."""

from typing import Literal

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from viseme_core.frozen import Frozen
from viseme_core.shapes import check_shape
from viseme_eval.functional.frechet import FeatureMoments, frechet_of_moments
from viseme_eval.functional.image import Region, region_of

Side = Literal["generated", "real"]


class FrechetDistance(Metric):
    """Frechet distance of a network's features; less is better. See `functional.frechet`.

    Keeps sums in float64, so that memory does not grow with the number of frames, and results
    depend on batch size and number of processes only in the last bits of a double.

    Args:
        network: Gives features (T, D) for frames (T, 3, H, W) in [-1, 1], by its method `pooled`
            if it has one; it resizes and normalises them itself as its weights demand. It is
            frozen.
        num_features: Their number D.
        region: What to compare, as pictures of their own.
        allow_few: Give a number although a set has no more than D frames.
    """

    is_differentiable = False
    higher_is_better = False
    # A batch by itself is too few frames for a number of its own.
    full_state_update = False

    generated_count: Tensor
    generated_total: Tensor
    generated_outer: Tensor
    real_count: Tensor
    real_total: Tensor
    real_outer: Tensor

    def __init__(
        self,
        network: nn.Module,
        num_features: int,
        *,
        region: Region = "whole",
        allow_few: bool = False,
    ) -> None:
        super().__init__()
        if num_features < 1:
            raise ValueError(f"num_features must be at least 1, got {num_features}")
        self.network = Frozen(network)
        self.num_features = num_features
        self.region: Region = region
        self.allow_few = allow_few
        for side in ("generated", "real"):
            zeros = torch.zeros(num_features, num_features, dtype=torch.float64)
            self.add_state(f"{side}_count", torch.zeros((), dtype=torch.int64), "sum")
            self.add_state(f"{side}_total", zeros[0].clone(), "sum")
            self.add_state(f"{side}_outer", zeros, "sum")

    @torch.no_grad()
    def update(self, frames: Tensor, *, side: Side) -> None:
        """Count frames (T, 3, H, W) in [-1, 1] of one of the two sets.

        Raises:
            ValueError: If there is no such set, or the network gives other features than it
                should.
        """
        if side not in ("generated", "real"):
            raise ValueError(f"side must be 'generated' or 'real', got {side!r}")
        frames = region_of(frames, self.region)
        network = self.network.on(frames)
        features = getattr(network, "pooled", network)(frames)
        check_shape(features, f"{len(frames)} {self.num_features}", name="network's features")
        now = self._moments(side) + FeatureMoments.of(features)
        setattr(self, f"{side}_count", now.count)
        setattr(self, f"{side}_total", now.total_D)
        setattr(self, f"{side}_outer", now.outer_DD)

    def compute(self) -> Tensor:
        """Return the distance, float64.

        Raises:
            ValueError: If a set has too few frames.
        """
        return frechet_of_moments(
            self._moments("generated"), self._moments("real"), allow_few=self.allow_few
        )

    def _moments(self, side: Side) -> FeatureMoments:
        return FeatureMoments(
            getattr(self, f"{side}_count"),
            getattr(self, f"{side}_total"),
            getattr(self, f"{side}_outer"),
        )


class FID(FrechetDistance):
    """Frechet Inception distance; less is better.

    Args:
        inception: The Inception network of the public FID weights, features of its last pooling;
            with any other the name is wrong: use `FrechetDistance`.
        region: What to compare, as pictures of their own.
        allow_few: Give a number although a set has no more than 2048 frames.
    """

    def __init__(
        self, inception: nn.Module, *, region: Region = "whole", allow_few: bool = False
    ) -> None:
        super().__init__(inception, 2048, region=region, allow_few=allow_few)
