"""Who speaks: a voice, a face and habits, all from a seed and a number."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from viseme_core.draws import Draws
from viseme_data.synthetic.blinks import MAX_RATE_HZ, MIN_RATE_HZ, EyeStyle
from viseme_data.synthetic.prosody import HeadStyle
from viseme_data.synthetic.speech import Voice
from viseme_data.synthetic.text import Grammar
from viseme_face import MorphableModel

Sex = Literal["female", "male"]

VARIANTS: dict[Sex, tuple[str, ...]] = {
    "female": (
        *("f1", "f2", "f3", "f4", "f5"),
        *("linda", "steph", "Annie", "belinda", "Alicia", "shelby"),
    ),
    "male": (
        *("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"),
        *("adam", "david", "michel", "Alex", "Andy", "benjamin", "robert", "edward", "travis"),
    ),
}
"""Variants of espeak-ng's voices that sound like people."""
# Coefficients beyond this many deviations make faces that nobody has.
_MAX_DEVIATIONS = 2.0
_SPREAD = 0.8


@dataclass(frozen=True, kw_only=True)
class Articulation:
    """How a person's mouth works, against the table of mouth shapes."""

    scale: tuple[float, ...]
    """Factor per channel of `visemes.CHANNELS`."""
    drift: float
    """How much the size of movements wanders."""
    mouth_left: float
    """How far the mouth opens to one side, in units of the gesture at an opening of 10 mm."""


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """One person."""

    seed: int
    """Of the whole data set."""
    number: int
    """Which of its speakers."""
    language: str
    """Code of the language."""
    sex: Sex
    """Of the voice."""
    voice: Voice
    """As it sounds without emotion."""
    articulation: Articulation
    eyes: EyeStyle
    head: HeadStyle
    brows_with_pitch: float
    """How far brows rise with an octave of pitch."""
    room_db: float
    """Level of the noise of the room below the voice."""

    @property
    def name(self) -> str:
        """Name in the manifest; it tells data sets of other seeds apart."""
        return f"synthetic-{self.seed}-{self.number:05d}"


def make_speaker(seed: int, number: int, grammar: Grammar) -> Speaker:
    """Return a speaker, whatever others there are.

    Args:
        seed: Of the data set.
        number: Which of its speakers, from 0.
        grammar: Of the language.
    """
    draws = Draws(seed, 0, [number])

    def pick(name: str, count: int) -> int:
        return int(draws.integers(f"speaker/{name}", count)[0])

    def between(name: str, low: float, high: float) -> float:
        return low + (high - low) * float(draws.uniform(f"speaker/{name}")[0])

    sex: Sex = "female" if pick("sex", 2) else "male"
    size = between("articulation/size", 0.85, 1.25)
    own_C = 1 + 0.12 * draws.normal("speaker/articulation", 7)[0].clamp(-2, 2)
    # The last three are shares that a sound either has or not.
    scale = [size * float(own) for own in own_C[:2]] + own_C[2:4].tolist() + [1.0, 1.0, 1.0]
    lively = between("head/size", 0.6, 1.5)
    return Speaker(
        seed=seed,
        number=number,
        language=grammar.language,
        sex=sex,
        voice=Voice(
            name=grammar.voices[pick("dialect", len(grammar.voices))],
            variant=VARIANTS[sex][pick("variant", len(VARIANTS[sex]))],
            words_per_minute=round(between("rate", 135, 195)),
            pitch=round(between("pitch", 32, 68)),
            pitch_range=round(between("range", 35, 80)),
        ),
        articulation=Articulation(
            scale=tuple(scale), drift=0.08, mouth_left=between("side", -0.5, 0.5)
        ),
        eyes=EyeStyle(
            blink_rate_hz=between("blinks", MIN_RATE_HZ + 0.02, MAX_RATE_HZ - 0.02),
            averted_share=between("averted", 0.15, 0.45),
        ),
        head=HeadStyle(
            sway_rad=(0.028 * lively, 0.07 * lively, 0.055 * lively),
            nod_rad=between("nods", 0.025, 0.08) * lively**0.5,
            beat_rad=between("beats", 0.03, 0.07) * lively**0.5,
            lift_rad=between("lift", 0.04, 0.14),
            nod_share=between("nod_share", 0.35, 0.75),
        ),
        brows_with_pitch=between("brows", 0.2, 1.0),
        room_db=between("room", 42, 62),
    )


def identity_of(speaker: Speaker, model: MorphableModel) -> Tensor:
    """Return a face that nobody else has, identity coefficients (80,)."""
    draws = Draws(speaker.seed, 0, [speaker.number])
    deviations = _SPREAD * draws.normal("speaker/identity", len(model.identity_std_I))[0]
    return deviations.clamp(-_MAX_DEVIATIONS, _MAX_DEVIATIONS) * torch.as_tensor(
        model.identity_std_I
    )
