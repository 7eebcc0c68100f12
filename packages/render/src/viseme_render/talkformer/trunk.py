"""The UNet that denoiser and appearance encoder are made of, from diffusers' blocks.

Letters: X pictures, D width, h w places, Z latent channels, S step-embedding width.
"""

from collections.abc import Callable, Sequence
from typing import Any

from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, cat, nn
from torch.utils.checkpoint import checkpoint

from viseme_render.talkformer.config import TalkFormerNetConfig
from viseme_render.talkformer.layers import TalkFormer, Told

MakeTalkFormer = Callable[[int], TalkFormer]
"""Makes the TalkFormer of a width."""


class Scale(nn.Module):
    """Residual blocks of one scale, each followed by a TalkFormer where there are any.

    Args:
        in_widths: Channels that each block is given.
        width: Channels of the scale.
        net: The network's settings.
        step_width: Channels of the step's embedding; None for networks that know no step.
        make: Makes TalkFormers; None for none.
        talkformers: How many blocks are followed by one, from the first on.
    """

    def __init__(
        self,
        in_widths: Sequence[int],
        width: int,
        net: TalkFormerNetConfig,
        step_width: int | None,
        make: MakeTalkFormer | None = None,
        talkformers: int | None = None,
    ) -> None:
        super().__init__()
        self.is_checkpointed = net.checkpointing
        self.blocks = nn.ModuleList(
            ResnetBlock2D(
                in_channels=in_width,
                out_channels=width,
                # The type says int; None leaves the projection out.
                temb_channels=step_width,  # type: ignore[arg-type]
                groups=net.groups,
            )
            for in_width in in_widths
        )
        count = len(in_widths) if talkformers is None else talkformers
        self.talkformers = nn.ModuleList(make(width) for _ in range(count) if make is not None)

    def forward(
        self,
        hidden_XDhw: Tensor,
        step_XS: Tensor | None = None,
        told: Told | None = None,
        skips: list[Tensor] | None = None,
    ) -> list[Tensor]:
        """Return what is behind each block.

        Args:
            hidden_XDhw: Hidden features.
            step_XS: Embedded step of each picture.
            told: What the TalkFormers are told.
            skips: Features to put beside the hidden ones before each block, the last first; they
                are taken off the list.
        """
        made = []
        for number, block in enumerate(self.blocks):
            if skips is not None:
                hidden_XDhw = cat([hidden_XDhw, skips.pop()], 1)
            hidden_XDhw = self._run(block, hidden_XDhw, step_XS)
            if number < len(self.talkformers):
                hidden_XDhw = self._run(self.talkformers[number], hidden_XDhw, told)
            made.append(hidden_XDhw)
        return made

    def _run(self, layer: nn.Module, *given: Any) -> Tensor:
        if self.is_checkpointed and self.training:
            found: Any = checkpoint(layer, *given, use_reentrant=False)
            return found
        return layer(*given)


class Encoder(nn.Module):
    """From a latent down through all scales.

    Args:
        channels: Channels of what comes in.
        net: The network's settings.
        step_width: As `Scale`.
        make: Makes the TalkFormers of all scales but the first; None for none.
    """

    def __init__(
        self,
        channels: int,
        net: TalkFormerNetConfig,
        step_width: int | None = None,
        make: MakeTalkFormer | None = None,
    ) -> None:
        super().__init__()
        widths = net.widths
        self.conv_in = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.scales = nn.ModuleList()
        self.downs = nn.ModuleList()
        for number, width in enumerate(widths):
            before = widths[max(0, number - 1)]
            in_widths = [before] + [width] * (net.blocks - 1)
            own = make if number else None
            self.scales.append(Scale(in_widths, width, net, step_width, own))
            if number < len(widths) - 1:
                self.downs.append(Downsample2D(width, use_conv=True, padding=1, name="op"))

    def forward(
        self,
        latent_XZhw: Tensor,
        step_XS: Tensor | None = None,
        told: Sequence[Told | None] | None = None,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the features behind each scale's last block, and all that a decoder is given.

        Args:
            latent_XZhw: What comes in.
            step_XS: Embedded steps.
            told: What the TalkFormers of each scale are told.
        """
        hidden = self.conv_in(latent_XZhw)
        skips, behind = [hidden], []
        for number, scale in enumerate(self.scales):
            made = scale(hidden, step_XS, told[number] if told else None)
            skips += made
            hidden = made[-1]
            behind.append(hidden)
            if number < len(self.downs):
                hidden = self.downs[number](hidden)
                skips.append(hidden)
        return behind, skips


class Middle(Scale):
    """Two residual blocks at the coarsest scale with a TalkFormer between."""

    def __init__(
        self,
        net: TalkFormerNetConfig,
        step_width: int | None = None,
        make: MakeTalkFormer | None = None,
    ) -> None:
        width = net.widths[-1]
        super().__init__([width, width], width, net, step_width, make, talkformers=1)


class Decoder(nn.Module):
    """From the coarsest scale up, with the encoder's features beside.

    Args:
        net: The network's settings.
        step_width: As `Scale`.
        make: As `Encoder`.
        finest: The scale to end at; 0 is that of the latent.
    """

    def __init__(
        self,
        net: TalkFormerNetConfig,
        step_width: int | None = None,
        make: MakeTalkFormer | None = None,
        *,
        finest: int = 0,
    ) -> None:
        super().__init__()
        widths = net.widths
        self.finest = finest
        self.scales = nn.ModuleList()
        self.ups = nn.ModuleList()
        hidden = widths[-1]
        for number in range(len(widths) - 1, finest - 1, -1):
            width = widths[number]
            beside = [width] * net.blocks + [widths[max(0, number - 1)]]
            in_widths = [
                skip + (hidden if not place else width) for place, skip in enumerate(beside)
            ]
            own = make if number else None
            self.scales.append(Scale(in_widths, width, net, step_width, own))
            if number > finest:
                self.ups.append(Upsample2D(width, use_conv=True))
            hidden = width

    def forward(
        self,
        hidden_XDhw: Tensor,
        skips: list[Tensor],
        step_XS: Tensor | None = None,
        told: Sequence[Told | None] | None = None,
    ) -> list[Tensor]:
        """Return the features behind each scale's last block, the coarsest first.

        Args:
            hidden_XDhw: What the middle made.
            skips: What the encoder gives a decoder.
            step_XS: Embedded steps.
            told: What the TalkFormers of each scale are told, the coarsest first.
        """
        skips = list(skips)
        behind = []
        for number, scale in enumerate(self.scales):
            hidden_XDhw = scale(hidden_XDhw, step_XS, told[number] if told else None, skips)[-1]
            behind.append(hidden_XDhw)
            if number < len(self.ups):
                hidden_XDhw = self.ups[number](hidden_XDhw)
        return behind
