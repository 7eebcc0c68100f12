"""Settings of PIRender: the networks, and what they are trained by."""

from dataclasses import dataclass, field
from typing import Literal

Features = Literal["pixels", "vgg19", "lpips_vgg", "efficientnet_lite0"]
"""What a perceptual loss looks through; `pixels` is no network, but edges at several scales."""
Convention = Literal["viseme", "deep3d"]
"""What the coefficients mean (`viseme_render.pirender.coefficients`)."""


@dataclass(frozen=True, kw_only=True)
class PIRenderNetConfig:
    """Size and kind of the networks; the defaults are the published ones."""

    size: int = 256
    """Side of the pictures in pixels."""
    patch: int = 1
    """Pixels to a side that the networks take together, as channels; 1 in the paper. 2 is four
    times as fast."""
    descriptor: int = 256
    """Width of what the mapping network makes of the coefficients."""
    mapping_layers: int = 3
    """Dilated convolutions of the mapping network."""
    max_width: int = 256
    """Largest number of channels in the warping and editing networks."""
    warp_width: int = 32
    """Channels at full size in the warping network; they double with each halving."""
    warp_down: int = 5
    """Halvings in the warping network."""
    warp_up: int = 3
    """Doublings after them: flow is as large as the input, halved warp_down - warp_up times."""
    edit_width: int = 64
    """Channels at full size in the editing network."""
    edit_down: int = 3
    """Halvings in the editing network."""
    edit_blocks: int = 2
    """Steered blocks at each of its sizes."""
    kernel: int = 7
    """Side of the first and last kernels, in places of the networks' full size."""
    knows_reference: bool = False
    """Tell the mapping network the portrait's own coefficients, and those of the very frame beside
    its window. The paper's network has to see them in the portrait."""
    blend: bool = False
    """The editing network paints over the warped portrait as far as a mask says, which it makes
    too. The paper's paints the whole picture."""
    grid: Literal["centres", "corners"] = "centres"
    """Where flow 0 is: in `centres` each pixel stays, beyond the border the border goes on.
    `corners`, which the public weights were trained with, spreads the picture by half a pixel
    towards its border, and is black beyond."""

    def __post_init__(self) -> None:
        for name in (
            *("size", "patch", "descriptor", "mapping_layers", "max_width", "warp_width"),
            *("warp_down", "warp_up", "edit_width", "edit_down", "edit_blocks"),
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"pirender.net.{name} must be at least 1")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise ValueError(f"pirender.net.kernel must be odd, got {self.kernel}")
        if self.mapping_layers > 3:
            raise ValueError(
                f"pirender.net.mapping_layers must be at most 3, got {self.mapping_layers}: each "
                f"takes 6 of the window's 27 frames"
            )
        if self.warp_up > self.warp_down:
            raise ValueError(
                f"pirender.net.warp_up must be at most warp_down = {self.warp_down}, got "
                f"{self.warp_up}"
            )
        halvings = max(self.warp_down, self.edit_down)
        # Statistics over a single place would be nothing but that place.
        step = self.patch * 2**halvings
        if self.size % step or self.size < 2 * step:
            raise ValueError(
                f"pirender.net.size must be a multiple of patch x 2^{halvings} = {step}, and at "
                f"least twice that, got {self.size}"
            )


@dataclass(frozen=True, kw_only=True)
class PIRenderLossConfig:
    """What is minimised: in the first phase on the warped portrait alone, then on both pictures."""

    features: Features = "pixels"
    """What the perceptual loss looks through. `vgg19` and `lpips_vgg` need weights (see `weights`),
    `efficientnet_lite0` a package of viseme-eval[standins]; `pixels` needs nothing."""
    weights: str | None = None
    """File of the feature network, or its folder; by default the folders of $VISEME_WEIGHTS."""
    scales: int = 4
    """Sizes that the perceptual loss looks at, each half of the one before."""
    perceptual_warp: float = 2.5
    """Weight of the perceptual loss of the warped portrait."""
    perceptual: float = 4.0
    """Weight of the perceptual loss of the finished picture."""
    style: float = 0.0
    """Weight of the style loss of the finished picture: Gram matrices of its features; 1000 in the
    paper. Only a feature network has one."""
    pixels: float = 0.0
    """Weight of the mean absolute error of both pictures; 0 in the paper."""
    mouth: float = 0.0
    """How much more pixels around the mouth count in it."""
    landmarks: float = 0.0
    """Weight of how far flow misses the portrait's landmarks, in hundredths of the picture; 0 in
    the paper."""

    def __post_init__(self) -> None:
        for name in ("perceptual_warp", "perceptual", "style", "pixels", "mouth", "landmarks"):
            if getattr(self, name) < 0:
                raise ValueError(f"pirender.loss.{name} must not be negative")
        if self.scales < 1:
            raise ValueError(f"pirender.loss.scales must be at least 1, got {self.scales}")
        if not (self.perceptual_warp or self.pixels or self.landmarks):
            raise ValueError(
                "pirender.loss leaves nothing to train the warping by: set perceptual_warp, pixels "
                "or landmarks"
            )
        if self.features == "pixels" and self.style:
            raise ValueError(
                "pirender.loss.style needs a feature network, and loss.features is 'pixels': set "
                "style to 0, or features to a network"
            )


@dataclass(frozen=True, kw_only=True)
class PIRenderConfig:
    """PIRender."""

    net: PIRenderNetConfig = field(default_factory=PIRenderNetConfig)
    """The networks."""
    loss: PIRenderLossConfig = field(default_factory=PIRenderLossConfig)
    """What is minimised."""
    warp_steps: int = 200_000
    """Steps of the first phase, in which the editing network waits."""
    convention: Convention = "viseme"
    """What the coefficients mean: fitted in the crop that is drawn, or, as public weights have it,
    in a face that is aligned frame by frame."""

    def __post_init__(self) -> None:
        if self.warp_steps < 0:
            raise ValueError(f"pirender.warp_steps must not be negative, got {self.warp_steps}")
