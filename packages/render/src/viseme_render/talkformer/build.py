"""TalkFormer from its files."""

from dataclasses import replace
from os import PathLike

from viseme_core.checkpoint import load_stage, load_weights
from viseme_core.config import from_plain
from viseme_render.config import STAGE, RenderConfig
from viseme_render.talkformer.model import TalkFormerModel


def load_talkformer(
    path: str | PathLike[str], *, autoencoder: str | PathLike[str] | None = None
) -> TalkFormerModel:
    """Return a trained TalkFormer.

    Args:
        path: Stage file, Lightning checkpoint, or a folder with either.
        autoencoder: Where its autoencoder's file is now; by default where it was in training.

    Raises:
        ValueError: If it is damaged, of another stage or system, or the autoencoder is not the one
            that it was trained with.
    """
    found = load_stage(path, stage=STAGE, system="talkformer")
    config = from_plain(RenderConfig, found.header.config, where=f"{path}: config").talkformer
    if autoencoder is not None:
        config = replace(config, autoencoder=str(autoencoder))
    model = TalkFormerModel(config)
    load_weights(model, found.tensors)
    return model.eval()
