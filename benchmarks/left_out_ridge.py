"""The plainest thing that listens: a ridge regression from a speech encoder to the lips' opening.

It learns from the recorded clips of a group and nothing else: no disturbed copies, no synthetic
speakers, no committee. What the default is worth shows beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from viseme_eval.run.lip_scores import Curves
from viseme_eval.run.true_clips import TrueClip
from viseme_pipeline.default_training.recipe import FEATURE

_FRAMES = 5
"""That are heard, half of them before and half after."""
_PENALTY = 1.0
"""For each frame learned from, features in units of their spread."""


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
