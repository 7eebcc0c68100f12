"""Wav2Lip's lip-sync expert (Prajwal et al. 2020), the class SyncNet_color.

Reads `lipsync_expert.pth`, whose weights lie under `state_dict`. Letters: B windows.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EMBEDDING = 512
_Stride = int | tuple[int, int]


class LipSyncExpert(nn.Module):
    """Embeds the lower half of five frames and 0.2 s of sound; embeddings are of length one.

    Both end in a ReLU, so that their cosine, at least 0, is taken for a probability of sync.
    """

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder = nn.Sequential(
            Block(15, 32, 7, padding=3),
            Block(32, 64, 5, stride=(1, 2)),
            *_residual(64, 2),
            Block(64, 128, stride=2),
            *_residual(128, 3),
            Block(128, 256, stride=2),
            *_residual(256, 2),
            Block(256, 512, stride=2),
            *_residual(512, 2),
            Block(512, 512, stride=2),
            Block(512, 512, padding=0),
            Block(512, 512, 1, padding=0),
        )
        self.audio_encoder = nn.Sequential(
            Block(1, 32),
            *_residual(32, 2),
            Block(32, 64, stride=(3, 1)),
            *_residual(64, 2),
            Block(64, 128, stride=3),
            *_residual(128, 2),
            Block(128, 256, stride=(3, 2)),
            *_residual(256, 2),
            Block(256, 512, padding=0),
            Block(512, 512, 1, padding=0),
        )

    def see(self, frames: Tensor) -> Tensor:
        """Return embeddings (B, 512) of lower halves (B, 15, 48, 96): BGR, 0 to 1, frame by frame.

        Channel 3 t + c is colour c of frame t.
        """
        return F.normalize(self.face_encoder(frames).flatten(1))

    def hear(self, mel: Tensor) -> Tensor:
        """Return embeddings (B, 512) of mel spectrograms (B, 1, 80, 16) in [-4, 4]."""
        return F.normalize(self.audio_encoder(mel).flatten(1))


class Block(nn.Module):
    """Convolution, normalisation, what came in if `residual`, ReLU."""

    def __init__(
        self,
        given: int,
        made: int,
        kernel: int = 3,
        *,
        stride: _Stride = 1,
        padding: int = 1,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.Conv2d(given, made, kernel, stride, padding), nn.BatchNorm2d(made)
        )
        self._residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of `x`."""
        made = self.conv_block(x)
        return torch.relu(made + x if self._residual else made)


def _residual(width: int, count: int) -> list[Block]:
    return [Block(width, width, residual=True) for _ in range(count)]
