"""Settings of the listener."""

from dataclasses import dataclass
from typing import Literal

from viseme_core.audio import AudioConfig, LogMelConfig


@dataclass(frozen=True, kw_only=True)
class ListenerConfig:
    """A committee of small convolution networks that say how a face moves from its voice."""

    system: Literal["listener"] = "listener"
    """There is one kind."""
    members: int = 4
    """Networks that are trained side by side; what they say is averaged."""
    dim: int = 96
    """Width of each."""
    num_blocks: int = 2
    """Convolutions of each, one behind the other."""
    kernel: int = 5
    """Frames of each convolution, an odd number."""
    dropout: float = 0.4
    """Share of the features that is hidden from a member in training: minutes of speech are learned
    by heart without."""
    linear_share: float = 0.0
    """Share that a linear member has in what is said, 0 for none. It errs otherwise than the
    others do: from minutes of speech half and half err least."""
    linear_kernel: int = 5
    """Frames that the linear member hears, an odd number."""
    linear_dropout: float = 0.6
    """Share of the features that is hidden from the linear member in training."""
    weight_expression: float = 0.3
    """Weight of the errors of all expression coefficients beside those of the lips' opening."""
    audio: AudioConfig | None = None
    """Audio encoder of the data, log-mel by default."""
    audio_dim: int = 320
    """Width of the audio features: 320 for log-mel, 768 or 384 for speech models."""
    face_model: str = "builtin"
    """Face model of the data: `builtin`, or a face file."""

    def __post_init__(self) -> None:
        if self.audio is None:
            # As the field's default, YAML would be merged into it, whatever encoder it names.
            object.__setattr__(self, "audio", LogMelConfig())
        for name in ("members", "dim", "num_blocks"):
            if getattr(self, name) < 1:
                raise ValueError(f"listener.{name} must be at least 1, got {getattr(self, name)}")
        for name in ("kernel", "linear_kernel"):
            if getattr(self, name) < 1 or getattr(self, name) % 2 == 0:
                raise ValueError(f"listener.{name} must be odd, got {getattr(self, name)}")
        for name in ("dropout", "linear_dropout", "linear_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"listener.{name} must lie in [0, 1), got {getattr(self, name)}")
