"""ResNet trunks under torchvision's parameter names, and the public heads that stand on them.

Hopenet (`hopenet_robust_alpha1.pkl`), Deep3DFaceRecon (`epoch_20.pth`), FairFace
(`res34_fair_align_multi_7_20190809.pt`) and Emotion-FAN. Letters: B faces, D features.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

NUM_ANGLE_BINS = 66
DEEP3D_HEADS = (80, 64, 80, 3, 27, 2, 1)
"""Identity, expression, texture, angles, light, x and y, depth: 257 numbers."""
FAIRFACE_HEADS = (7, 2, 9)
"""Race, gender, age."""


class Basic(nn.Module):
    """Residual block of ResNet-18 and -34."""

    expansion = 1

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(given, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _projection(given, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of `x`."""
        made = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(made + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """Residual block of ResNet-50, with the stride in its middle."""

    expansion = 4

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(given, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _projection(given, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of `x`."""
        made = torch.relu(self.bn1(self.conv1(x)))
        made = self.bn3(self.conv3(torch.relu(self.bn2(self.conv2(made)))))
        return torch.relu(made + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """A ResNet up to its pooled features, with nothing behind them.

    Args:
        block: Kind of residual block.
        depths: Blocks of the four stages.
    """

    def __init__(
        self, block: type[Basic] | type[Bottleneck], depths: tuple[int, int, int, int]
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        given = 64
        for k, depth in enumerate(depths):
            width = 64 * 2**k
            blocks = []
            for index in range(depth):
                blocks.append(block(given, width, 2 if k and not index else 1))
                given = width * block.expansion
            self.add_module(f"layer{k + 1}", nn.Sequential(*blocks))
        self.feature_dim = given

    def pooled(self, faces: Tensor) -> Tensor:
        """Return features (B, D), averaged over places."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(faces))))
        for k in range(4):
            x = self.get_submodule(f"layer{k + 1}")(x)
        return x.mean((2, 3))


class HopenetOutput(NamedTuple):
    """Features (B, 2048) before the heads, and yaw, pitch, roll (B, 3) in degrees."""

    features_BD: Tensor
    angles_B3: Tensor


class Hopenet(ResNet):
    """Head pose by bins of three degrees; takes (B, 3, 224, 224) RGB, ImageNet's normalisation."""

    def __init__(self) -> None:
        super().__init__(Bottleneck, (3, 4, 6, 3))
        for angle in ("yaw", "pitch", "roll"):
            self.add_module(f"fc_{angle}", nn.Linear(self.feature_dim, NUM_ANGLE_BINS))
        # A left-over of training that the file holds and nobody uses.
        self.fc_finetune = nn.Linear(self.feature_dim + 3, 3)

    def forward(self, faces: Tensor) -> HopenetOutput:
        """Return features and angles: 3 sum_k k p_k - 99 over the softmax of each head."""
        features = self.pooled(faces)
        bins = torch.arange(NUM_ANGLE_BINS, dtype=features.dtype, device=features.device)
        heads = [self.get_submodule(f"fc_{angle}") for angle in ("yaw", "pitch", "roll")]
        angles = [3 * (head(features).softmax(1) @ bins) - 99 for head in heads]
        return HopenetOutput(features, torch.stack(angles, 1))


class Deep3DFaceRecon(nn.Module):
    """ResNet-50 with seven heads for Deep3D's 257 coefficients; (B, 3, 224, 224) RGB in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ResNet(Bottleneck, (3, 4, 6, 3))
        self.final_layers = nn.ModuleList(
            nn.Conv2d(self.backbone.feature_dim, width, 1) for width in DEEP3D_HEADS
        )

    def forward(self, faces: Tensor) -> Tensor:
        """Return coefficients (B, 257) in the order of `DEEP3D_HEADS`."""
        features = self.backbone.pooled(faces)[..., None, None]
        return torch.cat([head(features) for head in self.final_layers], 1).flatten(1)


class FairFace(ResNet):
    """ResNet-34 with 18 outputs; takes (B, 3, 224, 224) RGB with ImageNet's normalisation."""

    def __init__(self) -> None:
        super().__init__(Basic, (3, 4, 6, 3))
        self.fc = nn.Linear(self.feature_dim, sum(FAIRFACE_HEADS))

    def forward(self, faces: Tensor) -> Tensor:
        """Return logits (B, 18) in the order of `FAIRFACE_HEADS`."""
        return self.fc(self.pooled(faces))


class EmotionFAN(ResNet):
    """Frame attention network, ResNet-18 (Meng et al. 2019); takes (B, 3, 224, 224) RGB, [0, 1].

    No normalisation but that: its data loader has none.
    """

    def __init__(self) -> None:
        super().__init__(Basic, (2, 2, 2, 2))
        width = self.feature_dim
        self.alpha = nn.Sequential(nn.Linear(width, 1), nn.Sigmoid())
        self.beta = nn.Sequential(nn.Linear(2 * width, 1), nn.Sigmoid())
        self.pred_fc1 = nn.Linear(width, 7)
        self.pred_fc2 = nn.Linear(2 * width, 7)

    def classify(self, features_TD: Tensor) -> Tensor:
        """Return logits (7,) of one clip from the pooled features of its frames.

        Self-attention weighs frames into a clip's mean; relation-attention compares each frame
        with it, and the product of both weights decides, as in the paper and in its training. The
        authors' evaluation leaves the second weight out of the numerator; that is not followed.
        """
        alpha_T1 = self.alpha(features_TD)
        mean_D = (features_TD * alpha_T1).sum(0) / alpha_T1.sum()
        pairs = torch.cat([features_TD, mean_D.expand_as(features_TD)], 1)
        weight_T1 = alpha_T1 * self.beta(pairs)
        return self.pred_fc2((pairs * weight_T1).sum(0) / weight_T1.sum())


def _projection(given: int, made: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and given == made:
        return None
    return nn.Sequential(nn.Conv2d(given, made, 1, stride, bias=False), nn.BatchNorm2d(made))
