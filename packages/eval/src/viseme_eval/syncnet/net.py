"""The two encoders of a sync network. Letters: B batch, T frames, X features, D width."""

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


def without_level(values_BTX: Tensor, surround: int) -> Tensor:
    """Return signals less their mean over the frames around each.

    Near the ends the mean is over the frames that are there.

    Args:
        values_BTX: Signals, shape (B, T, X).
        surround: Frames either way.
    """
    level_BXT = F.avg_pool1d(
        values_BTX.mT, 2 * surround + 1, stride=1, padding=surround, count_include_pad=False
    )
    return values_BTX - level_BXT.mT


class StreamEncoder(nn.Module):
    """Embeds every window of successive frames.

    Row t of the result covers frames t to t + window - 1 and no other; nothing is padded.

    Args:
        in_dim: Features of a frame.
        dim: Width inside.
        out_dim: Width of an embedding.
        window: Frames of a window, odd.
        dropout: Share of inner values that are dropped in training.
    """

    def __init__(self, in_dim: int, dim: int, out_dim: int, window: int, dropout: float) -> None:
        super().__init__()
        self.enter = nn.Linear(in_dim, dim)
        depth = (window - 1) // 2
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(depth))
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, dim, 3) for _ in range(depth))
        self.leave = nn.Sequential(nn.LayerNorm(dim), nn.GELU(), nn.Linear(dim, out_dim))
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames_BTX: Tensor) -> Tensor:
        """Return embeddings (B, T - window + 1, D) of frames (B, T, X)."""
        hidden_BTD = self.dropout(self.enter(frames_BTX))
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            around_BDT = convolution(rearrange(F.gelu(norm(hidden_BTD)), "b t d -> b d t"))
            around_BTD = self.dropout(rearrange(around_BDT, "b d t -> b t d"))
            hidden_BTD = hidden_BTD[:, 1:-1] + around_BTD
        return self.leave(hidden_BTD)
