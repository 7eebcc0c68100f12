"""What a user can ask of generated motion: regions, pose, blinks, silence."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from viseme_core.types import Motion
from viseme_motion.blinking import MAX_BLINKS_PER_SEC

Region = Literal["lip", "eye", "global", "pose"]
"""Parts of a face's motion that are controlled apart: DisentTalk's three (Eq. 1, 2), and pose."""
PoseChoice = Literal["model", "clip", "still"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Control:
    """How motion departs from what the model makes of a voice; by default not by a bit."""

    lip_gain: float = 1.0
    """How far lips go, around where they rest: the neutral face, or that of the reference."""
    eye_gain: float = 1.0
    """How far eyes and lids go, likewise."""
    global_gain: float = 1.0
    """How far the rest of the face goes, likewise."""
    pose_gain: float = 1.0
    """How far the head goes, around its mean pose, or that of the reference."""
    driven: Mapping[Region, Motion] = field(default_factory=dict)
    """Clips that drive a region instead of the voice, run back and forth if they are shorter."""
    pose: PoseChoice | None = None
    """Where pose comes from: `model`, a `clip`, or `still`. Left out it is the clip where there is
    one, the model where it makes pose, and still otherwise."""
    blinks_per_sec: float | None = None
    """Blinks per second in place of those of the model or the clip; 0 is none. People blink 0.28 to
    0.45 times a second."""
    close_in_silence: bool = False
    """Whether the mouth closes, within 0.2 s, in pauses of 0.3 s and more."""
    seal_lips: bool = False
    """Whether lips that nearly meet do meet, however far a portrait's lips are apart."""

    def __post_init__(self) -> None:
        for name in ("lip_gain", "eye_gain", "global_gain", "pose_gain"):
            gain = getattr(self, name)
            if not (math.isfinite(gain) and gain >= 0):
                raise ValueError(f"control.{name} must be a number from 0 on, got {gain}")
        unknown = sorted(set(self.driven) - set(get_args(Region)))
        if unknown:
            raise ValueError(f"control.driven knows the regions {get_args(Region)}, got {unknown}")
        for region, motion in self.driven.items():
            if not isinstance(motion, Motion):
                raise ValueError(
                    f"control.driven[{region!r}] must be a Motion, got {type(motion).__name__}; "
                    f"`load_motion` reads one from a file"
                )
        if self.pose not in (None, *get_args(PoseChoice)):
            raise ValueError(
                f"control.pose must be one of {get_args(PoseChoice)}, got {self.pose!r}"
            )
        if "pose" in self.driven and self.pose not in (None, "clip"):
            raise ValueError(
                f"control.driven names a clip for pose, but control.pose is {self.pose!r}; leave "
                f"one of them out"
            )
        rate = self.blinks_per_sec
        if rate is not None and not 0 <= rate <= MAX_BLINKS_PER_SEC:
            raise ValueError(
                f"control.blinks_per_sec must lie between 0 and {MAX_BLINKS_PER_SEC}, got {rate}"
            )

    def gain(self, region: Region) -> float:
        """Return the gain of a region."""
        return getattr(self, f"{region}_gain")
