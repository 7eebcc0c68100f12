"""Settings of preparation: what its results depend on, and nothing else."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Literal

from viseme_core.audio import AudioConfig, LogMelConfig, build_encoder
from viseme_core.config import to_plain
from viseme_data.clips import FORMAT_VERSION
from viseme_data.follow import FollowConfig
from viseme_data.layouts import LayoutName
from viseme_data.manifest import split_of
from viseme_data.quality import QualityConfig
from viseme_data.track import TrackerConfig

LOGMEL = "logmel"
"""Name of the features that every clip has."""


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """What prepared clips depend on; `dataset.json` keeps it, and one folder holds one such set."""

    layout: LayoutName = "auto"
    """How the corpus names its files, which tells speaker, language and emotion; `auto` finds out
    and says what it found, `folder` takes the folder of a file for its speaker."""
    size: Literal[256, 512] = 256
    """Side of the crop in pixels."""
    face: Literal["largest", "all"] | int = "largest"
    """Whom to keep where several people are seen: the most prominent one, all as clips of their
    own, or the one with this number at that time, 0 being the most prominent."""
    audio: dict[str, AudioConfig] = field(default_factory=dict)
    """Speech encoders whose features are stored besides `logmel`, by a name of yours:
    `--audio '{"hubert": {"kind": "hubert", "path": "FOLDER"}}'`."""
    need_audio: bool = False
    """Reject clips without sound and clips in which nothing is heard; by default they are kept, for
    training on pictures alone."""
    min_sync_confidence: float = 0.5
    """Confidence from which an estimated offset of sound and picture is removed."""
    smoothing: float = 1.0
    """Scale of the jitter that is taken out of landmarks; 0 leaves them as they are."""
    face_model: str = "builtin"
    """Face model of the coefficients: `builtin`, or a face file with MediaPipe's landmarks."""
    split_seed: int = 0
    """Another seed puts other speakers into train, val and test."""
    split_shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
    """Shares of the speakers that are for train, val and test."""
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    """How faces are looked for."""
    follow: FollowConfig = field(default_factory=FollowConfig)
    """What makes a clip of faces."""
    quality: QualityConfig = field(default_factory=QualityConfig)
    """Thresholds that a clip must meet."""

    def __post_init__(self) -> None:
        if isinstance(self.face, int) and self.face < 0:
            raise ValueError(f"face must be 'largest', 'all' or a number from 0, got {self.face}")
        if LOGMEL in self.audio:
            raise ValueError(f"audio.{LOGMEL} is always there; give another name")
        for name in self.audio:
            if not name.replace("_", "").replace("-", "").isalnum():
                raise ValueError(f"audio: names have letters, digits, - and _ only, got {name!r}")
        if self.smoothing < 0:
            raise ValueError(f"smoothing must be at least 0, got {self.smoothing}")
        # The shares' own check.
        split_of("", self.split_seed, self.split_shares)

    @property
    def encoders(self) -> dict[str, AudioConfig]:
        """Encoders of all features, log-mel among them."""
        return {LOGMEL: LogMelConfig(), **self.audio}

    def pinned(self) -> "PrepareConfig":
        """Return the settings with the hashes of all speech encoders' weights; reads those.

        Raises:
            ValueError: If there is no such encoder, or its weights are not those of a given hash.
        """
        audio = {name: build_encoder(one).pinned_config for name, one in self.audio.items()}
        return replace(self, audio=audio)

    def settings_hash(self, face_model: str) -> str:
        """Return 16 hex digits that change with any setting, and with the face model's content."""
        plain = [FORMAT_VERSION, to_plain(self), face_model]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
