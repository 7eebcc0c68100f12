"""diffusers' autoencoders, and packed pixels, behind one interface.

Letters: B batch, H W pixels, h w latent, Z latent channels.
"""

import hashlib
from os import PathLike
from typing import Any, Self

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.autoencoders.vq_model import VQModel
from torch import Tensor, nn

from viseme_core.checkpoint import load_weights
from viseme_render.autoencoder.config import AutoencoderConfig
from viseme_render.autoencoder.packing import PixelPacking, pack, unpack
from viseme_render.autoencoder.sources import read_autoencoder

_COLOURS = 3
_FIRST_LOG_VARIANCE = -6.0
"""Of latents that have a shortcut: the noise of those that begin at 1 would drown the colours."""

Network = AutoencoderKL | VQModel | PixelPacking


class Autoencoder(nn.Module):
    """Frames to latents and back.

    Latents are multiplied by `scale_factor`, which is saved with the weights, so that their
    deviation is 1, as diffusion expects.

    Args:
        config: Kind and size; the weights are random until some are loaded.
    """

    scale_factor: Tensor
    """What latents are multiplied by, ()."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.net: Network = _build(config)
        self.register_buffer("scale_factor", torch.tensor(config.scale_factor))

    @classmethod
    def from_checkpoint(
        cls, path: str | PathLike[str], *, scale_factor: float | None = None
    ) -> Self:
        """Return a trained autoencoder, in evaluation mode.

        Args:
            path: Our stage file, Lightning checkpoint or folder with either; a folder of diffusers
                (`config.json` and weights); or a checkpoint of latent-diffusion, the whole model's
                or the autoencoder's alone. Nothing in a file is run.
            scale_factor: What latents are multiplied by, for files that do not say; a file that
                says otherwise is overruled.

        Raises:
            ValueError: If it is none of these, is damaged, would run code, or does not say
                `scale_factor` and none is given.
        """
        config, tensors = read_autoencoder(path, scale_factor)
        autoencoder = cls(config)
        try:
            load_weights(autoencoder, tensors)
        except ValueError as error:
            raise ValueError(f"{str(path)!r} holds no autoencoder of this kind: {error}") from error
        return autoencoder.eval()

    @property
    def factor(self) -> int:
        """Pixels to a side of one place of the latent: 4 makes 64 x 64 of 256 x 256."""
        return self.config.factor

    @property
    def channels(self) -> int:
        """Channels of the latent."""
        return self.config.latent_channels

    @property
    def name(self) -> str:
        """`autoencoder@HASH8` of its weights: two that differ must not mix their latents."""
        digest = hashlib.sha256()
        for key, value in sorted(self.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return f"autoencoder@{digest.hexdigest()[:8]}"

    def encode(self, frames_B3HW: Tensor) -> Tensor:
        """Return the latents of frames, (B, Z, H / factor, W / factor), times `scale_factor`.

        Of a Gaussian it is the mode. Codes are looked up when decoding, not here, so that diffusion
        works on a continuous latent.

        Args:
            frames_B3HW: Pictures in [-1, 1].

        Raises:
            ValueError: If a side is no multiple of `factor`.
        """
        return self.scale_factor * self.raw_latents(frames_B3HW)

    def decode(self, latents_BZhw: Tensor, reference_BZhw: Tensor | None = None) -> Tensor:
        """Return the frames of latents, (B, 3, H, W), about in [-1, 1].

        Args:
            latents_BZhw: As `encode` gives them.
            reference_BZhw: Latents of another frame, for decoders that see one.

        Raises:
            ValueError: If the decoder sees a reference and none is given, or the reverse.
        """
        sees = self.config.sees_reference
        if sees != (reference_BZhw is not None):
            raise ValueError(
                f"this decoder sees {'a' if sees else 'no'} reference (autoencoder.sees_reference "
                f"is {sees}), and reference_BZhw is {'None' if sees else 'given'}"
            )
        raw_BZhw = latents_BZhw / self.scale_factor
        if isinstance(self.net, PixelPacking):
            return self.net.decode(raw_BZhw)
        if isinstance(self.net, VQModel):
            raw_BZhw = self.net.quantize(raw_BZhw)[0]
        other = None if reference_BZhw is None else reference_BZhw / self.scale_factor
        return self.decode_raw(raw_BZhw, other)

    def raw_latents(self, frames_B3HW: Tensor) -> Tensor:
        """Return latents before scaling."""
        if isinstance(self.net, AutoencoderKL):
            return self.posterior(frames_B3HW).mode()
        self._check(frames_B3HW)
        if isinstance(self.net, VQModel):
            return self.net.quant_conv(self.net.encoder(pack(frames_B3HW, self.config.patch)))
        return self.net.encode(frames_B3HW)

    def posterior(self, frames_B3HW: Tensor) -> DiagonalGaussianDistribution:
        """Return the Gaussian of each place before scaling, of the kind `kl`."""
        self._check(frames_B3HW)
        net: Any = self.net
        moments_BYhw = net.quant_conv(net.encoder(pack(frames_B3HW, self.config.patch)))
        if self.config.shortcut:
            colours_B3hw = F.avg_pool2d(frames_B3HW, self.factor)
            rest = moments_BYhw.shape[1] - _COLOURS
            moments_BYhw = moments_BYhw + F.pad(colours_B3hw, (0, 0, 0, 0, 0, rest))
        return DiagonalGaussianDistribution(moments_BYhw)

    def decode_raw(self, raw_BZhw: Tensor, reference_BZhw: Tensor | None = None) -> Tensor:
        """Return the frames of latents before scaling, of codes after they were looked up."""
        net: Any = self.net
        hidden = net.post_quant_conv(raw_BZhw)
        if reference_BZhw is not None:
            hidden = torch.cat([net.post_quant_conv(reference_BZhw), hidden], 1)
        made_B3HW = unpack(net.decoder(hidden), self.config.patch)
        if not self.config.shortcut:
            return made_B3HW
        colours_B3hw = raw_BZhw[:, :_COLOURS]
        size = made_B3HW.shape[-2:]
        return made_B3HW + F.interpolate(colours_B3hw, size, mode="bilinear", align_corners=False)

    def set_scale(self, deviation: Tensor | float) -> None:
        """Make `scale_factor` the inverse of the deviation of raw latents.

        Raises:
            ValueError: If it is no positive number.
        """
        value = float(deviation)
        if not 0 < value < float("inf"):
            raise ValueError(f"latents must deviate from their mean, got a deviation of {value}")
        self.scale_factor.fill_(1 / value)

    def _check(self, frames_B3HW: Tensor) -> None:
        height, width = frames_B3HW.shape[-2:]
        if frames_B3HW.ndim != 4 or frames_B3HW.shape[1] != 3:
            raise ValueError(f"frames must be (B, 3, H, W), got {tuple(frames_B3HW.shape)}")
        if height % self.factor or width % self.factor:
            raise ValueError(
                f"sides of frames must be multiples of {self.factor}, got {height} x {width}"
            )


def _build(config: AutoencoderConfig) -> Network:
    if config.kind == "pixel":
        return PixelPacking(config.factor)
    sizes = len(config.widths)
    colours = 3 * config.patch**2
    shared: dict[str, Any] = {
        "in_channels": colours,
        "out_channels": colours,
        "down_block_types": ("DownEncoderBlock2D",) * sizes,
        "up_block_types": ("UpDecoderBlock2D",) * sizes,
        "block_out_channels": config.widths,
        "layers_per_block": config.blocks,
        "norm_num_groups": config.norm_groups,
        "mid_block_add_attention": config.attends,
        "latent_channels": config.channels,
    }
    net: Any
    if config.kind == "vq":
        net = VQModel(**shared, num_vq_embeddings=config.codes, vq_embed_dim=config.latent_channels)
    else:
        net = AutoencoderKL(**shared)
        width = config.latent_channels
        if width != config.channels:
            net.quant_conv = nn.Conv2d(2 * config.channels, 2 * width, 1)
            net.post_quant_conv = nn.Conv2d(width, config.channels, 1)
    if config.sees_reference:
        first = net.decoder.conv_in
        net.decoder.conv_in = nn.Conv2d(2 * config.channels, first.out_channels, 3, padding=1)
    if config.shortcut:
        _begin_with_colours(net, config.latent_channels)
    return net


def _begin_with_colours(net: Any, channels: int) -> None:
    """Have an untrained network add nothing to the colours of its latents and of its pictures."""
    with torch.no_grad():
        for parameter in (net.quant_conv.weight, net.quant_conv.bias):
            parameter[:_COLOURS].zero_()
            parameter[channels:].zero_()
        net.quant_conv.bias[channels:].fill_(_FIRST_LOG_VARIANCE)
        for parameter in (net.decoder.conv_out.weight, net.decoder.conv_out.bias):
            parameter.zero_()
