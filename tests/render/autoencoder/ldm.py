"""The autoencoders of latent-diffusion once more, as their paper and public weights have them.

Only what checkpoints need: names of weights, and what the networks compute with them.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (32, 64, 64)
BLOCKS = 2


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, width, eps=1e-6)


class _Residual(nn.Module):
    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = _norm(given), nn.Conv2d(given, made, 3, padding=1)
        self.norm2, self.conv2 = _norm(made), nn.Conv2d(made, made, 3, padding=1)
        if given != made:
            self.nin_shortcut = nn.Conv2d(given, made, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x)))
        hidden = self.conv2(F.silu(self.norm2(hidden)))
        return hidden + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = _norm(width)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        q, k, v = (each(normed).flatten(2) for each in (self.q, self.k, self.v))
        weight = (torch.einsum("bcx,bcy->bxy", q, k) / math.sqrt(q.shape[1])).softmax(-1)
        return x + self.proj_out(torch.einsum("bxy,bcy->bcx", weight, v).view_as(x))


class _Middle(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.block_1, self.attn_1 = _Residual(width, width), _Attention(width)
        self.block_2 = _Residual(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))


class _Size(nn.Module):
    """Blocks of one size, and a convolution that leads to the next."""

    def __init__(self, given: int, made: int, blocks: int, way: str, *, is_last: bool) -> None:
        super().__init__()
        widths = [given] + [made] * blocks
        self.block = nn.ModuleList(_Residual(a, b) for a, b in pairwise(widths))
        if not is_last:
            stride, padding = (2, 0) if way == "downsample" else (1, 1)
            conv = nn.Conv2d(made, made, 3, stride=stride, padding=padding)
            self.add_module(way, nn.ModuleDict({"conv": conv}))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        if hasattr(self, "downsample"):
            x = self.get_submodule("downsample.conv")(F.pad(x, (0, 1, 0, 1)))
        if hasattr(self, "upsample"):
            x = self.get_submodule("upsample.conv")(F.interpolate(x, scale_factor=2.0))
        return x


class _Encoder(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, WIDTHS[0], 3, padding=1)
        given = (WIDTHS[0], *WIDTHS)
        last = len(WIDTHS) - 1
        self.down = nn.ModuleList(
            _Size(given[i], WIDTHS[i], BLOCKS, "downsample", is_last=i == last)
            for i in range(len(WIDTHS))
        )
        self.mid = _Middle(WIDTHS[-1])
        self.norm_out = _norm(WIDTHS[-1])
        self.conv_out = nn.Conv2d(WIDTHS[-1], channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for size in self.down:
            x = size(x)
        return self.conv_out(F.silu(self.norm_out(self.mid(x))))


class _Decoder(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, WIDTHS[-1], 3, padding=1)
        self.mid = _Middle(WIDTHS[-1])
        given = (*WIDTHS[1:], WIDTHS[-1])
        self.up = nn.ModuleList(
            _Size(given[i], WIDTHS[i], BLOCKS + 1, "upsample", is_last=i == 0)
            for i in range(len(WIDTHS))
        )
        self.norm_out = _norm(WIDTHS[0])
        self.conv_out = nn.Conv2d(WIDTHS[0], 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid(self.conv_in(x))
        for size in reversed(self.up):
            x = size(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class LatentDiffusionAutoencoder(nn.Module):
    """KL or, with codes, VQ."""

    def __init__(self, channels: int = 3, width: int = 3, codes: int = 0) -> None:
        super().__init__()
        torch.manual_seed(7)
        twice = 1 if codes else 2
        self.encoder, self.decoder = _Encoder(twice * channels), _Decoder(channels)
        self.quant_conv = nn.Conv2d(twice * channels, twice * width, 1)
        self.post_quant_conv = nn.Conv2d(width, channels, 1)
        if codes:
            self.quantize = nn.ModuleDict({"embedding": nn.Embedding(codes, width)})
        for parameter in self.parameters():
            if parameter.ndim == 1:
                parameter.data.normal_(0.5, 0.1)

    def encode(self, x: Tensor) -> Tensor:
        """Return the mode, or what codes are looked up for."""
        moments = self.quant_conv(self.encoder(x))
        return moments if hasattr(self, "quantize") else moments.chunk(2, 1)[0]

    def decode(self, z: Tensor) -> Tensor:
        """Return pictures."""
        if hasattr(self, "quantize"):
            book = self.get_parameter("quantize.embedding.weight")
            away = (z.movedim(1, -1)[..., None, :] - book).square().sum(-1)
            z = book[away.argmin(-1)].movedim(-1, 1)
        return self.decoder(self.post_quant_conv(z))
