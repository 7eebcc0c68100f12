"""Settings of autoencoders: the network, and what one is trained by."""

from dataclasses import dataclass, field
from typing import Literal

from viseme_render.pirender.config import Features

STAGE = "autoencoder"
"""Stage of the files."""
PIXEL_FACTOR = 4
"""Pixels to a side that the kind `pixel` packs into one place."""

Kind = Literal["kl", "vq", "pixel"]
"""`kl`: a Gaussian in each place, drawn towards the standard normal (diffusers' AutoencoderKL).
`vq`: an entry of a code book (diffusers' VQModel). `pixel`: no network, the pixels themselves."""


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """An autoencoder; the defaults are latent-diffusion's KL-f4."""

    kind: Kind = "kl"
    """`kl` (Gaussian), `vq` (code book) or `pixel` (pixels packed by fours: exact, no weights; the
    widths below then mean nothing)."""
    channels: int = 3
    """Channels of the latent; `pixel` has 48 whatever this says."""
    widths: tuple[int, ...] = (128, 256, 512)
    """Channels at each size, the largest first; each but the first halves the side."""
    patch: int = 1
    """Pixels to a side that the networks take together, as channels; 1 in the papers. 2 and one
    width less is three times as fast."""
    blocks: int = 2
    """Residual blocks at each size of the encoder; the decoder has one more."""
    norm_groups: int = 32
    """Groups of the normalisations."""
    attends: bool = True
    """Self-attention at the smallest size."""
    codes: int = 8192
    """Entries of the code book (`vq`)."""
    code_dim: int | None = None
    """Width of an entry (`vq`), or of the Gaussian (`kl`); `channels` when left out."""
    shortcut: bool = False
    """The first three channels begin as the mean colours of a place, and pictures as these, made
    large: the networks learn what is missing. Not in the papers; small ones learn in minutes, what
    would take them hours (`kl`)."""
    sees_reference: bool = False
    """The decoder is given the latent of another frame of the clip too (FD2Talk Eq. 13)."""
    scale_factor: float = 1.0
    """What latents are multiplied by until training or a checkpoint says better."""

    def __post_init__(self) -> None:
        for name in ("channels", "blocks", "norm_groups", "codes", "patch"):
            if getattr(self, name) < 1:
                raise ValueError(f"autoencoder.{name} must be at least 1")
        if self.code_dim is not None and self.code_dim < 1:
            raise ValueError(f"autoencoder.code_dim must be at least 1, got {self.code_dim}")
        if not self.widths:
            raise ValueError("autoencoder.widths must name a width for each size, got none")
        wrong = [width for width in self.widths if width < 1 or width % self.norm_groups]
        if wrong and self.kind != "pixel":
            raise ValueError(
                f"autoencoder.widths must be multiples of norm_groups = {self.norm_groups}, got "
                f"{wrong[0]}"
            )
        if not self.scale_factor > 0:
            raise ValueError(f"autoencoder.scale_factor must be positive, got {self.scale_factor}")
        if self.shortcut and (self.kind != "kl" or self.latent_channels < 3):
            raise ValueError(
                f"autoencoder.shortcut needs kind 'kl' and at least 3 channels, got {self.kind!r} "
                f"with {self.latent_channels}"
            )
        if self.kind == "pixel" and self.sees_reference:
            raise ValueError(
                "autoencoder.sees_reference needs a decoder, and autoencoder.kind 'pixel' has none"
            )

    @property
    def factor(self) -> int:
        """Pixels to a side of one place of the latent."""
        if self.kind == "pixel":
            return PIXEL_FACTOR
        return self.patch * 2 ** (len(self.widths) - 1)

    @property
    def latent_channels(self) -> int:
        """Channels of what `encode` gives."""
        if self.kind == "pixel":
            return 3 * PIXEL_FACTOR**2
        return self.code_dim or self.channels


@dataclass(frozen=True, kw_only=True)
class AutoencoderLossConfig:
    """What is minimised; the defaults are latent-diffusion's, but for features and critic.

    FD2Talk's Eq. 13-15 are `error: squared`, `features: vgg19` and a network that sees a reference.
    """

    error: Literal["absolute", "squared"] = "absolute"
    """How pixels are compared: mean absolute difference, or mean square (FD2Talk Eq. 13)."""
    pixels: float = 1.0
    """Weight of that error."""
    features: Features = "pixels"
    """What the perceptual loss looks through. `vgg19` and `lpips_vgg` need weights (see `weights`),
    `efficientnet_lite0` a package of viseme-eval[standins]; `pixels` (edges) needs nothing."""
    weights: str | None = None
    """File of the feature network, or its folder; by default the folders of $VISEME_WEIGHTS."""
    scales: int = 1
    """Sizes that the perceptual loss looks at, each half of the one before."""
    perceptual: float = 1.0
    """Weight of the perceptual loss."""
    kl: float = 1e-6
    """Weight of the divergence of the Gaussians, summed over the latent (`kl`); the errors count
    per picture too, as latent-diffusion's sums do."""
    codebook: float = 1.0
    """Weight of the distance between latents and their codes (`vq`)."""
    adversary: float = 0.0
    """Weight of a critic of patches, beside the ratio of gradients; 0 trains none, 0.5 in
    latent-diffusion."""
    adversary_start: int = 50_001
    """Step from which there is a critic."""
    critic_width: int = 64
    """Channels of the critic's first layer; they double with each halving."""
    critic_layers: int = 3
    """Halvings in the critic."""

    def __post_init__(self) -> None:
        for name in ("pixels", "perceptual", "kl", "codebook", "adversary", "adversary_start"):
            if getattr(self, name) < 0:
                raise ValueError(f"loss.{name} must not be negative, got {getattr(self, name)}")
        for name in ("scales", "critic_width", "critic_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"loss.{name} must be at least 1, got {getattr(self, name)}")
        if not (self.pixels or self.perceptual):
            raise ValueError("loss leaves nothing to train by: set pixels or perceptual")


@dataclass(frozen=True, kw_only=True)
class AutoencoderTrainingConfig:
    """An autoencoder and its training."""

    net: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    """The network."""
    loss: AutoencoderLossConfig = field(default_factory=AutoencoderLossConfig)
    """What is minimised."""
    size: int = 256
    """Side of the training pictures in pixels."""

    def __post_init__(self) -> None:
        if self.net.kind == "pixel":
            raise ValueError("an autoencoder of kind 'pixel' has nothing to train; use it as it is")
        if self.size < 1 or self.size % self.net.factor:
            raise ValueError(
                f"model.config.size must be a multiple of the factor {self.net.factor}, got "
                f"{self.size}"
            )
