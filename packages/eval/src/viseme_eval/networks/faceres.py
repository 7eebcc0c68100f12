"""faceres: a small network for identity, age and gender, for where no public file can be had.

MobileNet-v1 by A. Savchenko (HSE_FaceRec_tf), quantised and published by V. Mandic under the MIT
licence; `assets/README.md` says what is known of it. Its numbers are no CSIM of any paper: reports
must call them by its name. Letters: B faces, D features.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EMBEDDING = 1024
NUM_AGES = 100
SIZE = 224

BLOCKS: tuple[tuple[int, int, int], ...] = (
    (32, 64, 1),
    (64, 128, 2),
    (128, 128, 1),
    (128, 256, 2),
    (256, 256, 1),
    (256, 512, 2),
    *((512, 512, 1),) * 5,
    (512, 1024, 2),
    (1024, 1024, 1),
)
"""Channels in, channels out and stride of the thirteen separable convolutions."""


class FaceresOutput(NamedTuple):
    """What faceres says of faces."""

    embedding_BD: Tensor
    """(B, 1024), at least 0, not normalised."""
    age_B: Tensor
    """Expected age in years under `ages_BA`."""
    ages_BA: Tensor
    """Probabilities of 0 to 99 years, (B, 100)."""
    male_B: Tensor
    """Probability of a man's face."""


class Faceres(nn.Module):
    """MobileNet-v1 with two heads; takes (B, 3, 224, 224), see `FaceresIdentity` for its range."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2)
        self.blocks = nn.Sequential(*(Separable(*block) for block in BLOCKS))
        self.feats = nn.Linear(EMBEDDING, 256)
        self.age = nn.Linear(256, NUM_AGES)
        self.gender = nn.Linear(256, 1)

    def forward(self, faces: Tensor) -> FaceresOutput:
        """Return embedding, age and gender."""
        embedding = self.blocks(F.relu6(self.stem(_pad_for_stride(faces)))).mean((2, 3))
        hidden = torch.relu(self.feats(embedding))
        ages = self.age(hidden).softmax(1)
        years = torch.arange(NUM_AGES, dtype=ages.dtype, device=ages.device)
        return FaceresOutput(embedding, ages @ years, ages, self.gender(hidden).sigmoid()[:, 0])


class Separable(nn.Module):
    """A convolution within channels, then one across them, ReLU6 after each."""

    def __init__(self, given: int, made: int, stride: int) -> None:
        super().__init__()
        padding = 0 if stride == 2 else 1
        self.depthwise = nn.Conv2d(given, given, 3, stride, padding, groups=given, bias=False)
        # The file keeps the normalisation apart from these weights, at half precision both.
        self.scale = nn.Parameter(torch.ones(given))
        self.shift = nn.Parameter(torch.zeros(given))
        self.pointwise = nn.Conv2d(given, made, 1)
        self._stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return features of `x`."""
        x = self.depthwise(_pad_for_stride(x) if self._stride == 2 else x)
        x = F.relu6(x * self.scale[:, None, None] + self.shift[:, None, None])
        return F.relu6(self.pointwise(x))


def _pad_for_stride(x: Tensor) -> Tensor:
    """Return `x` with a row and a column of zeros at its end, where TensorFlow pads even sizes."""
    return F.pad(x, (0, 1, 0, 1))
