"""All measures of a run, and which of them can be had with the networks that are there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import nn

from viseme_eval.run.measure import Measure, Quantity, SetMeasure, VideoMeasure
from viseme_eval.run.measures import (
    eyes,
    frechet,
    identity,
    landmark,
    motion,
    perceptual,
    picture,
    sync,
)

MEASURES: tuple[type[Measure], ...] = (
    picture.Psnr,
    picture.Ssim,
    perceptual.Lpips,
    perceptual.LpipsVgg,
    perceptual.LpipsSqueeze,
    perceptual.Lite0Distance,
    perceptual.ConsecutiveLpips,
    perceptual.ConsecutiveLite0,
    frechet.Fid,
    frechet.FrechetLite0,
    picture.Cpbd,
    identity.Csim,
    identity.CsimLower,
    identity.FaceresSimilarity,
    identity.ShapeSimilarity,
    identity.FairFaceSimilarity,
    identity.Emotion,
    sync.SyncNet,
    sync.Wav2LipExpert,
    sync.StableSyncNet,
    sync.LandmarkSync,
    landmark.Lmd,
    landmark.LandmarkVelocity,
    landmark.LipOpening,
    landmark.LipLevel,
    eyes.Eyes,
    motion.HeadMotion,
    motion.Hopenet,
    motion.BeatAlign,
    motion.Jitter,
)
"""In the order of reports."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A measure's place in a run: how to build it for a clip, or why that cannot be."""

    kind: type[Measure]
    build: Callable[[], Measure] | None
    """Gives one for one clip; None if it cannot be."""
    reason: str = ""
    """Why it cannot be."""
    networks: tuple[str, ...] = ()
    """Names of the networks it is built with."""

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What it gives."""
        return self.kind.quantities

    @property
    def needs(self) -> frozenset[str]:
        """What it needs besides frames."""
        return frozenset(self.kind.needs)

    @property
    def is_video(self) -> bool:
        """Whether it describes one video rather than a pair."""
        return issubclass(self.kind, VideoMeasure)

    @property
    def is_set(self) -> bool:
        """Whether it has a value for the set only."""
        return issubclass(self.kind, SetMeasure)


def fill_slots(
    load: Callable[[str], nn.Module],
    only: Sequence[str] = (),
    kinds: Sequence[type[Measure]] | None = None,
) -> list[Slot]:
    """Return a slot for every measure that is wanted.

    Args:
        load: Gives a network by name, or raises ValueError saying where its file must be put.
        only: Names of quantities that are wanted; empty for all.
        kinds: Measures to choose from; by default all there are.

    Raises:
        ValueError: If there is no quantity of such a name.
    """
    kinds = MEASURES if kinds is None else kinds
    names = [quantity.name for kind in kinds for quantity in kind.quantities]
    unknown = sorted(set(only) - set(names))
    if unknown:
        raise ValueError(f"--only: there is no {unknown[0]!r}; choose from {', '.join(names)}")
    wanted = [kind for kind in kinds if not only or any(q.name in only for q in kind.quantities)]
    return [_slot(kind, load) for kind in wanted]


def _slot(kind: type[Measure], load: Callable[[str], nn.Module]) -> Slot:
    networks: dict[str, nn.Module] = {}
    for choice in kind.networks:
        found = _first_of(choice.split("|"), load)
        if isinstance(found, str):
            return Slot(kind=kind, build=None, reason=f"skipped: {found}")
        networks |= found
    return Slot(kind=kind, build=partial(kind, *networks.values()), networks=tuple(networks))


def _first_of(names: Sequence[str], load: Callable[[str], nn.Module]) -> dict[str, nn.Module] | str:
    """Return the first network that can be loaded by name, or why the first of all cannot."""
    reasons = []
    for name in names:
        try:
            return {name: load(name)}
        except (ValueError, ImportError) as error:
            # The registry's own message begins as rows do.
            reasons.append(str(error).removeprefix("skipped: "))
    return reasons[0]
