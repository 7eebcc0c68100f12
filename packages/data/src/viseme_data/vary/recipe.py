"""Which disturbances a copy gets, and carrying them out."""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from viseme_core.draws import Draws
from viseme_core.types import SAMPLE_RATE_HZ
from viseme_data.vary.config import VaryConfig
from viseme_data.vary.disturb import (
    at_level,
    at_speed,
    equalised,
    in_room,
    noise,
    room,
    with_noise,
)

_KNOTS = 8
_LOW_NOISE_HZ = 800.0


class Recipe(NamedTuple):
    """What is done to a sound, in this order; None leaves a step out."""

    speed: float
    """How much faster it is played."""
    gains_K: Tensor | None
    """Of the equaliser, in dB."""
    decay_sec: float | None
    """Of the room."""
    snr_db: float | None
    """Of the noise."""
    is_low: bool
    """Whether the noise is low rather than white."""
    gain_db: float
    """Change of the level at the end."""

    def __str__(self) -> str:
        parts = [f"speed {self.speed:.4g}"]
        if self.gains_K is not None:
            parts.append("equaliser")
        if self.decay_sec is not None:
            parts.append(f"room {self.decay_sec:.2f} s")
        if self.snr_db is not None:
            parts.append(f"{'low' if self.is_low else 'white'} noise {self.snr_db:.0f} dB")
        return ", ".join([*parts, f"level {self.gain_db:+.0f} dB"])


def draw_recipe(config: VaryConfig, draws: Draws) -> Recipe:
    """Return a random recipe.

    Every number has a name of its own: a disturbance that is switched off changes no other.

    Args:
        config: How much of what.
        draws: One sample's: of a seed, a clip and a copy.
    """

    def between(name: str, bounds: tuple[float, float]) -> float:
        low, high = bounds
        return low + (high - low) * float(draws.uniform(f"vary/{name}"))

    def happens(name: str, chance: float) -> bool:
        return bool(draws.chance(f"vary/{name}", chance))

    rates = config.rates
    has_room = happens("room", config.room_chance)
    has_noise = happens("noise", config.noise_chance)
    gains_K = config.equaliser_db * draws.normal("vary/gains", _KNOTS)[0]
    return Recipe(
        speed=rates[int(draws.integers("vary/speed", len(rates)))] / SAMPLE_RATE_HZ,
        gains_K=gains_K if happens("equaliser", config.equaliser_chance) else None,
        decay_sec=between("decay", config.room_sec) if has_room else None,
        snr_db=between("snr", config.noise_db) if has_noise else None,
        is_low=happens("low", 0.5),
        gain_db=between("level", config.level_db),
    )


def disturbed(samples_S: Tensor, recipe: Recipe, draws: Draws, *, num_samples: int) -> Tensor:
    """Return a sound after all that a recipe says.

    Args:
        samples_S: Mono at 16 kHz.
        recipe: What is done.
        draws: Those that the recipe was drawn with.
        num_samples: Length of the result: cut, or padded with silence before the room is entered.
    """
    played_S = at_speed(samples_S, recipe.speed)[:num_samples]
    played_S = F.pad(played_S, (0, num_samples - len(played_S)))
    if recipe.gains_K is not None:
        played_S = equalised(played_S, recipe.gains_K)
    if recipe.decay_sec is not None:
        (generator,) = draws.generators("vary/tail")
        played_S = in_room(played_S, room(recipe.decay_sec, generator))
    if recipe.snr_db is not None:
        (generator,) = draws.generators("vary/hiss")
        cutoff_hz = _LOW_NOISE_HZ if recipe.is_low else None
        hiss_S = noise(num_samples, generator, cutoff_hz=cutoff_hz)
        played_S = with_noise(played_S, hiss_S, recipe.snr_db)
    return at_level(played_S, recipe.gain_db)
