"""FD2Talk's diffusion transformer: noisy coefficients in, clean coefficients out.

Letters: B batch, T frames, A audio-feature width, C coefficients, D model width.
"""

import torch
from torch import Tensor, nn

from viseme_core.nets import Attention, FeedForward, StepEmbedding, near_mask, positions
from viseme_motion.fd2talk.config import FD2TalkConfig
from viseme_motion.portrait import PORTRAIT_DIM


class MotionTransformer(nn.Module):
    """Predicts a clean sequence of coefficients from a noisy one, its step and the sound (Eq. 3).

    Embedded step and audio features, side by side and projected, are what cross-attention looks
    at: tau(c) in the paper's section 3.2.

    Args:
        channels: Coefficients C of a frame.
        audio_dim: Width A of the audio features.
        config: Size and mask.
    """

    def __init__(self, channels: int, audio_dim: int, config: FD2TalkConfig) -> None:
        super().__init__()
        self.reach = config.reach if config.alignment else None
        self.enter = nn.Linear(channels, config.dim)
        self.known = nn.Parameter(torch.zeros(config.dim))
        self.portrait = nn.Linear(PORTRAIT_DIM, config.dim) if config.portrait else None
        self.step = StepEmbedding(config.dim)
        self.condition = nn.Linear(config.dim + audio_dim, config.dim)
        self.layers = nn.ModuleList(
            TransformerLayer(config.dim, config.num_heads) for _ in range(config.num_layers)
        )
        self.leave = nn.Sequential(nn.LayerNorm(config.dim), nn.Linear(config.dim, channels))

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
        """Return the clean coefficients (B, T, C).

        Args:
            noisy_BTC: Coefficients at the step's noise level; known frames clean.
            step_B: Diffusion step.
            audio_BTA: Audio features of the same frames.
            is_known_BT: Frames that are given.
            mask_BT: Real frames; what stands in others has no say.
            portrait_BP: The face at rest (`describe`), for networks that are told it.
        """
        num_frames, device = noisy_BTC.shape[1], noisy_BTC.device
        place_TD = positions(num_frames, self.known.shape[0], like=noisy_BTC)
        motion_BTD = self.enter(noisy_BTC) + place_TD + is_known_BT[..., None] * self.known
        if self.portrait is not None:
            motion_BTD = motion_BTD + self.portrait(portrait_BP)[:, None]
        step_BTD = self.step(step_B)[:, None].expand(-1, num_frames, -1)
        # Keys carry their places too: under the mask a frame could not tell before from after.
        heard_BTD = self.condition(torch.cat([step_BTD, audio_BTA], -1)) + place_TD
        seen_BTT = mask_BT[:, None, :].expand(-1, num_frames, -1)
        heard_BTT = seen_BTT
        if self.reach is not None:
            heard_BTT = seen_BTT & near_mask(num_frames, num_frames, self.reach, device=device)
        for layer in self.layers:
            motion_BTD = layer(motion_BTD, heard_BTD, seen_BTT, heard_BTT)
        return self.leave(motion_BTD)


class TransformerLayer(nn.Module):
    """Self-attention, cross-attention to the condition, feed-forward; each on top of its input.

    Args:
        dim: Width.
        num_heads: Attention heads.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.among = Attention(dim, num_heads)
        self.across = Attention(dim, num_heads)
        self.forward_part = FeedForward(dim)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))

    def forward(
        self, motion_BTD: Tensor, heard_BTD: Tensor, seen_BTT: Tensor, heard_BTT: Tensor
    ) -> Tensor:
        """Return the next hidden state (B, T, D).

        Args:
            motion_BTD: Hidden state of the motion.
            heard_BTD: The condition.
            seen_BTT: Which frames each frame sees.
            heard_BTT: Which frames of the condition each frame hears (Eq. 4).
        """
        motion_BTD = motion_BTD + self.among(self.norms[0](motion_BTD), mask=seen_BTT)
        motion_BTD = motion_BTD + self.across(self.norms[1](motion_BTD), heard_BTD, heard_BTT)
        return motion_BTD + self.forward_part(self.norms[2](motion_BTD))
