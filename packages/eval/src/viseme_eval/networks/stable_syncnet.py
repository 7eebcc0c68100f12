"""LatentSync's StableSyncNet (Li et al. 2024) in the configuration of its published file.

Reads `stable_syncnet.pt` (syncnet_16_pixel_attn): 16 frames at 25 per second against 52 columns of
Wav2Lip's mel spectrogram. Letters: B windows, C channels, H W size, D width of attention.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EMBEDDING = 2048
_Factor = int | tuple[int, int]
_NUM_GROUPS = 32
_NUM_HEADS = 8

# Channels, factors by which height and width shrink, whether attention follows.
_HEARD: tuple[tuple[int, _Factor, bool], ...] = (
    (32, (2, 1), False),
    (64, 2, False),
    (128, 2, False),
    (256, 1, True),
    (512, 2, True),
    (1024, 2, False),
    (2048, (2, 3), False),
)
_SEEN: tuple[tuple[int, _Factor, bool], ...] = (
    (64, (1, 2), False),
    (128, 2, False),
    (256, 2, False),
    (256, 2, False),
    (512, 2, True),
    (1024, 2, True),
    (2048, 2, False),
    (2048, 2, False),
)


class StableSyncNet(nn.Module):
    """Embeds the lower half of 16 frames and 0.65 s of sound; embeddings are of length one."""

    def __init__(self) -> None:
        super().__init__()
        self.audio_encoder = Encoder(1, _HEARD)
        self.visual_encoder = Encoder(48, _SEEN)

    def see(self, frames: Tensor) -> Tensor:
        """Return embeddings (B, 2048) of lower halves (B, 48, 128, 256): RGB, -1 to 1, by frame."""
        return F.normalize(self.visual_encoder(frames).flatten(1))

    def hear(self, mel: Tensor) -> Tensor:
        """Return embeddings (B, 2048) of mel spectrograms (B, 1, 80, 52) in [-4, 4]."""
        return F.normalize(self.audio_encoder(mel).flatten(1))


class Encoder(nn.Module):
    """Residual blocks that shrink a picture to one place."""

    def __init__(self, given: int, levels: tuple[tuple[int, _Factor, bool], ...]) -> None:
        super().__init__()
        width = levels[0][0]
        self.conv_in = nn.Conv2d(given, width, 3, padding=1)
        self.down_blocks = nn.ModuleList()
        for made, factor, attends in levels:
            self.down_blocks.append(ShrinkingBlock(width, made, factor))
            if attends:
                self.down_blocks.append(AttentionBlock(made))
            width = made
        self.norm_out = nn.GroupNorm(_NUM_GROUPS, width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, C, 1, 1)."""
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return torch.relu(self.norm_out(x))


class ShrinkingBlock(nn.Module):
    """Two convolutions with a shortcut, then one with a stride."""

    def __init__(self, given: int, made: int, factor: _Factor) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(_NUM_GROUPS, given, eps=1e-6)
        self.conv1 = nn.Conv2d(given, made, 3, padding=1)
        self.norm2 = nn.GroupNorm(_NUM_GROUPS, made, eps=1e-6)
        self.conv2 = nn.Conv2d(made, made, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(given, made, 1) if given != made else None
        self.downsample_conv = nn.Conv2d(made, made, 3, factor) if factor != 1 else None
        # Left, right, top, bottom: one-sided where the size halves, both where it stays.
        self._pad = {(2, 1): (1, 1, 0, 1), (1, 2): (0, 1, 1, 1)}.get(_pair(factor), (0, 1, 0, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return features of `x`, smaller."""
        made = self.conv1(F.silu(self.norm1(x)))
        made = self.conv2(F.silu(self.norm2(made)))
        made = made + (x if self.conv_shortcut is None else self.conv_shortcut(x))
        if self.downsample_conv is None:
            return made
        return self.downsample_conv(F.pad(made, self._pad))


class AttentionBlock(nn.Module):
    """Self-attention over places and a gated layer, in the manner of a diffusion UNet."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(_NUM_GROUPS, width, eps=1e-6)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)
        self.ff = Gated(width)
        self.conv_in = nn.Conv2d(width, width, 1)
        self.conv_out = nn.Conv2d(width, width, 1)
        self.attn = Attention(width)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return features of the same shape."""
        tokens = self.conv_in(self.norm1(x_BCHW)).flatten(2).mT
        tokens = tokens + self.attn(self.norm2(tokens))
        tokens = tokens + self.ff(self.norm3(tokens))
        return x_BCHW + self.conv_out(tokens.mT.reshape(x_BCHW.shape))


class Attention(nn.Module):
    """Eight-headed self-attention with biases, named as diffusers names it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.to_out = nn.Sequential(nn.Linear(width, width))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return what each token takes from all."""
        query, key, value = (
            project(x_BTD).unflatten(-1, (_NUM_HEADS, -1)).transpose(1, 2)
            for project in (self.to_q, self.to_k, self.to_v)
        )
        taken = F.scaled_dot_product_attention(query, key, value)
        return self.to_out(taken.transpose(1, 2).flatten(2))


class Gated(nn.Module):
    """Linear layer gated by GELU, four times as wide inside, named as diffusers names it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(GEGLU(width), nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return features of `x`."""
        return self.net(x)


class GEGLU(nn.Module):
    """One half of a linear layer's outputs, gated by the other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of `x`, four times as wide."""
        value, gate = self.proj(x).chunk(2, -1)
        return value * F.gelu(gate)


def _pair(factor: _Factor) -> tuple[int, int]:
    return (factor, factor) if isinstance(factor, int) else factor
