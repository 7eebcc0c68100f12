"""Settings of TalkFormer: the network, what it is told, and how it is trained and sampled."""

from dataclasses import dataclass, field
from typing import Literal

from viseme_core.diffusion import DiffusionConfig, SamplerConfig

FACTOR = 4
"""Pixels to a side that become one place of a latent."""
PIXEL = "pixel"
"""Name of the autoencoder that is none: 4 x 4 pixels packed into channels."""

PresetName = Literal["fast", "balanced", "paper"]
"""How films are drawn. `paper`: the steps that the model's config says. `balanced`: 50 of DDIM,
`fast`: 10, and never more than the config's."""


@dataclass(frozen=True, kw_only=True)
class TalkFormerNetConfig:
    """Size of the denoiser; the appearance encoder is as wide."""

    widths: tuple[int, ...] = (224, 448, 672, 896)
    """Channels at each scale, the finest first; all but the first have TalkFormers."""
    blocks: int = 2
    """Residual blocks at each scale of the encoder; the decoder has one more."""
    groups: int = 32
    """Groups of group normalisation; must divide every width."""
    head_width: int = 32
    """Channels of an attention head; must divide every width but the first."""
    landmark_width: int = 256
    """Channels of a landmark's embedding."""
    located: bool = False
    """Tell attention where each place of a picture is, by sine waves, and describe landmarks by the
    same waves. The paper's network must work it out; it learns the slower."""
    checkpointing: bool = False
    """Work blocks out again in the backward pass rather than keep what they held."""

    def __post_init__(self) -> None:
        if len(self.widths) < 2:
            raise ValueError(
                f"talkformer.net.widths must name at least 2 scales, the first has no TalkFormer; "
                f"got {self.widths}"
            )
        for name in ("blocks", "groups", "head_width", "landmark_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"talkformer.net.{name} must be at least 1")
        for width in self.widths:
            if width < 1 or width % self.groups:
                raise ValueError(
                    f"talkformer.net.widths must be multiples of groups = {self.groups}, got "
                    f"{self.widths}"
                )
        if any(width % self.head_width for width in self.widths[1:]):
            raise ValueError(
                f"talkformer.net.widths from the second on must be multiples of head_width = "
                f"{self.head_width}, got {self.widths}"
            )


@dataclass(frozen=True, kw_only=True)
class TalkFormerConfig:
    """TalkFormer. The five switches are the rows of the paper's Table III."""

    net: TalkFormerNetConfig = field(default_factory=TalkFormerNetConfig)
    """The network."""
    autoencoder: str = PIXEL
    """Stage file of a trained autoencoder, or `pixel`: 4 x 4 pixels packed into 48 channels, which
    has no weights and loses nothing."""
    autoencoder_scale: float | None = None
    """What its latents are multiplied by, for files that do not say (those of others)."""
    autoencoder_name: str | None = None
    """`autoencoder@HASH8` of the weights that latents come from. Training writes it; another one is
    refused then."""
    size: int = 256
    """Side of the pictures in pixels."""
    zoom: float = 1.6
    """The middle 1 / zoom of a crop is drawn: prepared crops are 1.8 times as large as a face, the
    paper's as a face."""
    m_align: bool = True
    """Landmarks by cross-attention (Eq. 3). Off: one embedding of all, added everywhere."""
    r_align: bool = True
    """The reference's features by cross-attention (Eq. 4, 5). Off: self-attention in its place, no
    appearance encoder (so temporal attention has no motion frames), and the reference's latent
    beside the noisy one."""
    b_sequential: bool = True
    """Train on windows of successive frames. Off: on one frame of each window."""
    complete_ref: bool = False
    """A whole UNet as appearance encoder rather than a UNet's encoder."""
    temp_attn: bool = True
    """Attention over time, with two motion frames before the window."""
    reference_beside: bool = False
    """Put the reference's latent beside the noisy one as well as into attention. Not in the paper
    (there only without R-Align): whatever stays where it was is then seen at once, and learned in
    minutes."""
    landmarks_beside: bool = False
    """Draw the landmarks as soft points beside the noisy latent as well as into attention. Not in
    the paper: where attention must learn what a coordinate is, a convolution sees it at once."""
    reference_deviation: float = 0.0
    """Deviation of latents from the reference's at the same place: the network then predicts, in
    this unit, how far the clean latent is from it. 0 leaves it out, as the paper does."""
    drop_previous: float = 0.05
    """How often a training window has the reference for motion frames, as a film's first has."""
    shared_noise: bool = False
    """Give all frames of a window, and of a film, the same noise. Off in the paper."""
    mask_in_training: bool = False
    """Take the upper half from the latent of the masked picture, as inference does. The paper takes
    it from the whole picture's; with `pixel` they are the same."""
    mouth: float = 0.0
    """How much more places around the mouth count in the loss; 0 in the paper."""
    window: int = 5
    """Frames that are drawn together at inference; those that it was trained on (L)."""
    diffusion: DiffusionConfig = field(
        default_factory=lambda: DiffusionConfig(
            schedule="scaled_linear", beta_start=0.0015, beta_end=0.0195, target="noise"
        )
    )
    """Noise schedule, and what the network predicts (Eq. 1: noise); latent-diffusion's numbers."""
    sampler: SamplerConfig = field(default_factory=lambda: SamplerConfig(num_steps=200))
    """How films are drawn unless a renderer is asked for another preset."""

    def __post_init__(self) -> None:
        step = 2 * FACTOR * 2 ** (len(self.net.widths) - 1)
        # An odd scale would come back from the decoder larger than it went in.
        if self.size < step or self.size % step:
            raise ValueError(
                f"talkformer.size must be a multiple of {step} with {len(self.net.widths)} "
                f"scales, got {self.size}"
            )
        if self.zoom < 1:
            raise ValueError(f"talkformer.zoom must be at least 1, got {self.zoom}")
        if not 0 <= self.drop_previous <= 1:
            raise ValueError(
                f"talkformer.drop_previous must lie in [0, 1], got {self.drop_previous}"
            )
        for name in ("mouth", "reference_deviation"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"talkformer.{name} must not be negative, got {getattr(self, name)}"
                )
        if self.window < 1:
            raise ValueError(f"talkformer.window must be at least 1 frame, got {self.window}")
        if self.complete_ref and not self.r_align:
            raise ValueError(
                "talkformer.complete_ref asks for a larger appearance encoder, and without r_align "
                "there is none; set one of them otherwise"
            )
        if self.reference_deviation and self.diffusion.target != "clean":
            raise ValueError(
                f"talkformer.reference_deviation is for networks that predict the clean latent; "
                f"set diffusion.target to 'clean', it is {self.diffusion.target!r}"
            )
        if self.sampler.guidance_scale != 1:
            raise ValueError(
                f"talkformer.sampler.guidance_scale must be 1: no condition is ever left out in "
                f"training; got {self.sampler.guidance_scale}"
            )
