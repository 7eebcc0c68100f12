"""Settings of disturbed copies."""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from viseme_core.config import to_plain
from viseme_core.types import SAMPLE_RATE_HZ
from viseme_data.clips import FORMAT_VERSION
from viseme_data.vary.disturb import SPEED_STEP_HZ

VARY_VERSION = 1
"""Raise it with every change that gives the same seed another copy: a folder of an older one is
then refused, or with `overwrite` made anew."""


@dataclass(frozen=True, kw_only=True)
class VaryConfig:
    """What disturbed copies depend on; with more copies those that are there stay as they are."""

    copies: int = 10
    """How many copies are made of each clip."""
    seed: int = 0
    """Another seed is other disturbances."""
    speed: tuple[float, float] = (0.86, 1.16)
    """Slowest and fastest speed; pitch and voice change along, as those of a tape."""
    equaliser_chance: float = 0.7
    """Share of copies that sound through another microphone."""
    equaliser_db: float = 5.0
    """Deviation of its gains, at eight frequencies from 0 to 8 kHz."""
    room_chance: float = 0.4
    """Share of copies that sound in another room."""
    room_sec: tuple[float, float] = (0.15, 0.5)
    """Shortest and longest time in which such a room's echo falls by 60 dB."""
    noise_chance: float = 0.6
    """Share of copies with noise, white in one half and low in the other."""
    noise_db: tuple[float, float] = (5.0, 20.0)
    """How much softer than the voice the noise is, at least and at most."""
    level_db: tuple[float, float] = (-14.0, 6.0)
    """Smallest and largest change of the level; what would exceed full scale is as loud as fits."""

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"copies must be at least 1, got {self.copies}")
        for name in ("speed", "room_sec", "noise_db", "level_db"):
            low, high = getattr(self, name)
            if not low <= high:
                raise ValueError(f"{name} must be a lower and an upper bound, got {low} and {high}")
        for name in ("equaliser_chance", "room_chance", "noise_chance"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)}")
        if not 0.5 <= self.speed[0] <= self.speed[1] <= 2:
            raise ValueError(f"speed must be between 0.5 and 2, got {self.speed}")
        if not len(self.rates):
            raise ValueError(
                f"speed must leave room for a multiple of {SPEED_STEP_HZ}/{SAMPLE_RATE_HZ}, got "
                f"{self.speed}"
            )
        if self.equaliser_db < 0 or self.room_sec[0] <= 0:
            raise ValueError("equaliser_db must be at least 0, and room_sec above 0")

    @property
    def rates(self) -> range:
        """Rates in Hz that 16 kHz may be played at."""
        slowest, fastest = (speed * SAMPLE_RATE_HZ / SPEED_STEP_HZ for speed in self.speed)
        # With a hair of tolerance: 1.1 * 160 is 176.00000000000003.
        first, last = math.ceil(slowest - 1e-6), math.floor(fastest + 1e-6)
        return range(first * SPEED_STEP_HZ, last * SPEED_STEP_HZ + 1, SPEED_STEP_HZ)

    def lasting(self) -> dict[str, Any]:
        """Return the settings that must be the same to go on with a folder."""
        return {name: value for name, value in to_plain(self).items() if name != "copies"}

    def settings_hash(self, audio: dict[str, Any]) -> str:
        """Return 16 hex digits that change with whatever changes a copy of a given clip.

        Args:
            audio: Plain config of every audio feature.
        """
        plain = [FORMAT_VERSION, VARY_VERSION, self.lasting(), audio]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
