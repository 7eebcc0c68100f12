"""What goes with a model, an audio encoder and a model of pose, and whether it fits."""

from dataclasses import replace
from pathlib import Path

from viseme_core.audio import (
    AudioEncoder,
    LogMelConfig,
    PretrainedConfig,
    build_encoder,
    same_features,
)
from viseme_core.config import to_plain
from viseme_motion.build import MotionModel
from viseme_motion.config import MotionConfig
from viseme_motion.fd2talk.model import FD2TalkModel

Loaded = tuple[MotionModel, MotionConfig, str]
"""A model, its config and the name of its face model: what `load_model` returns."""


def encoder_for(
    config: MotionConfig, path: str | None = None, *, checkpoint: Path | str | None = None
) -> AudioEncoder:
    """Return the audio encoder of a model, set to answer as early as it can.

    Args:
        config: The model's.
        path: Where its speech model lies here, if not where it lay in training.
        checkpoint: Where the model was read from: its speech model may lie beside it.

    Raises:
        ValueError: If a path is given, and the model hears with no speech model.
    """
    audio = config.audio
    assert audio is not None
    if path is None and checkpoint is not None:
        path = _speech_model_beside(checkpoint, config)
    if path is not None:
        if not isinstance(audio, PretrainedConfig):
            raise ValueError(
                f"audio_path is for speech models, this model hears {audio.kind!r}; leave it out"
            )
        audio = replace(audio, path=path)
    if isinstance(audio, LogMelConfig):
        # A stream of single frames answers earliest, and the values are the same.
        audio = replace(audio, window=1)
    return build_encoder(audio)


def _speech_model_beside(checkpoint: Path | str, config: MotionConfig) -> str | None:
    """Return where the speech model of a chain's folder lies, for a stage that was taken from one.

    Args:
        checkpoint: The stage file, or its folder.
        config: The model's.

    Raises:
        ValueError: If the model's folder is named, and is neither here nor beside the stage.
    """
    audio, place = config.audio, Path(checkpoint)
    if not isinstance(audio, PretrainedConfig) or Path(audio.path).expanduser().is_dir():
        return None
    folder = place if place.is_dir() else place.parent
    if (folder / audio.path).is_dir():
        return str(folder / audio.path)
    if "/" not in audio.path or Path(audio.path).is_absolute():
        raise ValueError(
            f"{str(checkpoint)!r} hears with the speech model {audio.path!r}, which is not there; "
            f"name its folder by audio_path (--hearing)"
        )
    return None


def check_encoder(encoder: AudioEncoder, config: MotionConfig) -> None:
    """Raise ValueError if a model of this config cannot hear what the encoder makes."""
    wanted, got = config.audio, encoder.config
    assert wanted is not None
    layers = getattr(wanted, "layer", None), getattr(got, "layer", None)
    if got.kind != wanted.kind or layers[0] != layers[1]:
        raise ValueError(f"the model was trained on audio {wanted!r}, the encoder gives {got!r}")
    if encoder.audio_dim != config.audio_dim:
        raise ValueError(
            f"the model hears features of width {config.audio_dim}, the encoder "
            f"{got.kind!r} gives {encoder.audio_dim}; take the one that it was trained on"
        )
    expected = getattr(wanted, "fingerprint", None)
    # Asked last, and only where it matters: it reads the encoder's weights.
    found = expected and getattr(encoder.pinned_config, "fingerprint", None)
    if found != expected:
        raise ValueError(
            f"the model was trained on {wanted.kind} weights of fingerprint {expected!r}, this "
            f"encoder's are {found!r}; it may lie anywhere, but must be the one that prepared the "
            f"training data"
        )


def checked_poser(loaded: Loaded, config: MotionConfig, face_model: str) -> FD2TalkModel:
    """Return the model of pose to put beside a model without.

    Raises:
        ValueError: If it makes none, or hears or moves something else.
    """
    model, theirs, their_face = loaded
    if config.system == "fd2talk":
        raise ValueError("pose_from is for DisentTalk: FD2Talk makes its own pose; leave it out")
    if not isinstance(model, FD2TalkModel):
        raise ValueError(f"pose_from must hold 'fd2talk', got {theirs.system!r}")
    hears_same = same_features(to_plain(config.audio), to_plain(theirs.audio))
    for what, is_same, wanted, got in (
        ("audio", hears_same, config.audio, theirs.audio),
        ("audio_dim", config.audio_dim == theirs.audio_dim, config.audio_dim, theirs.audio_dim),
        ("face model", face_model == their_face, face_model, their_face),
    ):
        if not is_same:
            raise ValueError(
                f"pose_from was trained with {what} {got!r}, the model with {wanted!r}; give an "
                f"FD2Talk checkpoint of the same"
            )
    return model
