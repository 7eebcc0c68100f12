"""What a module asks of the data that it is trained, validated or tested on.

Whether they belong to its config, whose weights their sound was heard with, how they spread.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, Protocol

from viseme_core.audio import PretrainedConfig, same_features
from viseme_core.checkpoint import StageHeader
from viseme_core.config import to_plain
from viseme_motion.config import MotionConfig
from viseme_motion.datamodule import MotionDataModule
from viseme_motion.experts import ExpertConfig
from viseme_motion.listener.config import ListenerConfig
from viseme_motion.scaling import RunningMoments


class Trained(Protocol):
    """What is asked of a module of this stage."""

    config: Any
    trainer: Any
    hparams: Any

    def header(self) -> StageHeader:
        """Return what its stage file says of it."""
        ...


def check_data(module: Trained, split: Literal["train", "val", "test"]) -> None:
    """Refuse data of another face model or of other audio features than the module's config says.

    A fingerprint of the audio encoder's weights that the config left open is taken over from the
    data, so that the checkpoint names it.
    """
    data: MotionDataModule | None = getattr(module.trainer, "datamodule", None)
    if data is None:
        return
    source = data.source(split)
    face_model = module.header().face_model
    if source.face_model != face_model:
        raise ValueError(
            f"{source.where} was prepared with face model {source.face_model!r}, the model's "
            f"config says {face_model!r}; prepare the data again or set model.config.face_model"
        )
    heard, ours = source.audio.get(data.config.audio), to_plain(module.config.audio)
    if heard is None:
        raise ValueError(
            f"data.config.audio {data.config.audio!r} is not in {source.where}, which has "
            f"{', '.join(sorted(source.audio))}; prepare the data with it"
        )
    if not same_features(heard, ours):
        raise ValueError(f"{source.where} {_difference(heard, ours)}")
    pin_encoder(module, heard)


def pin_encoder(module: Trained, audio: Mapping[str, Any] | None) -> None:
    """Write the fingerprint of an audio encoder's weights into a config that leaves it open.

    Args:
        module: Its config, its header and its checkpoints name the fingerprint from now on.
        audio: Plain config of the encoder that was heard with; None, or one without a fingerprint,
            changes nothing.
    """
    ours = module.config.audio
    fingerprint = (audio or {}).get("fingerprint")
    if not isinstance(ours, PretrainedConfig) or ours.fingerprint or not fingerprint:
        return
    ours = replace(ours, fingerprint=fingerprint)
    module.config = replace(module.config, audio=ours)
    module.hparams["config"]["audio"] = to_plain(ours)


def moments_of(
    data: MotionDataModule, config: MotionConfig | ExpertConfig | ListenerConfig
) -> dict[str, RunningMoments]:
    """Return the training data's moments, having checked the width of their sound."""
    moments = data.moments()
    width = len(moments["audio"].moments()[0])
    if width != config.audio_dim:
        raise ValueError(
            f"{data.source('train').where} has audio features of width {width}; set "
            f"model.config.audio_dim to it"
        )
    return moments


def _difference(heard: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    named = heard.get("fingerprint"), ours.get("fingerprint")
    # Compared as if they were the same weights: is there any other difference?
    if all(named) and same_features(heard, {**ours, "fingerprint": named[0]}):
        return (
            f"was heard with {heard['kind']} weights of fingerprint {named[0]!r}, this model with "
            f"{named[1]!r}; prepare the data with the encoder of the latter, or train a new model"
        )
    return (
        f"was prepared with audio {dict(heard)!r}, model.config.audio is {dict(ours)!r}; set it to "
        f"what the data say"
    )
