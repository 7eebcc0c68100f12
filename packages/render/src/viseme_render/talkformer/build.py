"""TalkFormer from its files."""

from dataclasses import replace
from os import PathLike
from pathlib import Path

from viseme_core.checkpoint import load_stage, load_weights
from viseme_core.config import from_plain
from viseme_render.config import STAGE, RenderConfig
from viseme_render.talkformer.config import PIXEL
from viseme_render.talkformer.model import TalkFormerModel


def load_talkformer(
    path: str | PathLike[str], *, autoencoder: str | PathLike[str] | None = None
) -> TalkFormerModel:
    """Return a trained TalkFormer.

    Args:
        path: Stage file, Lightning checkpoint, or a folder with either.
        autoencoder: Where its autoencoder's file is now; by default where it was in training, or
            beside the stage under the same name.

    Raises:
        ValueError: If it is damaged, of another stage or system, or the autoencoder is not the one
            that it was trained with.
    """
    found = load_stage(path, stage=STAGE, system="talkformer")
    config = from_plain(RenderConfig, found.header.config, where=f"{path}: config").talkformer
    name = str(autoencoder or autoencoder_of(config.autoencoder, found.source))
    model = TalkFormerModel(replace(config, autoencoder=name))
    load_weights(model, found.tensors)
    return model.eval()


def autoencoder_of(name: str, stage: Path) -> str:
    """Return where the autoencoder of a stage file is now.

    Args:
        name: What the stage's config says.
        stage: The stage's file; an autoencoder that was moved may lie beside it, and one that is
            named without a folder does.
    """
    beside = stage.parent / Path(name).name
    if name == PIXEL or not beside.exists():
        return name
    # Not what happens to lie where the command is run: every autoencoder's run leaves that name.
    is_bare = Path(name).name == name
    return name if Path(name).exists() and not is_bare else str(beside)
