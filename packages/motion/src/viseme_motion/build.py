"""Models from their configs and files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from viseme_core.audio import same_features
from viseme_core.checkpoint import load_stage, load_weights
from viseme_core.config import from_plain, to_plain
from viseme_core.types import NUM_EXPRESSION, NUM_IDENTITY
from viseme_face import MorphableModel
from viseme_motion.config import MotionConfig
from viseme_motion.disenttalk.model import DisentTalkModel
from viseme_motion.disenttalk.subspaces import Subspaces
from viseme_motion.experts import ExpertConfig, LipExpert
from viseme_motion.fd2talk.model import FD2TalkModel
from viseme_motion.hearing import build_hearing
from viseme_motion.listener.config import ListenerConfig
from viseme_motion.listener.model import ListenerModel

MotionModel = FD2TalkModel | DisentTalkModel

STAGE = "motion"
EXPERT_STAGE = "lip-expert"
LISTENER_STAGE = "listener"


def build_model(
    config: MotionConfig, face_model: MorphableModel | str, expert: LipExpert | None = None
) -> MotionModel:
    """Return the model of a pinned config, untrained.

    Args:
        config: Settings.
        face_model: Face model of its coefficients; for inference its name is enough.
        expert: Judge for the sync loss; without one there is none.
    """
    name = face_model if isinstance(face_model, str) else face_model.name
    is_causal = config.system == "disenttalk"
    hearing = build_hearing(
        config.audio_dim, config.context_dim, is_causal=is_causal, listener=config.listens
    )
    if config.system == "fd2talk":
        model: MotionModel = FD2TalkModel(
            config.fd2talk, config.windows, config.audio_dim, expert, hearing
        )
    else:
        chosen = config.disenttalk
        subspaces = Subspaces(chosen.lip, chosen.eye, name)
        model = DisentTalkModel(
            chosen, config.windows, config.audio_dim, subspaces, expert, hearing
        )
    if config.weigh_movement and isinstance(face_model, MorphableModel):
        model.importance.set(movement_of(face_model), config.weigh_movement)
    return model


def movement_of(model: MorphableModel) -> Tensor:
    """Return how far one unit of each expression coefficient moves the face's landmarks, (64,)."""
    neutral_I = torch.zeros(NUM_IDENTITY)
    moved_EK3 = model.landmarks(neutral_I, torch.eye(NUM_EXPRESSION), "mp478")
    still_1K3 = model.landmarks(neutral_I, torch.zeros(1, NUM_EXPRESSION), "mp478")
    return (moved_EK3 - still_1K3).flatten(1).norm(dim=1)


def load_model(path: Path | str) -> tuple[MotionModel, MotionConfig, str]:
    """Return a trained model, its config and the name of its face model.

    Args:
        path: Stage file, Lightning checkpoint, or a folder with either.

    Raises:
        ValueError: If it is a checkpoint of another stage, or damaged.
    """
    found = load_stage(path, stage=STAGE)
    config = from_plain(MotionConfig, found.header.config, where=f"{path}: config")
    face_model = _face_model_of(found.header.face_model, path)
    model = build_model(config, face_model)
    load_weights(model, found.tensors)
    return model.eval(), config, face_model


def load_listener(path: Path | str, config: MotionConfig, face_model: str) -> ListenerModel:
    """Return the listener of a stage file, if it hears what a motion model of `config` hears.

    Raises:
        ValueError: If it hears something else, or has another face model.
    """
    found = load_stage(path, stage=LISTENER_STAGE)
    theirs = from_plain(ListenerConfig, found.header.config, where=f"{path}: config")
    wanted: dict[str, tuple[Any, Any]] = {
        "audio_dim": (theirs.audio_dim, config.audio_dim),
        "face model": (found.header.face_model, face_model),
    }
    if not same_features(to_plain(theirs.audio), to_plain(config.audio)):
        wanted["audio"] = (theirs.audio, config.audio)
    for what, (its, ours) in wanted.items():
        if its != ours:
            raise ValueError(
                f"the listener {str(path)!r} has {what} {its!r}, this model {ours!r}; train one "
                f"for it with `make train-listener`"
            )
    model = ListenerModel(theirs)
    load_weights(model, found.tensors)
    return model.eval()


def load_expert(path: Path | str, config: MotionConfig, model: MorphableModel) -> LipExpert:
    """Return the lip expert of a stage file, if it can judge what a motion model of `config` makes.

    Raises:
        ValueError: If it looks at something else, hears something else, or has another face model.
    """
    expert, theirs = _open_expert(path, model)
    _check_hearing(path, theirs, config)
    wanted: dict[str, tuple[Any, Any]] = {"system": (theirs.system, config.system)}
    if config.system == "disenttalk":
        wanted["lip directions"] = (set(theirs.lip), set(config.disenttalk.lip))
    _check_same(path, wanted, config.system)
    return expert


def load_judge(path: Path | str, config: MotionConfig, model: MorphableModel) -> LipExpert:
    """Return the lip expert of a stage file, of any system, that hears what `config` hears.

    Raises:
        ValueError: If it hears something else, or has another face model.
    """
    expert, theirs = _open_expert(path, model)
    _check_hearing(path, theirs, config)
    return expert


def _open_expert(path: Path | str, model: MorphableModel) -> tuple[LipExpert, ExpertConfig]:
    found = load_stage(path, stage=EXPERT_STAGE)
    config = from_plain(ExpertConfig, found.header.config, where=f"{path}: config")
    _check_same(path, {"face model": (found.header.face_model, model.name)}, config.system)
    expert = LipExpert(config, model)
    load_weights(expert, found.tensors)
    return expert.eval(), config


def _check_hearing(path: Path | str, theirs: ExpertConfig, config: MotionConfig) -> None:
    wanted: dict[str, tuple[Any, Any]] = {"audio_dim": (theirs.audio_dim, config.audio_dim)}
    if not same_features(to_plain(theirs.audio), to_plain(config.audio)):
        wanted = {"audio": (theirs.audio, config.audio), **wanted}
    _check_same(path, wanted, config.system)


def _check_same(path: Path | str, wanted: Mapping[str, tuple[Any, Any]], system: str) -> None:
    for what, (theirs, ours) in wanted.items():
        if theirs != ours:
            raise ValueError(
                f"the lip expert {str(path)!r} has {what} {theirs!r}, this model {ours!r}; train "
                f"one for it with `make train-lip-expert SYSTEM={system}`"
            )


def _face_model_of(name: str | None, path: Path | str) -> str:
    if name is None:
        raise ValueError(f"{path} does not say which face model its motion belongs to")
    return name
