"""Settings of synthetic data."""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from viseme_core.audio import AudioConfig, LogMelConfig
from viseme_core.config import to_plain
from viseme_core.types import FPS
from viseme_data.clips import FORMAT_VERSION
from viseme_data.manifest import split_of
from viseme_data.synthetic.text import read_languages

Frames = Literal["none", "256", "512"]

GENERATOR_VERSION = 2
"""Raise it with every change that gives the same seed another clip: a folder of an older one is
then refused, or with `overwrite` made anew."""
_GROWING = ("speakers", "minutes", "split_seed", "split_shares")


@dataclass(frozen=True, kw_only=True)
class SynthesizeConfig:
    """What synthetic data depends on; with more speakers or minutes its clips stay as they are."""

    speakers: int = 8
    """How many people there are; speaker k is the same however many."""
    minutes: float = 8.0
    """How long they speak, all together; everyone speaks as long, in whole clips of 4 to 12 s."""
    languages: str = "en,cmn"
    """Codes of languages, with commas between; speakers take turns. There are sentences in cmn, de,
    en, es, fr, ja, ko, ru and yue."""
    seed: int = 0
    """Another seed is other people who say other things."""
    frames: Frames = "none"
    """Side of the pictures in pixels; `none` leaves them out, and everything else in."""
    face_model: str = "builtin"
    """Face model of the coefficients: `builtin`, or a face file with MediaPipe's landmarks."""
    visemes: str = "builtin"
    """Mouth shapes: `builtin`, or a file that `VisemeTable.save` wrote."""
    split_seed: int = 0
    """Another seed puts other speakers into train, val and test."""
    split_shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
    """Shares of the speakers that are for train, val and test."""

    def __post_init__(self) -> None:
        if self.speakers < 1:
            raise ValueError(f"speakers must be at least 1, got {self.speakers}")
        if not 0 < self.minutes < float("inf"):
            raise ValueError(f"minutes must be above 0, got {self.minutes}")
        read_languages(self.languages)
        # The shares' own check.
        split_of("", self.split_seed, self.split_shares)

    @property
    def language_codes(self) -> tuple[str, ...]:
        """Languages, one by one."""
        return read_languages(self.languages)

    @property
    def frames_per_speaker(self) -> int:
        """How many frames everyone speaks at least."""
        return max(1, round(self.minutes * 60 * FPS / self.speakers))

    @property
    def size(self) -> int:
        """Side of the pictures, or of those there would be."""
        return 256 if self.frames == "none" else int(self.frames)

    @property
    def encoders(self) -> dict[str, AudioConfig]:
        """Encoders of all features."""
        return {"logmel": LogMelConfig()}

    def settings_hash(self, face_model: str, visemes: str) -> str:
        """Return 16 hex digits that change with whatever changes a clip of a given speaker.

        Args:
            face_model: Name of the face model.
            visemes: Hash of the mouth shapes.
        """
        plain = [FORMAT_VERSION, GENERATOR_VERSION, self.frames, face_model, visemes]
        return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:16]

    def lasting(self) -> dict:
        """Return the settings that must be the same to go on with a folder."""
        return {name: value for name, value in to_plain(self).items() if name not in _GROWING}
