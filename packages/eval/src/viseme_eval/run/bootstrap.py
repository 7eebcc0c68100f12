"""Confidence intervals of means over clips, by drawing clips again and again."""

from typing import NamedTuple

import numpy as np

# Draws that are made at a time, to bound memory.
_BLOCK = 1000


class Interval(NamedTuple):
    """A mean and where it lies."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval is on one side of zero."""
        return self.low > 0 or self.high < 0


def resampled_means(values_NM: np.ndarray, *, resamples: int, seed: int) -> np.ndarray:
    """Return means over units drawn with replacement, (resamples, M).

    All columns share the draws: differences of columns are paired.

    Args:
        values_NM: Finite values, a unit (clip, participant) per row.
        resamples: How often to draw.
        seed: Of the draws.
    """
    num = len(values_NM)
    random = np.random.default_rng(seed)
    even = np.full(num, 1 / num)
    means = []
    for start in range(0, resamples, _BLOCK):
        # How often each unit is drawn says as much as which ones are.
        counts = random.multinomial(num, even, size=min(_BLOCK, resamples - start))
        means.append(counts @ values_NM / num)
    return np.concatenate(means)


def intervals(
    values_NM: np.ndarray, *, resamples: int = 10_000, seed: int = 0, level: float = 0.95
) -> list[Interval]:
    """Return the mean of each column with its percentile interval.

    Args:
        values_NM: Finite values, a unit per row; one row alone has an interval of no width, which
            says nothing.
        resamples: How often to draw.
        seed: Of the draws.
        level: Share of the draws inside.
    """
    draws = resampled_means(values_NM, resamples=resamples, seed=seed)
    low_M, high_M = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return [
        Interval(float(mean), float(low), float(high))
        for mean, low, high in zip(values_NM.mean(0), low_M, high_M, strict=True)
    ]
