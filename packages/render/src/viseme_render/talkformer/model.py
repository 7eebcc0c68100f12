"""TalkFormer with its loss (Eq. 1, lower half only) and its sampling.

Letters: B batch, T frames, M motion frames, K landmarks, Z latent channels, H W pixels, h w places.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from viseme_core.batches import RenderBatch
from viseme_core.diffusion import DiffusionProcess, SamplerConfig, sample
from viseme_core.draws import Draws
from viseme_core.frozen import Frozen
from viseme_render.autoencoder.net import Autoencoder
from viseme_render.pirender.regions import mouth_weight
from viseme_render.talkformer.config import FACTOR, TalkFormerConfig
from viseme_render.talkformer.framing import framed, framed_points
from viseme_render.talkformer.latents import open_autoencoder
from viseme_render.talkformer.net import Appearance, Conditions, TalkFormerNet

MASKED = -1.0
"""What pixels of the lower half are set to: black."""
MOTION_FRAMES = 2
"""Frames before a window that temporal attention sees."""


class TalkFormerModel(nn.Module):
    """Draws the lower halves of faces by their landmarks, and says how wrong it is.

    Args:
        config: Settings.
        autoencoder: Frames to latents and back; by default the one that the config names. It is
            frozen and no part of the state dict.
    """

    def __init__(self, config: TalkFormerConfig, autoencoder: Autoencoder | None = None) -> None:
        super().__init__()
        self.config = config
        autoencoder = autoencoder or open_autoencoder(config.autoencoder, config.autoencoder_scale)
        if autoencoder.factor != FACTOR:
            raise ValueError(
                f"talkformer.autoencoder must be of factor {FACTOR}, got one of "
                f"{autoencoder.factor}"
            )
        wanted = config.autoencoder_name
        self.autoencoder_name = autoencoder.name
        if wanted not in (None, self.autoencoder_name):
            raise ValueError(
                f"the model was trained on latents of {wanted!r}, and {config.autoencoder!r} is "
                f"{self.autoencoder_name!r}; give the file that it was trained with"
            )
        self.channels = autoencoder.channels
        self._autoencoder = Frozen(autoencoder)
        self.process = DiffusionProcess(config.diffusion)
        self.net = TalkFormerNet(config, self.channels)

    def loss(
        self, batch: RenderBatch, draws: Draws, *, landmarks_BTK2: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return `ldm`, the mean squared error on the lower half (Eq. 1), and `loss`, weighted.

        Args:
            batch: Windows of successive frames; square crops of any size.
            draws: Source of step, noise and dropped motion frames.
            landmarks_BTK2: Landmarks to draw by in place of the batch's own, `talk131` in [0, 1] of
                the crop. The gradient flows to them.
        """
        told = batch.landmarks_BTK2 if landmarks_BTK2 is None else landmarks_BTK2
        if not self.config.b_sequential:
            batch, told = _one_frame(batch, told, draws)
        side = batch.frames_BT3HW.shape[-1]
        size, zoom = self.config.size, self.config.zoom
        frames_BT3HW = framed(batch.frames_BT3HW, size, zoom)
        latents_BTZhw = self.encode(frames_BT3HW)
        upper_BTZhw, clean_BTZhw = latents_BTZhw.chunk(2, -2)
        if self.config.mask_in_training:
            upper_BTZhw = self.encode_upper(frames_BT3HW)
        reference_BZhw = self.encode(framed(batch.reference_B3HW, size, zoom))
        previous_BMZhw = self._motion_frames(batch, reference_BZhw, draws)
        drawn = self.process.draw(clean_BTZhw, draws, name="talkformer")
        noise_BTZhw, noisy_BTZhw = drawn.noise, drawn.noisy
        if self.config.shared_noise:
            noise_BTZhw = noise_BTZhw[:, :1].expand_as(noise_BTZhw)
            noisy_BTZhw = self.process.add_noise(clean_BTZhw, noise_BTZhw, drawn.step_B)
        conditions = self.net.conditions(
            framed_points(told, side, zoom), self.net.look(reference_BZhw), previous_BMZhw
        )
        found_BTZhw = self._predict(noisy_BTZhw, drawn.step_B, upper_BTZhw, conditions)
        target_BTZhw = self.process.target_of(clean_BTZhw, noise_BTZhw, drawn.step_B)
        error_BTZhw = (found_BTZhw - target_BTZhw).square()
        losses = {"ldm": error_BTZhw.mean()}
        if not self.config.mouth:
            return {"loss": losses["ldm"], **losses}
        points_BTK2 = framed_points(batch.landmarks_BTK2, side, zoom)
        weight_BT1hw = 1 + self.config.mouth * self._mouth(points_BTK2).to(error_BTZhw)
        return {"loss": (weight_BT1hw * error_BTZhw).mean(), **losses}

    def encode(self, frames_X3HW: Tensor) -> Tensor:
        """Return the latents of pictures of the model's size, (..., Z, h, w)."""
        leading = frames_X3HW.shape[:-3]
        with torch.no_grad():
            found = self._autoencoder.on(frames_X3HW).encode(
                frames_X3HW.reshape(-1, *frames_X3HW.shape[-3:])
            )
        return found.reshape(*leading, *found.shape[1:])

    def encode_upper(self, frames_X3HW: Tensor) -> Tensor:
        """Return the upper halves of the latents of masked pictures, (..., Z, h / 2, w)."""
        upper = frames_X3HW[..., : frames_X3HW.shape[-2] // 2, :]
        masked = torch.cat([upper, torch.full_like(upper, MASKED)], -2)
        return self.encode(masked).chunk(2, -2)[0]

    def decode(self, latents_XZhw: Tensor) -> Tensor:
        """Return the pictures of latents, (..., 3, H, W)."""
        leading = latents_XZhw.shape[:-3]
        found = self._autoencoder.on(latents_XZhw).decode(
            latents_XZhw.reshape(-1, *latents_XZhw.shape[-3:])
        )
        return found.reshape(*leading, *found.shape[1:])

    def look(self, reference_B3HW: Tensor) -> Appearance:
        """Return what references of the model's size are to the denoiser."""
        return self.net.look(self.encode(reference_B3HW))

    def sample(
        self,
        upper_BTZhw: Tensor,
        conditions: Conditions,
        start_BTZhw: Tensor,
        draws: Draws,
        sampler: SamplerConfig | None = None,
    ) -> Tensor:
        """Return whole latents (B, T, Z, h, w) of a window: the upper halves, and drawn lower ones.

        Gradients flow through every step: to generate, call it under `torch.no_grad()`.

        Args:
            upper_BTZhw: Result of `encode_upper`.
            conditions: Result of `net.conditions`.
            start_BTZhw: Standard normal noise shaped like `upper_BTZhw`.
            draws: Fresh noise, for samplers that want some.
            sampler: How to sample; by default as the config says.
        """

        def denoise(noisy: Tensor, step_B: Tensor, **condition: Tensor) -> Tensor:
            return self._predict(noisy, step_B, upper_BTZhw, conditions)

        lower_BTZhw = sample(
            denoise,
            tuple(start_BTZhw.shape),
            self.config.diffusion,
            sampler or self.config.sampler,
            draws,
            start=start_BTZhw,
            device=upper_BTZhw.device,
            dtype=upper_BTZhw.dtype,
        )
        return torch.cat([upper_BTZhw, lower_BTZhw], -2)

    def _predict(
        self, lower_BTZhw: Tensor, step_B: Tensor, upper_BTZhw: Tensor, conditions: Conditions
    ) -> Tensor:
        """Return the prediction for the lower half; the upper one is seen clean."""
        found_BTZhw = self.net(torch.cat([upper_BTZhw, lower_BTZhw], -2), step_B, conditions)
        found_BTZhw = found_BTZhw.chunk(2, -2)[1]
        deviation = self.config.reference_deviation
        if not deviation:
            return found_BTZhw
        reference_BZhw = conditions.appearance.latent_BZhw.chunk(2, -2)[1]
        return reference_BZhw[:, None] + deviation * found_BTZhw

    def _motion_frames(self, batch: RenderBatch, reference_BZhw: Tensor, draws: Draws) -> Tensor:
        """Return latents of the frames before the window, (B, 2, Z, h, w).

        Where they are dropped the reference stands for them, as it does before a film's first.
        """
        instead = reference_BZhw[:, None].expand(-1, MOTION_FRAMES, -1, -1, -1)
        if not (self.config.temp_attn and self.config.r_align):
            return instead
        found = self.encode(framed(batch.previous_B23HW, self.config.size, self.config.zoom))
        is_first_B = draws.chance("talkformer/drop_previous", self.config.drop_previous)
        return torch.where(is_first_B.to(found.device)[:, None, None, None, None], instead, found)

    def _mouth(self, points_BTK2: Tensor) -> Tensor:
        """Return how near to the mouth the lower half's places are, (B, T, 1, h / 2, w)."""
        weight_BTHW = mouth_weight(points_BTK2, self.config.size)
        weight_BThw = F.avg_pool2d(weight_BTHW, FACTOR)
        return weight_BThw.chunk(2, -2)[1][:, :, None]


def _one_frame(batch: RenderBatch, told_BTK2: Tensor, draws: Draws) -> tuple[RenderBatch, Tensor]:
    """Return a random frame of each window as a window of its own, and its landmarks."""
    frames = batch.frames_BT3HW.shape[1]
    chosen_B = draws.integers("talkformer/frame", frames).to(batch.frames_BT3HW.device)
    row_B = torch.arange(len(chosen_B), device=chosen_B.device)
    film = torch.cat([batch.previous_B23HW, batch.frames_BT3HW], 1)
    before = torch.stack([film[row_B, chosen_B + i] for i in range(MOTION_FRAMES)], 1)
    single = batch._replace(
        frames_BT3HW=batch.frames_BT3HW[row_B, chosen_B][:, None],
        landmarks_BTK2=batch.landmarks_BTK2[row_B, chosen_B][:, None],
        motion_window_BTWC=batch.motion_window_BTWC[row_B, chosen_B][:, None],
        previous_B23HW=before,
    )
    return single, told_BTK2[row_B, chosen_B][:, None]
