"""PIRender from its files."""

from os import PathLike

from viseme_core.checkpoint import load_stage, load_weights
from viseme_core.config import from_plain
from viseme_render.config import STAGE, RenderConfig
from viseme_render.pirender.model import PIRenderModel


def load_pirender(path: str | PathLike[str]) -> tuple[PIRenderModel, str]:
    """Return a trained PIRender and the name of the face model that it draws.

    Args:
        path: Stage file, Lightning checkpoint, or a folder with either.

    Raises:
        ValueError: If it is damaged, of another stage or system, or says no face model.
    """
    found = load_stage(path, stage=STAGE, system="pirender")
    config = from_plain(RenderConfig, found.header.config, where=f"{path}: config")
    if found.header.face_model is None:
        raise ValueError(f"{path} does not say which face model its motion belongs to")
    model = PIRenderModel(config.pirender)
    load_weights(model, found.tensors)
    return model.eval(), found.header.face_model
