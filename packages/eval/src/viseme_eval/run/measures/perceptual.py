"""Likeness to a network's eye: LPIPS, the same between successive frames, and their stand-ins."""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from viseme_eval.functional.perceptual import (
    PerceptualDistance,
    Trunk,
    consecutive_distance,
    lpips_heads,
)
from viseme_eval.run.measure import Chunk, ClipFacts, Quantity, VideoMeasure, View
from viseme_eval.run.measures.per_frame import FramePairMeasure, mean


class _Lpips(FramePairMeasure):
    """LPIPS with one of its trunks, whole and lower half."""

    trunk: ClassVar[Trunk]

    def __init__(self, network: nn.Module) -> None:
        self._distance = PerceptualDistance(network, lpips_heads(self.trunk))

    @torch.no_grad()
    def of(self, chunk: Chunk) -> Mapping[str, Tensor]:
        """Return both of each frame."""
        pair = chunk.generated.frames_T3HW, chunk.reference.frames_T3HW
        whole, lower = (quantity.name for quantity in self.quantities)
        return {whole: self._distance(*pair), lower: self._distance(*pair, region="lower")}


class Lpips(_Lpips):
    """LPIPS with AlexNet."""

    trunk = "alex"
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


class LpipsVgg(_Lpips):
    """LPIPS with VGG-16."""

    trunk = "vgg"
    networks = ("lpips_vgg",)
    quantities = (
        Quantity("lpips_vgg", "LPIPS (VGG)", "", "lower", "LPIPS with VGG-16."),
        Quantity(
            "lpips_vgg_lower", "LPIPS (VGG), lower half", "", "lower", "Of the crop's lower half."
        ),
    )


class LpipsSqueeze(_Lpips):
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


class Lite0Distance(FramePairMeasure):
    """The stand-in for LPIPS."""

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

    def __init__(self, network: nn.Module) -> None:
        self._distance = PerceptualDistance(network)

    @torch.no_grad()
    def of(self, chunk: Chunk) -> Mapping[str, Tensor]:
        """Return both of each frame."""
        pair = chunk.generated.frames_T3HW, chunk.reference.frames_T3HW
        return {
            "lite0_distance": self._distance(*pair),
            "lite0_distance_lower": self._distance(*pair, region="lower"),
        }


class _Consecutive(VideoMeasure):
    """Distance of each frame to the one before."""

    curve: ClassVar[str]

    def __init__(self, distance: PerceptualDistance) -> None:
        self._distance = distance

    def start(self, clip: ClipFacts) -> None:
        """Forget the frames of another clip."""
        self._before: list[Tensor] | None = None
        # The first frame has none before it.
        self._values = [math.nan]

    @torch.no_grad()
    def update(self, view: View) -> None:
        """Take in the next frames."""
        piece, self._before = consecutive_distance(self._distance, view.frames_T3HW, self._before)
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

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__(PerceptualDistance(trunk, lpips_heads("alex")))


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

    def __init__(self, network: nn.Module) -> None:
        super().__init__(PerceptualDistance(network))
