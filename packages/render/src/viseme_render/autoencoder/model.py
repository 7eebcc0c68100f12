"""An autoencoder with its losses.

Letters: B pictures (of all samples, their frames in one row), T frames, H W pixels, h w latent.
"""

from typing import Any, NamedTuple

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, nn
from torch.func import functional_call

from viseme_core.draws import Draws
from viseme_render.autoencoder.batch import PictureBatch
from viseme_render.autoencoder.config import AutoencoderTrainingConfig
from viseme_render.autoencoder.critic import PatchCritic
from viseme_render.autoencoder.losses import (
    adversary_weight,
    critic_loss,
    divergence,
    pixel_error,
)
from viseme_render.autoencoder.net import Autoencoder
from viseme_render.pirender.losses import EdgeLoss, PerceptualLoss


class Reconstruction(NamedTuple):
    """Pictures that went through an autoencoder, and what their latents are judged by."""

    picture_B3HW: Tensor
    """What came out."""
    raw_BZhw: Tensor
    """Latents before scaling: the mode, or what codes were looked up for."""
    posterior: DiagonalGaussianDistribution | None
    """The Gaussians, of the kind `kl`."""
    codebook: Tensor | None
    """Distance between latents and their codes, (), of the kind `vq`."""


class AutoencoderModel(nn.Module):
    """Trains an autoencoder, with a critic beside it if there is to be one.

    Both learn in one step and by one optimizer: what the critic says of made pictures reaches the
    autoencoder with the critic's weights held still, and what it is taught by reaches the critic
    alone.

    Args:
        config: Settings.
        perceptual: What the perceptual loss looks through; by default edges.
    """

    def __init__(
        self, config: AutoencoderTrainingConfig, perceptual: PerceptualLoss | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.autoencoder = Autoencoder(config.net)
        # 0 stands for a scale that was not measured yet: such files are refused.
        self.autoencoder.scale_factor.zero_()
        loss = config.loss
        self.critic = PatchCritic(loss.critic_width, loss.critic_layers) if loss.adversary else None
        self._perceptual = perceptual or EdgeLoss(loss.scales)

    def reconstruct(self, batch: PictureBatch, draws: Draws | None = None) -> Reconstruction:
        """Return the pictures of a batch as they come out of the autoencoder.

        Args:
            batch: Pictures.
            draws: Where Gaussians are drawn from; None takes their mode.
        """
        frames = batch.frames_BT3HW.shape[1]
        true_B3HW = batch.frames_BT3HW.flatten(0, 1)
        net: Any = self.autoencoder.net
        posterior = codebook = None
        if self.config.net.kind == "kl":
            posterior = self.autoencoder.posterior(true_B3HW)
            raw_BZhw = given_BZhw = posterior.mode()
            if draws is not None:
                noise_BTZhw = draws.normal(
                    "autoencoder/posterior", frames, *raw_BZhw.shape[1:], like=raw_BZhw
                )
                given_BZhw = raw_BZhw + posterior.std * noise_BTZhw.flatten(0, 1)
        else:
            raw_BZhw = self.autoencoder.raw_latents(true_B3HW)
            given_BZhw, codebook, _ = net.quantize(raw_BZhw)
        other_BZhw = None
        if self.config.net.sees_reference:
            # The next picture of the same clip.
            other_BZhw = given_BZhw.unflatten(0, (-1, frames)).roll(-1, 1).flatten(0, 1)
        made_B3HW = self.autoencoder.decode_raw(given_BZhw, other_BZhw)
        return Reconstruction(made_B3HW, raw_BZhw, posterior, codebook)

    def loss(self, batch: PictureBatch, draws: Draws) -> dict[str, Tensor]:
        """Return the named losses of a batch; the draws' step says whether there is a critic."""
        made = self.reconstruct(batch, draws)
        return self.losses_of(made, batch, step=draws.step)

    def losses_of(
        self, made: Reconstruction, batch: PictureBatch, *, step: int
    ) -> dict[str, Tensor]:
        """Return the named losses of what came out.

        Args:
            made: Result of `reconstruct`.
            batch: What went in.
            step: Step of training; -1 is evaluation, which asks no critic.
        """
        weights = self.config.loss
        true_B3HW = batch.frames_BT3HW.flatten(0, 1)
        losses = {"pixels": pixel_error(made.picture_B3HW, true_B3HW, weights.error)}
        error = weights.pixels * losses["pixels"]
        if weights.perceptual:
            likeness = self._perceptual(made.picture_B3HW, true_B3HW, style=False)
            losses["perceptual"] = likeness.content
            error = error + weights.perceptual * likeness.content
        total = error
        if made.posterior is not None:
            losses["kl"] = divergence(made.posterior, true_B3HW[0].numel())
            total = total + weights.kl * losses["kl"]
        if made.codebook is not None:
            losses["codebook"] = made.codebook
            total = total + weights.codebook * losses["codebook"]
        if self.critic is not None and step >= 0:
            if step < weights.adversary_start:
                # A gradient of zero: all processes wait for one of every parameter that trains.
                total = total + 0 * torch.stack([p.sum() for p in self.critic.parameters()]).sum()
            else:
                found = self._judged(self.critic, made.picture_B3HW, true_B3HW)
                losses |= found
                factor = adversary_weight(error, found["adversary"], self._last_layer)
                losses["adversary_weight"] = factor
                total = total + weights.adversary * factor * found["adversary"] + found["critic"]
        return {"loss": total, **losses}

    @property
    def _last_layer(self) -> Tensor:
        net: Any = self.autoencoder.net
        return net.decoder.conv_out.weight

    @staticmethod
    def _judged(critic: PatchCritic, made_B3HW: Tensor, true_B3HW: Tensor) -> dict[str, Tensor]:
        """Return what made pictures are told (`adversary`), and the critic is (`critic`)."""
        still = {name: value.detach() for name, value in critic.named_parameters()}
        told = functional_call(critic, still, (made_B3HW,))
        taught = critic_loss(critic(true_B3HW), critic(made_B3HW.detach()))
        return {"adversary": -told.mean(), "critic": taught}
