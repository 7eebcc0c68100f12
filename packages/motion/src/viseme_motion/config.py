"""Settings of the motion stage: which system, its windows, what it hears and moves."""

from dataclasses import dataclass, field, replace
from typing import Literal

from viseme_core.audio import AudioConfig, LogMelConfig
from viseme_face import MorphableModel
from viseme_motion.disenttalk.config import DisentTalkConfig
from viseme_motion.disenttalk.subspaces import Subspaces
from viseme_motion.fd2talk.config import FD2TalkConfig
from viseme_motion.listener.config import ListenerConfig
from viseme_motion.windows import WindowConfig


@dataclass(frozen=True, kw_only=True)
class MotionConfig:
    """A voice-to-motion model."""

    system: Literal["fd2talk", "disenttalk"]
    """`fd2talk`: expression and pose; `disenttalk`: expression by regions of the face."""
    fd2talk: FD2TalkConfig = field(default_factory=FD2TalkConfig)
    """Settings of FD2Talk."""
    disenttalk: DisentTalkConfig = field(default_factory=DisentTalkConfig)
    """Settings of DisentTalk."""
    windows: WindowConfig = field(default_factory=WindowConfig)
    """Windows of long voices; training cuts such windows out of its samples."""
    audio: AudioConfig | None = None
    """Audio encoder, log-mel by default; training data must have been prepared with it."""
    audio_dim: int = 320
    """Width of the audio features: 320 for log-mel, 768 or 384 for speech models."""
    context_dim: int = 0
    """Width of convolutions that tell each frame of sound what is around it: for log-mel, which
    does not know; 0 leaves the features as they are, as the papers do with their speech models."""
    listener: str | None = None
    """Stage file of a listener, as `make train-listener` leaves it: the network is then told what
    that says of the face in the place of the sound. For minutes of real speech, from which a
    diffusion network alone learns people by heart."""
    listens: ListenerConfig | None = None
    """The listener's settings, which checkpoints hold beside its weights; not to be given."""
    weigh_movement: float = 0.0
    """How far errors of a coefficient count by what it moves of the face: 0 counts all alike, in
    units of their spread; 1 in proportion to the movement; between them, its power."""
    face_model: str = "builtin"
    """Face model of the coefficients: `builtin`, or a face file."""
    expert: str | None = None
    """Stage file of the lip expert for the sync loss, as `make train-lip-expert` leaves it."""

    def __post_init__(self) -> None:
        if self.audio is None:
            # As the field's default, YAML would be merged into it, whatever encoder it names.
            object.__setattr__(self, "audio", LogMelConfig())
        if self.context_dim < 0:
            raise ValueError(f"context_dim must not be negative, got {self.context_dim}")
        if self.context_dim and (self.listener or self.listens):
            raise ValueError(
                f"context_dim is for sound that is heard as it is, a listener puts something else "
                f"in its place; leave one of them out, got {self.context_dim} and {self.listener!r}"
            )
        if not 0 <= self.weigh_movement <= 1:
            raise ValueError(f"weigh_movement must lie in [0, 1], got {self.weigh_movement}")

    def needs_expert(self) -> bool:
        """Return whether training has a sync loss."""
        chosen = self.fd2talk if self.system == "fd2talk" else self.disenttalk
        return chosen.sync and chosen.weight_sync > 0


def open_face_model(name: str) -> MorphableModel:
    """Return the face model that a config names: `builtin`, or a face file."""
    return MorphableModel.builtin() if name == "builtin" else MorphableModel.from_file(name)


def pinned(config: MotionConfig, face_model: str) -> MotionConfig:
    """Return the config with everything in it that a shipped default would fill in.

    Defaults may change; a checkpoint must not change with them.

    Args:
        config: As a user gave it.
        face_model: Name of its face model, `NAME@HASH8`.
    """
    if config.system != "disenttalk" or config.disenttalk.lip:
        return config
    chosen = Subspaces.shipped(face_model)
    return replace(config, disenttalk=replace(config.disenttalk, lip=chosen.lip, eye=chosen.eye))
