"""What joint training leaves, as files of its stages: as if each had been trained alone."""

from dataclasses import replace
from os import PathLike
from pathlib import Path

from viseme_core.checkpoint import StageHeader, load_stage, load_weights, save_stage
from viseme_core.config import from_plain, to_plain
from viseme_landmarks import config as landmarks_config
from viseme_landmarks.build import header_of
from viseme_pipeline.folder import StageFiles
from viseme_pipeline.joint import STAGE, JointConfig, build_joint
from viseme_render import config as render_config
from viseme_render.talkformer.build import autoencoder_of

LANDMARKS, RENDER = landmarks_config.STAGE, render_config.STAGE


def with_autoencoder(config: JointConfig, name: str) -> JointConfig:
    """Return a pair's settings that refuse any other autoencoder.

    Args:
        config: Of the pair.
        name: Name of the autoencoder that the renderer draws through.
    """
    return replace(config, talkformer=replace(config.talkformer, autoencoder_name=name))


def stage_headers(config: JointConfig, autoencoder_name: str) -> dict[str, StageHeader]:
    """Return what the files of each stage say.

    Args:
        config: Of the pair.
        autoencoder_name: Name of the autoencoder that the renderer draws through.
    """
    named = with_autoencoder(config, autoencoder_name)
    render = to_plain(render_config.RenderConfig(system="talkformer", talkformer=named.talkformer))
    return {
        LANDMARKS: header_of(config.landmarks),
        RENDER: StageHeader(
            stage=RENDER,
            system="talkformer",
            # As a renderer that was trained alone: without the parts of other systems.
            config={name: render[name] for name in ("system", "talkformer", "face_model")},
            layout=landmarks_config.LAYOUT,
        ),
    }


def split_checkpoint(
    path: str | PathLike[str], folder: Path, *, autoencoder: Path | None = None
) -> StageFiles:
    """Write a file of each stage of a joint run's checkpoint, and return where they are.

    A run that has ended left these files itself; this is for one that was broken off.

    Args:
        path: Its Lightning checkpoint.
        folder: Where to.
        autoencoder: Where the renderer's autoencoder is, if not where it lay in training.

    Raises:
        ValueError: If it is no checkpoint of joint training, is damaged, or the autoencoder is not
            the one that it was trained with.
    """
    found = load_stage(path, stage=STAGE)
    config = from_plain(JointConfig, found.header.config, where=f"{path}: config")
    name = str(autoencoder or autoencoder_of(config.talkformer.autoencoder, found.source))
    config = replace(config, talkformer=replace(config.talkformer, autoencoder=name))
    model = build_joint(config)
    load_weights(model, found.tensors)
    headers = stage_headers(config, model.renderer.autoencoder_name)  # type: ignore[attr-defined]
    for stage, part in ((LANDMARKS, model.driving), (RENDER, model.renderer)):
        save_stage(folder / f"{stage}.safetensors", part.state_dict(), headers[stage])  # type: ignore[attr-defined]
    return StageFiles(
        landmarks=folder / f"{LANDMARKS}.safetensors", renderer=folder / f"{RENDER}.safetensors"
    )
