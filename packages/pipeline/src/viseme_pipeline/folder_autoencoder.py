"""What a chain of landmarks takes along besides its stages: the autoencoder of its renderer."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

from viseme_core.checkpoint import StageFile, StageHeader
from viseme_render.talkformer.config import PIXEL

NAME = "autoencoder.safetensors"


def take_autoencoder(renderer: StageFile, moved: Path | None, folder: Path) -> StageHeader:
    """Return the header of a renderer whose autoencoder lies beside it, and write that file.

    Args:
        renderer: What landmarks drive.
        moved: Where its autoencoder is, if not where it lay in training.
        folder: Folder of the chain.

    Raises:
        ValueError: If there is no autoencoder where it should be.
    """
    settings = renderer.header.config["talkformer"]
    if settings["autoencoder"] == PIXEL:
        return renderer.header
    # Loaded here only: they bring diffusers' networks along.
    build, net, saving = (
        import_module(f"viseme_render.{name}")
        for name in ("talkformer.build", "autoencoder.net", "autoencoder.saving")
    )
    source = moved or build.autoencoder_of(settings["autoencoder"], renderer.source)
    autoencoder = net.Autoencoder.from_checkpoint(
        source, scale_factor=settings["autoencoder_scale"]
    )
    # In its own precision, whatever that of the stages: its hash is what the renderer knows it by.
    saving.save_autoencoder(autoencoder, folder / NAME)
    config = {**renderer.header.config, "talkformer": {**settings, "autoencoder": NAME}}
    return replace(renderer.header, config=config)
