"""Emotions: what a face holds and how a voice changes while it speaks.

Names and the three levels are those of MEAD (Wang et al., 2020).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from viseme_data.synthetic.speech import Voice

LEVELS = (1, 2, 3)


@dataclass(frozen=True, kw_only=True)
class Emotion:
    """An emotion at its strongest."""

    face: Mapping[str, float] = field(default_factory=dict)
    """Controls of `rig` and their values; `lids` for both lids."""
    rate: float = 1.0
    """Factor of the speed of speech."""
    pitch: int = 0
    """Added to the voice's pitch, in espeak-ng's steps."""
    pitch_range: float = 1.0
    """Factor of the voice's pitch range."""
    mouth: float = 1.0
    """Factor of the size of the mouth's movements."""
    head: float = 1.0
    """Factor of the liveliness of the head."""
    bow_rad: float = 0.0
    """How far the head is bowed."""


EMOTIONS: dict[str, Emotion] = {
    "neutral": Emotion(),
    "angry": Emotion(
        face={"brows_down": 1.0, "squint": 0.35, "lids": -0.1, "nose_wrinkle": 0.35, "frown": 0.2},
        rate=1.08, pitch=6, pitch_range=1.3, mouth=1.15, head=1.5, bow_rad=0.04,
    ),
    "contempt": Emotion(
        face={"smile": 0.15, "mouth_left": 0.9, "brows_down": 0.25, "lids": 0.15, "chin_up": 0.15},
        rate=0.95, pitch=-4, pitch_range=0.9, mouth=0.9, head=0.9, bow_rad=-0.06,
    ),
    "disgusted": Emotion(
        face={"nose_wrinkle": 1.0, "lip_raise": 0.8, "brows_down": 0.6, "squint": 0.5, "lids": 0.2},
        rate=0.95, pitch=-3, pitch_range=0.95, mouth=1.0, head=1.0, bow_rad=-0.03,
    ),
    "fear": Emotion(
        face={"brows_inner": 1.0, "brows_up": 0.5, "lids": -0.25, "frown": 0.25, "width": 2.0},
        rate=1.15, pitch=14, pitch_range=1.15, mouth=0.95, head=1.1,
    ),
    "happy": Emotion(
        face={"smile": 0.75, "squint": 0.7, "lids": 0.12, "brows_up": 0.15},
        rate=1.06, pitch=10, pitch_range=1.4, mouth=1.05, head=1.3,
    ),
    "sad": Emotion(
        face={"brows_inner": 0.9, "frown": 0.7, "lids": 0.22, "chin_up": 0.25},
        rate=0.82, pitch=-8, pitch_range=0.7, mouth=0.82, head=0.6, bow_rad=0.08,
    ),
    "surprised": Emotion(
        face={"brows_up": 1.0, "brows_inner": 0.3, "lids": -0.3, "jaw": 1.0},
        rate=1.02, pitch=14, pitch_range=1.5, mouth=1.15, head=1.2, bow_rad=-0.03,
    ),
}  # fmt: skip
"""Emotions by name."""


def at_level(name: str, level: int) -> Emotion:
    """Return an emotion at a level, 1 to 3.

    Raises:
        ValueError: If there is no such emotion or level.
    """
    if name not in EMOTIONS:
        raise ValueError(f"emotion must be one of {', '.join(EMOTIONS)}, got {name!r}")
    if level not in LEVELS:
        raise ValueError(f"level of an emotion must be one of {LEVELS}, got {level}")
    full, share = EMOTIONS[name], level / max(LEVELS)
    return Emotion(
        face={control: value * share for control, value in full.face.items()},
        rate=1 + (full.rate - 1) * share,
        pitch=round(full.pitch * share),
        pitch_range=1 + (full.pitch_range - 1) * share,
        mouth=1 + (full.mouth - 1) * share,
        head=1 + (full.head - 1) * share,
        bow_rad=full.bow_rad * share,
    )


def spoken_with(voice: Voice, emotion: Emotion) -> Voice:
    """Return a voice as it sounds with an emotion."""
    return replace(
        voice,
        words_per_minute=round(min(380, max(90, voice.words_per_minute * emotion.rate))),
        pitch=min(99, max(0, voice.pitch + emotion.pitch)),
        pitch_range=min(99, max(0, round(voice.pitch_range * emotion.pitch_range))),
    )
