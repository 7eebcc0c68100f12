"""The plainest thing that listens: a ridge regression from a speech encoder to the lips' opening.

It learns from the recorded clips of a group and nothing else: no disturbed copies, no synthetic
speakers, no committee. What the default is worth shows beside it, and what more people would be.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from viseme_core.types import FPS
from viseme_eval.run.lip_scores import Curves, lip_scores
from viseme_eval.run.true_clips import TrueClip
from viseme_pipeline.default_training.recipe import FEATURE

_FRAMES = 5
"""That are heard, half of them before and half after."""
_PENALTY = 1.0
"""For each frame learned from, features in units of their spread."""
DRAWS = 8
"""Choices of as many people, so that it shows how much hangs on who they are."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ridge:
    """Openings of lips by a linear function of what is heard."""

    middle_A: Tensor
    """Mean of what is heard, and the unit it is measured in."""
    spread_A: Tensor
    weights_A: Tensor
    opening: float
    """Mean opening of people's lips."""
    opening_spread: float
    """Its mean deviation within a clip."""

    @classmethod
    def like(cls, clips: Sequence[TrueClip]) -> "Ridge":
        """Return what fits some people best, each clip's opening in units of its own spread."""
        heard, wanted, means, spreads = [], [], [], []
        for one in clips:
            is_seen_T = ~one.opening_T.isnan()
            opening_N = one.opening_T[is_seen_T].double()
            means.append(opening_N.mean())
            spreads.append(opening_N.std())
            heard.append(hear(one)[is_seen_T])
            wanted.append((opening_N - means[-1]) / spreads[-1])
        heard_NA, wanted_N = torch.cat(heard), torch.cat(wanted)
        middle_A, spread_A = heard_NA.mean(0), heard_NA.std(0).clamp(min=1e-6)
        units_NA = (heard_NA - middle_A) / spread_A
        gram_AA = units_NA.T @ units_NA
        gram_AA.diagonal().add_(_PENALTY * len(units_NA))
        return cls(
            middle_A=middle_A,
            spread_A=spread_A,
            weights_A=torch.linalg.solve(gram_AA, units_NA.T @ wanted_N),
            opening=float(torch.stack(means).mean()),
            opening_spread=float(torch.stack(spreads).mean()),
        )

    def __call__(self, one: TrueClip) -> Curves:
        """Return the opening for the clip's voice."""
        said_T = (hear(one) - self.middle_A) / self.spread_A @ self.weights_A
        return Curves(opening_T=(self.opening + self.opening_spread * said_T).clamp(min=0))


def can_be_heard(one: TrueClip) -> bool:
    """Return whether a clip was prepared with the speech encoder that this listens through."""
    return FEATURE in one.clip.features


def hear(one: TrueClip) -> Tensor:
    """Return what is heard around every frame of a clip, the edges repeated, (T, A) float64."""
    features_AT = one.clip.features[FEATURE].double().T
    half = _FRAMES // 2
    padded_AT = torch.nn.functional.pad(features_AT[None], (half, half), mode="replicate")[0]
    return padded_AT.unfold(1, _FRAMES, 1).permute(1, 0, 2).flatten(1)


def curve_table(
    groups: Sequence[tuple[Sequence[TrueClip], Sequence[TrueClip]]], counts: Sequence[int]
) -> Iterator[str]:
    """Yield the lines of a table of correlations by the number of people it learned from.

    Args:
        groups: Clips of each group: those to learn from, and those that are left out; no table
            where none is.
        counts: Numbers of people, chosen at random; all that there are come last by themselves.

    Raises:
        ValueError: If a group has fewer people, or a clip cannot be heard.
    """
    groups = [group for group in groups if group[1]]
    if not groups:
        return
    if not all(can_be_heard(one) for group in groups for some in group for one in some):
        raise ValueError(f"--people-curve needs clips that were prepared with {FEATURE!r}")
    yield f"\n## Ridge regression by people learned from, means over {DRAWS} choices (range)\n"
    yield "| people | minutes | lag 0 | best lag |\n|---|---|---|---|"
    for count in (*counts, None):
        found_D4 = np.array([_learned(groups, count, n) for n in range(DRAWS if count else 1)])
        people, minutes, *_ = found_D4.mean(0)
        cells = [
            f"{of_D.mean():.3f}" + (f" ({of_D.min():.3f} to {of_D.max():.3f})" if count else "")
            for of_D in found_D4[:, 2:].T
        ]
        name = f"{count}" if count else f"all, {people:.1f}"
        yield f"| {name} | {minutes:.1f} | {' | '.join(cells)} |"


def _learned(
    groups: Sequence[tuple[Sequence[TrueClip], Sequence[TrueClip]]], count: int | None, draw: int
) -> list[float]:
    """Return means over clips left out: people and minutes learned from, lag 0, best lag."""
    found = []
    for number, (others, left_out) in enumerate(groups):
        people = sorted({one.row.speaker for one in others})
        if count is not None and not 0 < count <= len(people):
            raise ValueError(f"--people-curve takes 1 to {len(people)} people, got {count}")
        chosen = np.random.default_rng((draw, number)).permutation(people)[:count]
        known = [one for one in others if one.row.speaker in chosen]
        minutes = sum(one.clip.num_frames for one in known) / FPS / 60
        ridge = Ridge.like(known)
        for one in left_out:
            scores = lip_scores(ridge(one), one)
            tops = [scores[key].top for key in ("lag 0", "best lag")]
            found.append([len(chosen), minutes, *tops])
    return np.mean(found, 0).tolist()
