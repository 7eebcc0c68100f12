"""Face recognition networks trained with ArcFace: iResNet-50 and -100, and IR-SE-50.

The first two read `backbone.pth` of insightface's arcface_torch, the third `model_ir_se50.pth` of
TreB1eN/InsightFace_Pytorch. Letters: B faces, C channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EMBEDDING = 512
_FINAL_SIZE = 7
_WIDTHS = (64, 128, 256, 512)


class IResNet(nn.Module):
    """ResNet with normalisation first and PReLU; takes (B, 3, 112, 112) RGB in [-1, 1].

    Args:
        depths: Blocks of the four stages.
    """

    def __init__(self, depths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.prelu = nn.PReLU(64)
        given = (64, *_WIDTHS)
        for k, depth in enumerate(depths):
            blocks = [IBlock(given[k], _WIDTHS[k], stride=2)]
            blocks += [IBlock(_WIDTHS[k], _WIDTHS[k]) for _ in range(depth - 1)]
            self.add_module(f"layer{k + 1}", nn.Sequential(*blocks))
        self.bn2 = nn.BatchNorm2d(512)
        self.fc = nn.Linear(512 * _FINAL_SIZE**2, EMBEDDING)
        self.features = nn.BatchNorm1d(EMBEDDING)

    def forward(self, faces: Tensor) -> Tensor:
        """Return embeddings (B, 512), not normalised."""
        x = self.prelu(self.bn1(self.conv1(faces)))
        for k in range(4):
            x = self.get_submodule(f"layer{k + 1}")(x)
        return self.features(self.fc(self.bn2(x).flatten(1)))


class IBlock(nn.Module):
    """Normalisation, convolution, normalisation, PReLU, convolution, normalisation, shortcut."""

    def __init__(self, given: int, made: int, *, stride: int = 1) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(given)
        self.conv1 = nn.Conv2d(given, made, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(made)
        self.prelu = nn.PReLU(made)
        self.conv2 = nn.Conv2d(made, made, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(made)
        self.downsample = _projection(given, made, stride) if stride != 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """Return features of `x`."""
        made = self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x)))))
        return self.bn3(made) + (x if self.downsample is None else self.downsample(x))


class IRSE50(nn.Module):
    """ResNet-50 of the same kind with squeeze and excitation.

    Takes (B, 3, 112, 112) BGR in [-1, 1]: its authors unpacked their training faces with OpenCV's
    order and stored them as if it were RGB, and turned the validation faces to match.
    """

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        )
        blocks: list[nn.Module] = []
        given = 64
        for made, depth in zip(_WIDTHS, (3, 4, 14, 3), strict=True):
            blocks += [SEBlock(given, made, stride=2)]
            blocks += [SEBlock(made, made) for _ in range(depth - 1)]
            given = made
        self.body = nn.Sequential(*blocks)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512),
            nn.Dropout(0.6),
            nn.Flatten(),
            nn.Linear(512 * _FINAL_SIZE**2, EMBEDDING),
            nn.BatchNorm1d(EMBEDDING),
        )

    def forward(self, faces: Tensor) -> Tensor:
        """Return embeddings (B, 512) of length one."""
        return F.normalize(self.output_layer(self.body(self.input_layer(faces))))


class SEBlock(nn.Module):
    """A residual block whose shortcut is a mere subsampling where the width stays."""

    def __init__(self, given: int, made: int, *, stride: int = 1) -> None:
        super().__init__()
        self.shortcut_layer = (
            nn.MaxPool2d(1, stride) if given == made else _projection(given, made, stride)
        )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(given),
            nn.Conv2d(given, made, 3, padding=1, bias=False),
            nn.PReLU(made),
            nn.Conv2d(made, made, 3, stride, 1, bias=False),
            nn.BatchNorm2d(made),
            Excitation(made),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features of `x`."""
        return self.res_layer(x) + self.shortcut_layer(x)


class Excitation(nn.Module):
    """Weighs channels by what the whole picture shows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, width // 16, 1, bias=False)
        self.fc2 = nn.Conv2d(width // 16, width, 1, bias=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the same features, weighed."""
        seen = x_BCHW.mean((2, 3), keepdim=True)
        return x_BCHW * torch.sigmoid(self.fc2(torch.relu(self.fc1(seen))))


def _projection(given: int, made: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(given, made, 1, stride, bias=False), nn.BatchNorm2d(made))
