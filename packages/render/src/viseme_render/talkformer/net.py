"""The denoiser with its appearance encoder: what TalkFormer trains.

Letters: B batch, T frames, X = B T pictures, M motion frames, K landmarks, E landmark width,
Z latent channels, D width, h w places.
"""

from typing import NamedTuple

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, cat, nn

from viseme_core.nets import StepEmbedding
from viseme_render.talkformer.config import FACTOR, TalkFormerConfig, TalkFormerNetConfig
from viseme_render.talkformer.embeddings import (
    GROUPS,
    FaceEmbedding,
    LandmarkEmbedding,
    soft_points,
)
from viseme_render.talkformer.layers import TalkFormer, Told
from viseme_render.talkformer.trunk import Decoder, Encoder, Middle

Features = tuple[Tensor, ...]
"""Features (B, D, h, w) for the TalkFormers of the encoder's scales from the second on, of the
middle, and of the decoder's scales, the coarsest first."""


class Appearance(NamedTuple):
    """What a reference is to the denoiser, worked out once."""

    latent_BZhw: Tensor
    """Its latent."""
    features: Features | None
    """Its features; None without R-Align."""


class Conditions(NamedTuple):
    """What a window is drawn by, worked out once for all steps of sampling."""

    landmarks_XKE: Tensor
    """Embedded landmarks."""
    appearance: Appearance
    """The reference."""
    motion: Features | None
    """Features of the frames before the window, (B, M, D, h, w); None where nobody asks."""
    drawn_XGhw: Tensor | None
    """Landmarks as soft points, the pixels of a place as channels; None where nobody asks."""


class AppearanceEncoder(nn.Module):
    """A UNet's encoder of residual blocks, without attention and without steps; or a whole UNet.

    Args:
        channels: Channels of a latent.
        net: Settings of the denoiser, which it is as wide as.
        is_complete: Whether it is a whole UNet. Its decoder ends at the second scale: the first has
            no TalkFormer that would ask for it.
    """

    def __init__(self, channels: int, net: TalkFormerNetConfig, *, is_complete: bool) -> None:
        super().__init__()
        self.encoder = Encoder(channels, net)
        self.middle = Middle(net) if is_complete else None
        self.decoder = Decoder(net, finest=1) if is_complete else None

    def forward(self, latent_XZhw: Tensor) -> Features:
        """Return the features of latents for every TalkFormer."""
        down, skips = self.encoder(latent_XZhw)
        if self.middle is None or self.decoder is None:
            # The middle and the decoder are told what the encoder's scale of their size is.
            return (*down[1:], down[-1], *reversed(down[1:]))
        middle = self.middle(down[-1])[-1]
        return (*down[1:], middle, *self.decoder(middle, skips))


class TalkFormerNet(nn.Module):
    """Predicts the noise of a latent, or what else is asked for.

    Args:
        config: Settings.
        channels: Channels of a latent.
    """

    def __init__(self, config: TalkFormerConfig, channels: int) -> None:
        super().__init__()
        self.config = config
        net = config.net
        step_width = 4 * net.widths[0]

        def make(width: int) -> TalkFormer:
            return TalkFormer(width, config)

        if config.m_align:
            self.landmarks = LandmarkEmbedding(net.landmark_width, located=net.located)
        else:
            self.landmarks = FaceEmbedding(net.landmark_width)
        self.appearance = (
            AppearanceEncoder(channels, net, is_complete=config.complete_ref)
            if config.r_align
            else None
        )
        self.step = StepEmbedding(step_width)
        self.is_beside = config.reference_beside or not config.r_align
        given = channels * (1 + self.is_beside)
        given += FACTOR**2 * len(GROUPS) * config.landmarks_beside
        self.encoder = Encoder(given, net, step_width, make)
        self.middle = Middle(net, step_width, make)
        self.decoder = Decoder(net, step_width, make)
        self.norm_out = nn.GroupNorm(net.groups, net.widths[0])
        self.conv_out = nn.Conv2d(net.widths[0], channels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def look(self, reference_BZhw: Tensor) -> Appearance:
        """Return what the latents of references are to the denoiser."""
        features = None if self.appearance is None else self.appearance(reference_BZhw)
        return Appearance(reference_BZhw, features)

    def conditions(
        self, landmarks_BTK2: Tensor, appearance: Appearance, previous_BMZhw: Tensor
    ) -> Conditions:
        """Return what a window is drawn by.

        Args:
            landmarks_BTK2: `talk131` in [0, 1] of the picture.
            appearance: Result of `look`.
            previous_BMZhw: Latents of the frames before the window.
        """
        motion = None
        if self.appearance is not None and self.config.temp_attn:
            found = self.appearance(previous_BMZhw.flatten(0, 1))
            motion = tuple(x.unflatten(0, previous_BMZhw.shape[:2]) for x in found)
        points_XK2 = landmarks_BTK2.flatten(0, 1)
        drawn_XGhw = None
        if self.config.landmarks_beside:
            side = FACTOR * appearance.latent_BZhw.shape[-1]
            drawn_XGhw = F.pixel_unshuffle(soft_points(points_XK2, side), FACTOR)
        return Conditions(self.landmarks(points_XK2), appearance, motion, drawn_XGhw)

    def forward(self, noisy_BTZhw: Tensor, step_B: Tensor, conditions: Conditions) -> Tensor:
        """Return the prediction (B, T, Z, h, w).

        Args:
            noisy_BTZhw: Latents, the lower half noisy, the upper one clean.
            step_B: Diffusion step of each window.
            conditions: What it is drawn by.
        """
        frames = noisy_BTZhw.shape[1]
        given = rearrange(noisy_BTZhw, "b t z h w -> (b t) z h w")
        appearance = conditions.appearance
        if self.is_beside:
            given = cat([given, appearance.latent_BZhw.repeat_interleave(frames, 0)], 1)
        if conditions.drawn_XGhw is not None:
            given = cat([given, conditions.drawn_XGhw], 1)
        step_XS = self.step(step_B).repeat_interleave(frames, 0)
        places = 2 * len(self.config.net.widths) - 1
        nothing = (None,) * places
        told = [
            Told(conditions.landmarks_XKE, reference, motion, frames)
            for reference, motion in zip(
                appearance.features or nothing, conditions.motion or nothing, strict=True
            )
        ]
        scales = len(self.config.net.widths) - 1
        behind, skips = self.encoder(given, step_XS, [None, *told[:scales]])
        middle = self.middle(behind[-1], step_XS, told[scales])[-1]
        hidden = self.decoder(middle, skips, step_XS, [*told[scales + 1 :], None])[-1]
        found = self.conv_out(F.silu(self.norm_out(hidden)))
        return rearrange(found, "(b t) z h w -> b t z h w", t=frames)
