"""Means over clips whose interval is over people: clips of one person are not independent."""

from collections.abc import Sequence

import numpy as np

from viseme_eval.run.bootstrap import Interval, resampled_means


def ratio_over_people(
    tops: Sequence[float],
    bottoms: Sequence[float],
    people: Sequence[str],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Return sum(tops) / sum(bottoms) over clips, and its interval when people are drawn anew.

    With bottoms of 1 that is a mean over clips; with counts it is a share. Everyone drawn comes
    with all of their clips.

    Args:
        tops: Of each clip; NaN leaves the clip out.
        bottoms: Of each clip.
        people: Who is in each clip.
        resamples: How often people are drawn.
        seed: Of the draws.
        level: Share of the draws inside.

    Returns:
        NaN where there is nothing to divide by.
    """
    sums: dict[str, np.ndarray] = {}
    for top, bottom, person in zip(tops, bottoms, people, strict=True):
        if np.isfinite(top) and np.isfinite(bottom):
            sums[person] = sums.get(person, 0) + np.array([top, bottom])
    if not sums or sum(bottom for _, bottom in sums.values()) == 0:
        return Interval(np.nan, np.nan, np.nan)
    values_P2 = np.stack([sums[person] for person in sorted(sums)])
    draws_R2 = resampled_means(values_P2, resamples=resamples, seed=seed)
    # By chance nobody who counts may have been drawn.
    draws_R2 = draws_R2[draws_R2[:, 1] > 0]
    low, high = np.quantile(draws_R2[:, 0] / draws_R2[:, 1], [(1 - level) / 2, (1 + level) / 2])
    top, bottom = values_P2.sum(0)
    return Interval(float(top / bottom), float(low), float(high))
