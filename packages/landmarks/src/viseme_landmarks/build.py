"""Models from their files, and what files say of models."""

from pathlib import Path

from viseme_core.audio import same_features
from viseme_core.checkpoint import StageHeader, load_stage, load_weights
from viseme_core.config import from_plain, to_plain
from viseme_landmarks.config import AUDIO, LAYOUT, STAGE, LandmarksConfig
from viseme_landmarks.model import LandmarkModel


def header_of(config: LandmarksConfig) -> StageHeader:
    """Return what stage files of a model say."""
    layout = LAYOUT if config.is_talk131 else None
    return StageHeader(stage=STAGE, config=to_plain(config), audio=to_plain(AUDIO), layout=layout)


def load_model(path: Path | str) -> LandmarkModel:
    """Return a trained model.

    Args:
        path: Stage file, Lightning checkpoint, or a folder with either.

    Raises:
        ValueError: If it is damaged, of another stage, or hears or sees something else.
    """
    found = load_stage(path, stage=STAGE)
    config = from_plain(LandmarksConfig, found.header.config, where=f"{path}: config")
    if not same_features(found.header.audio or {}, to_plain(AUDIO)):
        raise ValueError(
            f"{path} hears {found.header.audio!r}, this stage {to_plain(AUDIO)!r}; train it again"
        )
    if found.header.layout != header_of(config).layout:
        raise ValueError(
            f"{path} says its landmarks are {found.header.layout!r}, but its config has "
            f"{config.num_content} and {config.num_pose} points; the file is damaged"
        )
    model = LandmarkModel(config)
    load_weights(model, found.tensors)
    return model.eval()
