"""Which clips a data set consists of: speaker k's clip n is the same in all of one seed."""

from collections.abc import Sequence
from dataclasses import dataclass

from viseme_core.draws import Draws
from viseme_core.types import FPS
from viseme_data.manifest import Split
from viseme_data.synthetic.emotion import EMOTIONS, LEVELS
from viseme_data.synthetic.speaker import Speaker

MIN_CLIP_SEC, MAX_CLIP_SEC = 4.0, 12.0
_NEUTRAL_SHARE = 0.4
# Multiples of the golden ratio fill the splits evenly from the first speakers on; from here the
# first four are for train, val, train and test.
_GOLDEN, _SPLIT_START = (5**0.5 - 1) / 2, 0.1


@dataclass(frozen=True, kw_only=True)
class ClipPlan:
    """One clip before it is made."""

    speaker: Speaker
    number: int
    """Which of the speaker's clips."""
    num_frames: int
    emotion: str
    level: int
    """1 to 3."""

    @property
    def source(self) -> str:
        """Name of what the clip is made from, as if it were a file."""
        return f"{self.speaker.name}/{self.number:05d}"

    @property
    def draws(self) -> Draws:
        """Random draws of this clip alone."""
        return _draws(self.speaker, self.number)


def plan_speaker(speaker: Speaker, num_frames: int) -> list[ClipPlan]:
    """Return the speaker's first clips, as many as make up `num_frames`."""
    plans: list[ClipPlan] = []
    left = num_frames
    while left > 0:
        plan = _plan(speaker, len(plans))
        plans.append(plan)
        left -= plan.num_frames
    return plans


def split_of_speaker(speaker: Speaker, seed: int, shares: Sequence[float]) -> Split:
    """Return the split of a speaker, whatever others there are; few speakers are enough for all.

    Args:
        speaker: The person.
        seed: Another seed is another partition.
        shares: Shares of train, val and test; they add up to 1.
    """
    start = _SPLIT_START + (float(Draws(seed, 0, [0]).uniform("plan/split")[0]) if seed else 0.0)
    place = (start + speaker.number * _GOLDEN) % 1
    if place < shares[0]:
        return "train"
    return "val" if place < shares[0] + shares[1] else "test"


def _plan(speaker: Speaker, number: int) -> ClipPlan:
    draws = _draws(speaker, number)
    seconds = MIN_CLIP_SEC + (MAX_CLIP_SEC - MIN_CLIP_SEC) * float(draws.uniform("plan/length")[0])
    names = [name for name in EMOTIONS if name != "neutral"]
    is_neutral = bool(draws.chance("plan/neutral", _NEUTRAL_SHARE)[0])
    emotion = "neutral" if is_neutral else names[int(draws.integers("plan/emotion", len(names))[0])]
    level = 1 if is_neutral else LEVELS[int(draws.integers("plan/level", len(LEVELS))[0])]
    return ClipPlan(
        speaker=speaker,
        number=number,
        num_frames=round(seconds * FPS),
        emotion=emotion,
        level=level,
    )


def _draws(speaker: Speaker, number: int) -> Draws:
    # Step 0 is the speaker's own.
    return Draws(speaker.seed, 1 + number, [speaker.number])
