"""Likeness of frames to a network's eye: LPIPS, and how much successive frames differ.

LPIPS (Zhang et al. 2018) is in TalkFormer's Tables I to III; DisentTalk's Fig. 6 draws it between
each frame and the next. What makes it LPIPS is the trunk's weights, which the user has, and the
linear heads, which torchmetrics ships. Any other network gives a distance that must not be called
by that name.
"""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from viseme_core.frozen import Frozen
from viseme_core.shapes import check_shape
from viseme_eval.functional.image import Region, region_of

Trunk = Literal["alex", "vgg", "squeeze"]
"""Networks that LPIPS has heads for. TalkFormer and DisentTalk do not say which they used; its
authors advise AlexNet for comparing pictures."""

# Keeps the unit vector of a pixel without any response finite, as the lpips package does.
_EPSILON = 1e-10
# Frames whose features are in memory at a time, and as many of the other video: VGG-16's first
# layers make 50 MB of a 256 px frame.
_CHUNK = 8
# Pairs of frames that are compared at a time.
_PAIRS = 2


def lpips_heads(trunk: Trunk) -> list[Tensor]:
    """Return the published linear heads, version 0.1: a weight for every channel, a layer each.

    Raises:
        ValueError: If there are none for this trunk, or torchmetrics came without its files.
    """
    if trunk not in get_args(Trunk):
        raise ValueError(f"LPIPS has heads for {get_args(Trunk)}, got {trunk!r}")
    package = find_spec("torchmetrics")
    if package is None or package.origin is None:
        raise ImportError("the heads of LPIPS come with torchmetrics: pip install torchmetrics")
    path = Path(package.origin).parent / "functional" / "image" / "lpips_models" / f"{trunk}.pth"
    if not path.is_file():
        raise ValueError(
            f"torchmetrics lacks {str(path)!r}, where it keeps the heads of LPIPS; install it "
            f"again from its wheel"
        )
    weights = torch.load(path, map_location="cpu", weights_only=True)
    return [weights[f"lin{i}.model.1.weight"].flatten() for i in range(len(weights))]


def lpips_distance(
    features_a: Sequence[Tensor],
    features_b: Sequence[Tensor],
    heads: Sequence[Tensor] | None = None,
) -> Tensor:
    """Return the perceptual distance of every pair of frames, at least 0; lower is more alike.

    sum over layers l of mean over pixels of sum_c w_lc (a_lc / |a_l| - b_lc / |b_l|)^2, the norms
    over the channels of a pixel.

    Args:
        features_a: Feature maps (T, C, h, w) of one frame of each pair, a layer each.
        features_b: Likewise of the other.
        heads: Weights w_l of channels, (C,) a layer; by default 1, the `baseline` of the `lpips`
            package: a pixel's sum is then 2 - 2 cos, and the distance at most 4 for each layer.

    Returns:
        (T,), float64.

    Raises:
        ValueError: If layers do not match each other or the heads.
    """
    _check_layers(features_a, features_b, heads)
    total = features_a[0].new_zeros(len(features_a[0]), dtype=torch.float64)
    for layer, (a, b) in enumerate(zip(features_a, features_b, strict=True)):
        squared_TC = (_unit(a) - _unit(b)).square().mean((2, 3))
        weights_C = squared_TC.new_ones(a.shape[1]) if heads is None else heads[layer]
        total = total + squared_TC.double() @ weights_C.to(total)
    return total


class PerceptualDistance:
    """Distance of frames by the features of a network.

    Args:
        network: Gives a list of feature maps (T, C, h, w) for frames (T, 3, H, W) in [-1, 1]; it
            normalises them itself as its weights demand. It is frozen.
        heads: Weights of channels, (C,) a layer, as `lpips_heads` returns; by default all are 1.
    """

    def __init__(self, network: nn.Module, heads: Sequence[Tensor] | None = None) -> None:
        self.network = Frozen(network)
        self.heads = None if heads is None else [head.detach() for head in heads]

    def __call__(self, frames_a: Tensor, frames_b: Tensor, *, region: Region = "whole") -> Tensor:
        """Return the distance of every pair, (T,) float64; see `lpips_distance`.

        Args:
            frames_a: (T, 3, H, W) RGB in [-1, 1].
            frames_b: Likewise, of the same size.
            region: What to compare, as pictures of their own.

        Raises:
            ValueError: If shapes disagree, or the heads belong to another network.
        """
        sizes = check_shape(frames_a, "T 3 H W", name="frames_a")
        check_shape(frames_b, "T 3 H W", name="frames_b", sizes=sizes)
        distances = [frames_a.new_zeros(0, dtype=torch.float64)]
        step = self._step(frames_a)
        for a, b in zip(frames_a.split(step), frames_b.split(step), strict=True):
            if len(a):
                both = self.features(torch.cat([a, b]), region=region)
                distances.append(self.between(*zip(*(x.split(len(a)) for x in both), strict=True)))
        return torch.cat(distances)

    def features(self, frames: Tensor, *, region: Region = "whole") -> list[Tensor]:
        """Return the feature maps of frames, to compare them with others more than once."""
        frames = region_of(frames, region)
        # The layout, not the values: a processor's convolutions are a quarter faster on it.
        frames = frames.contiguous(memory_format=torch.channels_last)
        return list(self.network.on(frames)(frames))

    def between(self, features_a: Sequence[Tensor], features_b: Sequence[Tensor]) -> Tensor:
        """Return the distance of every pair of features, (T,) float64."""
        _check_layers(features_a, features_b, self.heads)
        parts = [
            lpips_distance(*some, self.heads)
            for some in zip(_split(features_a), _split(features_b), strict=True)
        ]
        return torch.cat(parts)

    def _step(self, frames: Tensor) -> int:
        """Return how many frames the network takes at once, and as many of the other video."""
        return min(_CHUNK, getattr(self.network.on(frames), "chunk", _CHUNK))


def consecutive_distance(
    distance: PerceptualDistance,
    frames: Tensor,
    before: Sequence[Tensor] | None = None,
    *,
    region: Region = "whole",
) -> tuple[Tensor, list[Tensor]]:
    """Return how much each frame differs from the one before it, and what the next call needs.

    DisentTalk's Fig. 6. A clip given in pieces has the same curve as in one:

        before = None
        for frames in clip:
            piece, before = consecutive_distance(distance, frames, before)

    Args:
        distance: With LPIPS's trunk and heads it is the paper's.
        frames: Successive frames (T, 3, H, W) in [-1, 1], at least one.
        before: Features of the frame before the first, as the last call returned them.
        region: What to compare.

    Returns:
        Distances (T,), or (T - 1,) without `before`, float64; and features of the last frame.

    Raises:
        ValueError: If there are no frames.
    """
    if len(frames) == 0:
        raise ValueError("consecutive_distance needs at least one frame, got none")
    curve = []
    for some in frames.split(_CHUNK):
        piece, before = consecutive_of_features(
            distance, distance.features(some, region=region), before
        )
        curve.append(piece)
    assert before is not None
    return torch.cat(curve), list(before)


def consecutive_of_features(
    distance: PerceptualDistance,
    features: Sequence[Tensor],
    before: Sequence[Tensor] | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Return what `consecutive_distance` does, from the features of the frames.

    Args:
        distance: How features are compared.
        features: Of successive frames, a layer each, (T, C, h, w).
        before: Features of the frame before the first, as the last call returned them.
    """
    parts = [] if before is None else [distance.between(before, [x[:1] for x in features])]
    parts.append(distance.between([x[:-1] for x in features], [x[1:] for x in features]))
    # A copy: a view would keep the features of all frames.
    return torch.cat(parts), [x[-1:].clone() for x in features]


def _split(features: Sequence[Tensor]) -> Iterator[tuple[Tensor, ...]]:
    """Yield the features of few frames at a time, which stay in a processor's caches."""
    return zip(*(layer.split(_PAIRS) for layer in features), strict=True)


def _unit(features: Tensor) -> Tensor:
    return features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + _EPSILON)


def _check_layers(
    features_a: Sequence[Tensor], features_b: Sequence[Tensor], heads: Sequence[Tensor] | None
) -> None:
    shapes_a, shapes_b = ([tuple(x.shape) for x in xs] for xs in (features_a, features_b))
    if not shapes_a or shapes_a != shapes_b:
        raise ValueError(f"features must be the same layers of both, got {shapes_a} and {shapes_b}")
    widths = [shape[1] for shape in shapes_a]
    if heads is not None and [len(head) for head in heads] != widths:
        raise ValueError(
            f"heads must have a weight for every channel of every layer, {widths}, got "
            f"{[len(head) for head in heads]}: they belong to another trunk"
        )
