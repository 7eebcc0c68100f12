"""DisentTalk's denoising network: regions, scales, sound, step.

Letters: B batch, T frames, A audio-feature width, C coefficients, D width of a frame (all regions).
"""

import math
from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn

from viseme_core.nets import Attention, StepEmbedding, causal_mask, positions
from viseme_motion.disenttalk.config import DisentTalkConfig
from viseme_motion.portrait import PORTRAIT_DIM

NUM_SCALES = 3
"""Depth-wise convolutions of Eq. 5, of dilation 1, 2 and 4."""


class RegionAttention(nn.Module):
    """Eq. 4: attention over time within each region, regions side by side, fused by W_f.

    Args:
        num_regions: Equal parts of a frame's width.
        dim: Width of a frame.
        num_heads: Heads of each region.
        attend: Without, regions are fused as they are.
    """

    def __init__(self, num_regions: int, dim: int, num_heads: int, *, attend: bool = True) -> None:
        super().__init__()
        width = dim // num_regions
        self.num_regions = num_regions
        self.attentions = nn.ModuleList(
            Attention(width, num_heads) for _ in range(num_regions if attend else 0)
        )
        self.fuse = nn.Linear(dim, dim)

    def forward(self, motion_BTD: Tensor, seen_BTT: Tensor) -> Tensor:
        """Return F_spatial (B, T, D)."""
        if self.attentions:
            parts = motion_BTD.chunk(self.num_regions, dim=-1)
            attended = (a(p, mask=seen_BTT) for a, p in zip(self.attentions, parts, strict=True))
            motion_BTD = torch.cat(list(attended), -1)
        return self.fuse(motion_BTD)


class MultiScaleConvolution(nn.Module):
    """Eq. 5: depth-wise convolutions over 3 frames at dilations 1, 2, 4, and a point-wise one.

    Args:
        dim: Width of a frame.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            nn.Conv1d(dim, dim, 3, padding=2**i, dilation=2**i, groups=dim)
            for i in range(NUM_SCALES)
        )
        self.join = nn.Conv1d(NUM_SCALES * dim, dim, 1)

    def forward(self, motion_BTD: Tensor) -> Tensor:
        """Return F_temp (B, T, D)."""
        motion_BDT = rearrange(motion_BTD, "b t d -> b d t")
        joined_BDT = self.join(torch.cat([scale(motion_BDT) for scale in self.scales], 1))
        return rearrange(joined_BDT, "b d t -> b t d")


class LearnedDistance(nn.Module):
    """How much less each head listens to a sound for every frame that it is away.

    Args:
        num_heads: Heads; the first begins with the steepest fall.
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.log_slope_N = nn.Parameter(-torch.arange(num_heads) * math.log(2.0))

    def forward(self, heard_TU: Tensor) -> Tensor:
        """Return what to add to attention (N, T, U); only the shape of `heard_TU` matters."""
        queries, keys = heard_TU.shape
        device = heard_TU.device
        away_TU = (
            torch.arange(keys, device=device) - torch.arange(queries, device=device)[:, None]
        ).abs()
        return -self.log_slope_N.exp()[:, None, None] * away_TU


class AudioFusion(nn.Module):
    """Eq. 6: a local convolution beside causal cross-attention to the sound, fused by W_o.

    Args:
        dim: Width of a frame.
        audio_dim: Width A of the audio features.
        num_heads: Heads of the attention.
        window: Frames k of the convolution; None leaves it out.
        ahead: Frames of sound to come that are heard.
        prefer_near: Heads begin by listening to near sounds.
    """

    def __init__(
        self,
        dim: int,
        audio_dim: int,
        num_heads: int,
        *,
        window: int | None,
        ahead: int,
        prefer_near: bool = False,
    ) -> None:
        super().__init__()
        self.ahead = ahead
        self.distance = LearnedDistance(num_heads) if prefer_near else None
        self.convolution = (
            None if window is None else nn.Conv1d(dim, dim, window, padding=window // 2)
        )
        self.attention = Attention(dim, num_heads, key_dim=audio_dim)
        self.fuse = nn.Linear(2 * dim if window else dim, dim)

    def forward(self, motion_BTD: Tensor, audio_BTA: Tensor, mask_BT: Tensor) -> Tensor:
        """Return F_final (B, T, D)."""
        frames = motion_BTD.shape[1]
        causal_TT = causal_mask(frames, audio_BTA.shape[1], self.ahead, device=motion_BTD.device)
        bias_NTT = None if self.distance is None else self.distance(causal_TT)
        heard_BTT = causal_TT & mask_BT[:, None, :]
        paths = [self.attention(motion_BTD, audio_BTA, heard_BTT, bias_NTT)]
        if self.convolution is not None:
            motion_BDT = rearrange(motion_BTD * mask_BT[..., None], "b t d -> b d t")
            paths.insert(0, rearrange(self.convolution(motion_BDT), "b d t -> b t d"))
        return self.fuse(torch.cat(paths, -1))


class StepModulation(nn.Module):
    """Eq. 7: FiLM, gamma(t) F + beta(t).

    Args:
        dim: Width of a frame and of the step's embedding.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale_shift = nn.Linear(dim, 2 * dim)

    def forward(self, motion_BTD: Tensor, step_BD: Tensor) -> Tensor:
        """Return F_out (B, T, D)."""
        scale_B1D, shift_B1D = self.scale_shift(step_BD)[:, None].chunk(2, dim=-1)
        # gamma is 1 + what is learned: at first a step changes little.
        return (1 + scale_B1D) * motion_BTD + shift_B1D


class Block(nn.Module):
    """Eq. 4 to 7 in a row, added to what came in.

    Args:
        config: Sizes and ablations.
        num_regions: Regions of the face.
        dim: Width of a frame.
    """

    def __init__(self, config: DisentTalkConfig, num_regions: int, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.spatial = RegionAttention(
            num_regions, dim, config.num_heads, attend=config.hierarchical
        )
        self.temporal = MultiScaleConvolution(dim) if config.temporal else None
        self.sound = AudioFusion(
            dim,
            dim,
            config.num_heads,
            window=config.window if config.local else None,
            ahead=config.ahead,
            prefer_near=config.prefer_near,
        )
        self.step = StepModulation(dim)
        self.activation = nn.GELU()
        self.leave = nn.Linear(dim, dim)

    def forward(
        self,
        motion_BTD: Tensor,
        audio_BTD: Tensor,
        step_BD: Tensor,
        seen_BTT: Tensor,
        mask_BT: Tensor,
    ) -> Tensor:
        """Return the next hidden state (B, T, D)."""
        inner_BTD = self.spatial(self.norm(motion_BTD), seen_BTT)
        if self.temporal is not None:
            inner_BTD = self.temporal(inner_BTD * mask_BT[..., None])
        inner_BTD = self.step(self.sound(inner_BTD, audio_BTD, mask_BT), step_BD)
        return motion_BTD + self.leave(self.activation(inner_BTD))


class RegionDenoiser(nn.Module):
    """Predicts the noise in expression coefficients from their step and the sound.

    Args:
        regions: Directions of each region; together all coefficients, each once.
        audio_dim: Width A of the audio features.
        config: Sizes and ablations.
        heard_dim: Width of what the hearing makes of the features; the same where it is left out.
    """

    order_C: Tensor
    back_C: Tensor

    def __init__(
        self,
        regions: Sequence[Sequence[int]],
        audio_dim: int,
        config: DisentTalkConfig,
        *,
        heard_dim: int | None = None,
    ) -> None:
        super().__init__()
        order_C = torch.tensor([i for region in regions for i in region])
        self.register_buffer("order_C", order_C, persistent=False)
        self.register_buffer("back_C", order_C.argsort(), persistent=False)
        self.sizes = [len(region) for region in regions]
        # The ablation with one region has frames as wide as the full network's.
        dim = 3 * config.dim
        width = dim // len(regions)
        self.enter = nn.ModuleList(nn.Linear(size, width) for size in self.sizes)
        self.known = nn.Parameter(torch.zeros(dim))
        self.portrait = nn.Linear(PORTRAIT_DIM, dim) if config.portrait else None
        self.step = StepEmbedding(dim)
        self.hear = nn.Linear(heard_dim or audio_dim, dim)
        self.blocks = nn.ModuleList(
            Block(config, len(regions), dim) for _ in range(config.num_blocks)
        )
        self.leave_norm = nn.LayerNorm(dim)
        self.leave = nn.ModuleList(nn.Linear(width, size) for size in self.sizes)
        self.null_A = nn.Parameter(torch.zeros(audio_dim))

    def forward(
        self,
        noisy_BTC: Tensor,
        step_B: Tensor,
        *,
        audio_BTA: Tensor,
        is_known_BT: Tensor,
        mask_BT: Tensor,
        portrait_BP: Tensor | None = None,
    ) -> Tensor:
        """Return the noise (B, T, C).

        Args:
            noisy_BTC: Coefficients at the step's noise level; known frames clean.
            step_B: Diffusion step.
            audio_BTA: What is heard in the same frames; what the hearing makes of `null_A` where
                there is none.
            is_known_BT: Frames that are given.
            mask_BT: Real frames; what stands in others has no say.
            portrait_BP: The face at rest (`describe`), for networks that are told it.
        """
        num_frames = noisy_BTC.shape[1]
        place_TD = positions(num_frames, self.known.shape[0], like=noisy_BTC)
        parts = noisy_BTC[..., self.order_C].split(self.sizes, dim=-1)
        motion_BTD = torch.cat([e(p) for e, p in zip(self.enter, parts, strict=True)], -1)
        motion_BTD = motion_BTD + place_TD + is_known_BT[..., None] * self.known
        if self.portrait is not None:
            motion_BTD = motion_BTD + self.portrait(portrait_BP)[:, None]
        audio_BTD = self.hear(audio_BTA) + place_TD
        step_BD = self.step(step_B)
        seen_BTT = mask_BT[:, None, :].expand(-1, num_frames, -1)
        for block in self.blocks:
            motion_BTD = block(motion_BTD, audio_BTD, step_BD, seen_BTT, mask_BT)
        parts = self.leave_norm(motion_BTD).chunk(len(self.sizes), dim=-1)
        noise_BTC = torch.cat([e(p) for e, p in zip(self.leave, parts, strict=True)], -1)
        return noise_BTC[..., self.back_C]
