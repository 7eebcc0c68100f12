"""Likeness to a network's eye: LPIPS, the same between successive frames, and their stand-ins."""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from viseme_eval.functional.perceptual import (
    PerceptualDistance,
    Trunk,
    consecutive_of_features,
    lpips_heads,
)
from viseme_eval.run.measure import Chunk, ClipFacts, Quantity, VideoMeasure, View
from viseme_eval.run.measures.per_frame import FramePairMeasure, mean
from viseme_eval.run.measures.seen import Eye, seen_by


class _PairDistance(FramePairMeasure):
    """Distance of frames to a network's eye, whole and lower half."""

    trunk: ClassVar[Trunk | None] = None
    """Whose heads weigh the features; without, all weigh alike."""
    is_shared: ClassVar[bool] = False
    """Whether other measures want the network's features too, which are then kept for them."""

    def __init__(self, network: Eye) -> None:
        self._network = network
        self._distance = _distance(network, self.trunk)

    @torch.no_grad()
    def of(self, chunk: Chunk) -> Mapping[str, Tensor]:
        """Return both of each frame."""
        views = chunk.generated, chunk.reference
        # Where the network is: it would follow the frames, from an accelerator too.
        pair = [view.frames_T3HW.to(self._network.device) for view in views]
        whole, lower = (quantity.name for quantity in self.quantities)
        if self.is_shared:
            seen = [seen_by(self._network, view).maps for view in views]
            value_T = self._distance.between(*seen)
        else:
            value_T = self._distance(*pair)
        return {whole: value_T, lower: self._distance(*pair, region="lower")}


def _distance(network: nn.Module, trunk: Trunk | None) -> PerceptualDistance:
    return PerceptualDistance(network, None if trunk is None else lpips_heads(trunk))


class Lpips(_PairDistance):
    """LPIPS with AlexNet."""

    trunk = "alex"
    is_shared = True
    networks = ("lpips_alex",)
    quantities = (
        Quantity(
            "lpips",
            "LPIPS",
            "",
            "lower",
            "Learned perceptual distance (Zhang et al., 2018), AlexNet, version 0.1; mean over "
            "frames. Papers do not say which trunk they use; this is the authors' advice.",
        ),
        Quantity("lpips_lower", "LPIPS, lower half", "", "lower", "Of the crop's lower half."),
    )


class LpipsVgg(_PairDistance):
    """LPIPS with VGG-16."""

    trunk = "vgg"
    networks = ("lpips_vgg",)
    quantities = (
        Quantity("lpips_vgg", "LPIPS (VGG)", "", "lower", "LPIPS with VGG-16."),
        Quantity(
            "lpips_vgg_lower", "LPIPS (VGG), lower half", "", "lower", "Of the crop's lower half."
        ),
    )


class LpipsSqueeze(_PairDistance):
    """LPIPS with SqueezeNet."""

    trunk = "squeeze"
    networks = ("lpips_squeeze",)
    quantities = (
        Quantity("lpips_squeeze", "LPIPS (SqueezeNet)", "", "lower", "LPIPS with SqueezeNet."),
        Quantity(
            "lpips_squeeze_lower",
            "LPIPS (SqueezeNet), lower half",
            "",
            "lower",
            "Of the crop's lower half.",
        ),
    )


class Lite0Distance(_PairDistance):
    """The stand-in for LPIPS."""

    is_shared = True
    networks = ("efficientnet_lite0",)
    quantities = (
        Quantity(
            "lite0_distance",
            "EfficientNet-Lite0 distance",
            "",
            "lower",
            "Distance of five layers' unit features of EfficientNet-Lite0, unweighted; mean over "
            "frames. Stands in for LPIPS and is in no paper.",
        ),
        Quantity(
            "lite0_distance_lower",
            "EfficientNet-Lite0 distance, lower half",
            "",
            "lower",
            "Of the crop's lower half.",
        ),
    )


class _Consecutive(VideoMeasure):
    """Distance of each frame to the one before."""

    curve: ClassVar[str]
    trunk: ClassVar[Trunk | None] = None

    def __init__(self, network: Eye) -> None:
        self._network = network
        self._distance = _distance(network, self.trunk)

    def start(self, clip: ClipFacts) -> None:
        """Forget the frames of another clip."""
        self._before: list[Tensor] | None = None
        # The first frame has none before it.
        self._values = [math.nan]

    @torch.no_grad()
    def update(self, view: View) -> None:
        """Take in the next frames."""
        maps = seen_by(self._network, view).maps
        piece, self._before = consecutive_of_features(self._distance, maps, self._before)
        self._values += piece.tolist()

    def finish(self) -> dict[str, float]:
        """Return the mean."""
        return {self.quantities[0].name: mean(self._values)}

    def curves(self) -> Mapping[str, Sequence[float]]:
        """Return the distance of each frame."""
        return {self.curve: self._values}


class ConsecutiveLpips(_Consecutive):
    """LPIPS between successive frames."""

    curve = "consecutive LPIPS"
    trunk = "alex"
    networks = ("lpips_alex",)
    quantities = (
        Quantity(
            "lpips_consecutive",
            "LPIPS, consecutive",
            "",
            "reference",
            "LPIPS between each frame and the one before (DisentTalk Fig. 6); mean over frames.",
        ),
    )


class ConsecutiveLite0(_Consecutive):
    """The stand-in for it."""

    curve = "consecutive EfficientNet-Lite0 distance"
    networks = ("efficientnet_lite0",)
    quantities = (
        Quantity(
            "lite0_consecutive",
            "EfficientNet-Lite0 distance, consecutive",
            "",
            "reference",
            "The stand-in's distance between each frame and the one before; in no paper.",
        ),
    )
