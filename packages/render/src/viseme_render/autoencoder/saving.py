"""An autoencoder, wherever it was read from, as a stage file."""

from dataclasses import replace
from os import PathLike

from viseme_core.checkpoint import StageHeader, save_stage
from viseme_core.config import to_plain
from viseme_render.autoencoder.config import STAGE, AutoencoderTrainingConfig
from viseme_render.autoencoder.net import Autoencoder


def save_autoencoder(autoencoder: Autoencoder, out: str | PathLike[str]) -> None:
    """Write a stage file that `Autoencoder.from_checkpoint` reads, and that needs no other.

    Args:
        autoencoder: What to write.
        out: File to write, ending in .safetensors.
    """
    net = replace(autoencoder.config, scale_factor=float(autoencoder.scale_factor))
    header = StageHeader(
        stage=STAGE, system=net.kind, config=to_plain(AutoencoderTrainingConfig(net=net))
    )
    tensors = {f"{STAGE}.{name}": value for name, value in autoencoder.state_dict().items()}
    save_stage(out, tensors, header)
