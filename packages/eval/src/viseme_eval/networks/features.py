"""Features of whole pictures: for the Frechet inception distance, for LPIPS, and their stand-in.

Frames go in as they are, without landmarks. Letters: T frames, C channels, D features, h w pixels
of features.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from viseme_eval.networks.face_network import FaceNetwork, N, check_frames
from viseme_eval.networks.inception import Inception
from viseme_eval.networks.trunks import Trunk

_INCEPTION_SIZE = 299
# LPIPS's own scaling of colours in [-1, 1]; nearly ImageNet's.
_LPIPS_SHIFT = (-0.030, -0.088, -0.188)
_LPIPS_SCALE = (0.458, 0.448, 0.450)
# Last block of EfficientNet-Lite0 at each size.
_LITE0_TAPS = (0, 2, 4, 10, 15)
_LITE0_STEP = 32


class PictureFeatures(NamedTuple):
    """What a network sees of pictures."""

    maps: list[Tensor]
    """Feature maps (T, C, h, w), a layer each."""
    pooled: Tensor | None
    """Features (T, D) averaged over places; None of a network that has none."""


class InceptionFeatures(FaceNetwork[Inception]):
    """Features for FID: `pooled(frames)` is (T, 2048)."""

    def pooled(self, frames_T3HW: Tensor) -> Tensor:
        """Return features (T, 2048) as pytorch-fid computes them.

        Frames are resized to 299 px bilinearly without anti-aliasing, as its code does.

        Args:
            frames_T3HW: RGB in [-1, 1], of any size.
        """
        check_frames(frames_T3HW)
        return self.in_chunks(self._pooled, frames_T3HW)

    forward = pooled

    def _pooled(self, frames_T3HW: Tensor) -> Tensor:
        size = (_INCEPTION_SIZE, _INCEPTION_SIZE)
        return self.net(F.interpolate(frames_T3HW, size, mode="bilinear", align_corners=False))


class PerceptualFeatures(FaceNetwork[Trunk]):
    """Feature maps for LPIPS: a list of (T, C, h, w), a layer each."""

    def forward(self, frames_T3HW: Tensor) -> list[Tensor]:
        """Return feature maps of frames.

        Not in chunks: maps are large, and who compares them takes few frames at a time.

        Args:
            frames_T3HW: RGB in [-1, 1], of any size.
        """
        check_frames(frames_T3HW)
        shift, scale = (
            frames_T3HW.new_tensor(c)[:, None, None] for c in (_LPIPS_SHIFT, _LPIPS_SCALE)
        )
        return self.net((frames_T3HW - shift) / scale)

    def features(self, frames_T3HW: Tensor) -> PictureFeatures:
        """Return the same, `chunk` frames at a time and on this network's device."""
        return _in_chunks(self, lambda frames: PictureFeatures(self(frames), None), frames_T3HW)


class EfficientNetLite0Features(FaceNetwork[nn.Module]):
    """The stand-in for both: feature maps of EfficientNet-Lite0 and their pooled vector.

    A distance on them is neither LPIPS nor FID, and reports must call it by this network's name.
    """

    # Its many thin layers are bound by memory: one frame fits a processor's caches, eight do not.
    chunk_on_cpu = 1

    def forward(self, frames_T3HW: Tensor) -> list[Tensor]:
        """Return five feature maps (T, C, h, w), from half the size to a thirty-second.

        Args:
            frames_T3HW: RGB in [-1, 1], sides a multiple of 32.

        Raises:
            ValueError: If the sides are not.
        """
        return self._look(frames_T3HW).maps

    def pooled(self, frames_T3HW: Tensor) -> Tensor:
        """Return features (T, 1280) of the last layer, averaged over places."""
        check_frames(frames_T3HW)
        features_TD = self.features(frames_T3HW).pooled
        assert features_TD is not None
        return features_TD

    def features(self, frames_T3HW: Tensor) -> PictureFeatures:
        """Return both of one pass, `chunk` frames at a time and on this network's device."""
        return _in_chunks(self, self._look, frames_T3HW)

    def _look(self, frames_T3HW: Tensor) -> PictureFeatures:
        check_frames(frames_T3HW)
        height, width = frames_T3HW.shape[2:]
        if height % _LITE0_STEP or width % _LITE0_STEP:
            raise ValueError(
                f"frames for efficientnet_lite0 must have sides that are a multiple of "
                f"{_LITE0_STEP}, got {height} x {width}; resize them"
            )
        net = self.net
        # Its weights come from TensorFlow, where colours are (v - 127) / 128.
        x = _relu6_norm(net, "_conv_stem", "_bn0", (frames_T3HW * 127.5 + 0.5) / 128)
        taken = []
        for index, block in enumerate(net.get_submodule("_blocks").children()):
            x = block(x)
            if index in _LITE0_TAPS:
                taken.append(x)
        return PictureFeatures(taken, _relu6_norm(net, "_conv_head", "_bn1", x).mean((2, 3)))


def _in_chunks(
    network: FaceNetwork[N],
    look: Callable[[Tensor], PictureFeatures],
    frames_T3HW: Tensor,
) -> PictureFeatures:
    # The layout, not the values: a processor's convolutions are a quarter faster on it.
    parts = [
        look(frames.to(network.device).contiguous(memory_format=torch.channels_last))
        for frames in frames_T3HW.split(network.chunk)
    ]
    maps = [torch.cat(layer) for layer in zip(*(part.maps for part in parts), strict=True)]
    pooled = [part.pooled for part in parts if part.pooled is not None]
    return PictureFeatures(maps, torch.cat(pooled) if pooled else None)


def _relu6_norm(net: nn.Module, convolution: str, norm: str, x: Tensor) -> Tensor:
    return torch.clamp(net.get_submodule(norm)(net.get_submodule(convolution)(x)), 0, 6)
