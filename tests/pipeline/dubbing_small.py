"""A small untrained pair of landmark completion and TalkFormer as files."""

from pathlib import Path
from typing import Any

import torch

from tests.pipeline.joint_small import LANDMARKS, NET, TALKFORMER
from tests.render.talkformer import small as talkformer_small
from viseme_core.checkpoint import StageHeader, save_stage
from viseme_core.train.systems import stored_config
from viseme_landmarks.build import header_of
from viseme_landmarks.config import LandmarksConfig
from viseme_landmarks.model import LandmarkModel
from viseme_render.config import RenderConfig


def save_landmarks_stage(folder: Path) -> Path:
    """Landmark completion whose references' lips and jaw are moved a little by the voice."""
    torch.manual_seed(0)
    config = LandmarksConfig(**LANDMARKS, base="references")
    path = folder / "landmarks.safetensors"
    save_stage(path, LandmarkModel(config).state_dict(), header_of(config))
    return path


def save_render_stage(folder: Path, *, is_moved: bool = True, **options: Any) -> Path:
    """TalkFormer; moved, as some training would, away from what begins at zero."""
    model = talkformer_small.make_model(
        NET, is_moved=is_moved, **{**TALKFORMER, "landmarks_beside": True, **options}
    )
    config = RenderConfig(system="talkformer", talkformer=model.config)
    plain = stored_config(config)
    plain["talkformer"]["autoencoder_name"] = model.autoencoder_name
    header = StageHeader(stage="render", system="talkformer", config=plain, layout="talk131")
    path = folder / "render.safetensors"
    save_stage(path, model.state_dict(), header)
    return path


def save_pair(folder: Path, **options: Any) -> Path:
    """Return a folder with both, as joint training leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    save_landmarks_stage(folder)
    save_render_stage(folder, **options)
    return folder
