"""The TalkFormer: landmarks, then the reference, then time, each added through a zero convolution.

Letters: B batch, T frames, X = B T pictures, M motion frames, K landmarks, E landmark width,
D width, h w places.
"""

from typing import NamedTuple

import torch
from diffusers.models.attention_processor import Attention
from einops import rearrange
from torch import Tensor, nn

from viseme_core.nets import positions
from viseme_render.talkformer.config import TalkFormerConfig
from viseme_render.talkformer.embeddings import NUM_WAVES, grid_waves


class Told(NamedTuple):
    """What the TalkFormers of one scale are told."""

    landmarks_XKE: Tensor
    """Embedded landmarks of each picture; K is 1 without M-Align."""
    reference_BDhw: Tensor | None
    """The reference's features of this scale."""
    motion_BMDhw: Tensor | None
    """Those of the frames before the window."""
    frames: int
    """T."""


def zero_convolution(width: int) -> nn.Conv2d:
    """Return a 1 x 1 convolution that gives 0 until it is trained."""
    made = nn.Conv2d(width, width, 1)
    nn.init.zeros_(made.weight)
    nn.init.zeros_(made.bias)  # type: ignore[arg-type]
    return made


def _attention(width: int, head_width: int, key_width: int | None = None) -> Attention:
    """Return softmax(Q K^T / sqrt(d)) V with linear Q, K, V and nothing after it."""
    made = Attention(
        width,
        cross_attention_dim=key_width,
        heads=width // head_width,
        dim_head=head_width,
        bias=True,
    )
    # The zero convolution is what comes after it.
    made.to_out = nn.ModuleList([nn.Identity(), nn.Identity()])
    return made


class Place(nn.Module):
    """Adds where they are to the places of a picture; or nothing, where it is not wanted.

    Args:
        width: Channels.
        located: Whether it is wanted.
    """

    def __init__(self, width: int, *, located: bool) -> None:
        super().__init__()
        self.of_waves = nn.Linear(NUM_WAVES, width, bias=False) if located else None

    def forward(self, tokens_XPD: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the tokens of a grid of so many rows and columns."""
        if self.of_waves is None:
            return tokens_XPD
        return tokens_XPD + self.of_waves(grid_waves(*size, like=tokens_XPD))


class LandmarkAttention(nn.Module):
    """Y = Softmax(Q1 K1^T / sqrt(d1)) V1, Q1 of the hidden features, K1 V1 of landmarks (Eq. 3)."""

    def __init__(self, width: int, config: TalkFormerConfig) -> None:
        super().__init__()
        net = config.net
        self.norm = nn.GroupNorm(net.groups, width)
        self.place = Place(width, located=net.located)
        self.attention = _attention(width, net.head_width, net.landmark_width)
        self.out = zero_convolution(width)

    def forward(self, hidden_XDhw: Tensor, told: Told) -> Tensor:
        """Return what is added to hidden features."""
        size = hidden_XDhw.shape[2:]
        queries = rearrange(self.norm(hidden_XDhw), "x d h w -> x (h w) d")
        found = self.attention(self.place(queries, size), told.landmarks_XKE)
        return self.out(rearrange(found, "x (h w) d -> x d h w", h=size[0]))


class LandmarkAddition(nn.Module):
    """The face's one embedding, added at every place: the row without M-Align."""

    def __init__(self, width: int, config: TalkFormerConfig) -> None:
        super().__init__()
        self.project = nn.Linear(config.net.landmark_width, width)
        self.out = zero_convolution(width)

    def forward(self, hidden_XDhw: Tensor, told: Told) -> Tensor:
        """Return what is added to hidden features, (X, D, 1, 1)."""
        return self.out(self.project(told.landmarks_XKE[:, 0])[..., None, None])


class ReferenceAttention(nn.Module):
    """Softmax(Q2 K2^T / sqrt(d2)) V2, K2 V2 of the reference's features: Eq. 4 and 5.

    The frames of a window share their reference, so they ask together.
    """

    def __init__(self, width: int, config: TalkFormerConfig) -> None:
        super().__init__()
        net = config.net
        self.norm = nn.GroupNorm(net.groups, width)
        self.reference_norm = nn.GroupNorm(net.groups, width)
        self.place = Place(width, located=net.located)
        self.attention = _attention(width, net.head_width, width)
        self.out = zero_convolution(width)

    def forward(self, hidden_XDhw: Tensor, told: Told) -> Tensor:
        """Return what is added to hidden features."""
        assert told.reference_BDhw is not None
        size = hidden_XDhw.shape[2:]
        queries = rearrange(self.norm(hidden_XDhw), "x d h w -> x (h w) d")
        queries = rearrange(self.place(queries, size), "(b t) p d -> b (t p) d", t=told.frames)
        seen = rearrange(self.reference_norm(told.reference_BDhw), "b d h w -> b (h w) d")
        found = self.attention(queries, self.place(seen, size))
        found = rearrange(found, "b (t h w) d -> (b t) d h w", t=told.frames, h=size[0])
        return self.out(found)


class SelfAttention(nn.Module):
    """Attention of a picture's places to each other: the row without R-Align."""

    def __init__(self, width: int, config: TalkFormerConfig) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(config.net.groups, width)
        self.place = Place(width, located=config.net.located)
        self.attention = _attention(width, config.net.head_width)
        self.out = zero_convolution(width)

    def forward(self, hidden_XDhw: Tensor, told: Told) -> Tensor:
        """Return what is added to hidden features."""
        size = hidden_XDhw.shape[2:]
        tokens = rearrange(self.norm(hidden_XDhw), "x d h w -> x (h w) d")
        found = self.attention(self.place(tokens, size))
        return self.out(rearrange(found, "x (h w) d -> x d h w", h=size[0]))


class TemporalAttention(nn.Module):
    """Each place attends to itself over time; motion frames stand before the window, as in Hallo.

    They are asked and never ask: what is made of them is thrown away.
    """

    def __init__(self, width: int, config: TalkFormerConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = _attention(width, config.net.head_width)
        self.out = zero_convolution(width)

    def forward(self, hidden_XDhw: Tensor, told: Told) -> Tensor:
        """Return what is added to hidden features."""
        hidden_BTDhw = rearrange(hidden_XDhw, "(b t) d h w -> b t d h w", t=told.frames)
        if told.motion_BMDhw is not None:
            hidden_BTDhw = torch.cat([told.motion_BMDhw.to(hidden_BTDhw), hidden_BTDhw], 1)
        height, frames = hidden_BTDhw.shape[-2], hidden_BTDhw.shape[1]
        tokens = self.norm(rearrange(hidden_BTDhw, "b t d h w -> (b h w) t d"))
        tokens = tokens + positions(frames, tokens.shape[-1], like=tokens)
        found = self.attention(tokens[:, -told.frames :], tokens)
        found = rearrange(
            found, "(b h w) t d -> (b t) d h w", b=len(hidden_BTDhw), h=height, t=told.frames
        )
        return self.out(found)


class TalkFormer(nn.Module):
    """Steers hidden features after a residual block; changes nothing until it is trained.

    Args:
        width: Channels of the features.
        config: Which of its layers there are.
    """

    def __init__(self, width: int, config: TalkFormerConfig) -> None:
        super().__init__()
        self.motion = (LandmarkAttention if config.m_align else LandmarkAddition)(width, config)
        self.reference = (ReferenceAttention if config.r_align else SelfAttention)(width, config)
        self.temporal = TemporalAttention(width, config) if config.temp_attn else None

    def forward(self, hidden_XDhw: Tensor, told: Told) -> Tensor:
        """Return hidden features, aligned with landmarks, reference and time in this order."""
        hidden_XDhw = hidden_XDhw + self.motion(hidden_XDhw, told)
        hidden_XDhw = hidden_XDhw + self.reference(hidden_XDhw, told)
        if self.temporal is None:
            return hidden_XDhw
        return hidden_XDhw + self.temporal(hidden_XDhw, told)
