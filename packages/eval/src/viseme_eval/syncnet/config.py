"""Settings of our own sync network."""

from dataclasses import dataclass, field
from typing import Literal

from viseme_core.audio import AudioConfig, LogMelConfig
from viseme_core.contrastive import ContrastiveConfig

NAME = "viseme-lmsync"
"""What reports call the network, with its hash."""
STAGE = "syncnet"
"""Stage of its files."""
SHIFTS = (5, 15)
"""Frames by which a sound must be off, at least and at most, to count as wrong in scores."""


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How training clips are disturbed, so that other cameras, voices and rooms are no surprise."""

    jitter: float = 0.08
    """Deviation of noise on mouth points, in units of the network's input."""
    gain: float = 0.5
    """Deviation of the logarithm of the mouth's movement."""
    level: float = 0.4
    """Deviation of a slow change of loudness over a sample, in log-mel units (4 are 80 dB)."""
    colour: float = 0.25
    """Deviation of noise on the log-mel features."""
    floor: float = 1.0
    """How far a noise floor may rise above silence, in log-mel units."""
    warp: float = 0.15
    """Deviation of the logarithm by which mel bands are stretched: other voices."""

    def __post_init__(self) -> None:
        for name in ("jitter", "gain", "level", "colour", "floor", "warp"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"augment.{name} must be at least 0, got {getattr(self, name)}; 0 is none"
                )


@dataclass(frozen=True, kw_only=True)
class SyncConfig:
    """A sync network: what it sees and hears, its size, how it is trained."""

    seen: Literal["landmarks"] = "landmarks"
    """What it sees of the mouth."""
    window: int = 11
    """Frames that are judged together, odd."""
    surround: int = 25
    """Frames either way whose mean is taken off what is seen and heard: what a face or a microphone
    is like all the time says nothing."""
    dim: int = 128
    """Width of the encoders."""
    embedding: int = 64
    """Width of the embeddings."""
    dropout: float = 0.2
    """Share of inner values that are dropped in training."""
    min_shift: int = 3
    """Smallest distance in frames of a wrong sound in training."""
    max_shift: int = 20
    """Largest distance in frames of a wrong sound in training."""
    num_negatives: int = 24
    """Wrong sounds for each right one."""
    temperature: float = 0.1
    """Divides cosines in the loss."""
    stride: int = 5
    """Frames from one right pair to the next in a training sample."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Disturbances in training."""
    audio: AudioConfig | None = None
    """Audio encoder of the data, log-mel by default."""
    audio_dim: int = 320
    """Width of the audio features: 320 for log-mel."""

    def __post_init__(self) -> None:
        if self.audio is None:
            # As the field's default, YAML would be merged into it, whatever encoder it names.
            object.__setattr__(self, "audio", LogMelConfig())
        if self.window < 3 or self.window % 2 == 0:
            raise ValueError(f"syncnet window must be odd and at least 3, got {self.window}")
        for name in ("surround", "stride", "dim", "embedding"):
            if getattr(self, name) < 1:
                raise ValueError(f"syncnet {name} must be at least 1, got {getattr(self, name)}")
        # Its own checks.
        _ = self.contrastive

    @property
    def contrastive(self) -> ContrastiveConfig:
        """Settings of the shared trainer, which judges rows of the encoded streams."""
        return ContrastiveConfig(
            window=1,
            min_shift=self.min_shift,
            max_shift=self.max_shift,
            objective="infonce",
            num_negatives=self.num_negatives,
            probability="affine",
            temperature=self.temperature,
        )

    @property
    def shortest(self) -> int:
        """Frames that a training sample has at least."""
        return self.window + 2 * self.max_shift
