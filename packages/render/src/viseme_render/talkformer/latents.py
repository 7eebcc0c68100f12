"""Which autoencoder a TalkFormer works on."""

from viseme_render.autoencoder.config import AutoencoderConfig
from viseme_render.autoencoder.net import Autoencoder
from viseme_render.talkformer.config import PIXEL

# Pixels in [-1, 1] deviate from their mean by about a half; diffusion expects 1.
_PIXEL_SCALE = 2.0


def open_autoencoder(name: str, scale: float | None = None) -> Autoencoder:
    """Return the autoencoder that a config names.

    Args:
        name: `pixel`, which packs pixels and has no weights, or a file of weights.
        scale: What its latents are multiplied by, for files that do not say.

    Raises:
        ValueError: If it is a file, and there is none or none of an autoencoder's.
    """
    if name == PIXEL:
        return Autoencoder(AutoencoderConfig(kind="pixel", scale_factor=_PIXEL_SCALE))
    return Autoencoder.from_checkpoint(name, scale_factor=scale)
