"""Several sources of clips as one: prepared folders, shards, or both."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from viseme_core.audio import same_features
from viseme_data.segments import SegmentPlan
from viseme_data.sources import Piece, Source


class JoinedSource(Source):
    """Segments of several sources, one source after the other.

    Those of the first keep their numbers, so that a joined source begins as the first alone.

    Args:
        first: Clips to begin with.
        others: What is joined to them.
        audio: Feature that all must have from the same encoder; of the first's other features those
            are left that all have alike.
        repeats: How often each segment of the others counts; the whole of one source comes again
            before the next begins.

    Raises:
        ValueError: If they have not, or are of different face models or splits.
    """

    def __init__(
        self, first: Source, others: Sequence[Source], *, audio: str, repeats: int = 1
    ) -> None:
        if repeats < 1:
            raise ValueError(f"repeats must be at least 1, got {repeats}")
        for other in others:
            _check_alike(first, other, audio)
        sources = [first, *others]
        times = [1] + [repeats] * len(others)
        self.where = _listed([source.where for source in sources])
        self.split = first.split
        self.face_model = first.face_model
        self.audio = {
            name: plain
            for name, plain in first.audio.items()
            if all(same_features(plain, other.audio.get(name, {})) for other in others)
        }
        # Windows must fit the source that leaves least room.
        self.plan = SegmentPlan(
            length=max(source.plan.length for source in sources),
            window=min(source.plan.window for source in sources),
        )
        self.rows = [row for source in sources for row in source.rows]
        starts = accumulate((len(source.rows) for source in sources), initial=0)
        self.segments = []
        self._places: list[tuple[Source, int]] = []
        # One start more than there are sources: the number of all clips.
        for source, before, often in zip(sources, starts, times, strict=False):
            moved = [replace(each, clip=each.clip + before) for each in source.segments]
            self.segments += moved * often
            self._places += [(source, number) for number in range(len(moved))] * often
        self.chunk_of = _chunks(sources, times)

    def open(self, index: int) -> Piece:
        """Return the segment with this number, open for reading; its clip is the source's own."""
        source, number = self._places[index]
        return source.open(number)


def _check_alike(first: Source, other: Source, audio: str) -> None:
    for source in (first, other):
        if audio not in source.audio:
            raise ValueError(
                f"{source.where} has no audio feature {audio!r}, it has "
                f"{', '.join(sorted(source.audio))}; prepare it with that feature too"
            )
    if not same_features(first.audio[audio], other.audio[audio]):
        raise ValueError(
            f"{first.where} has {audio!r} from {first.audio[audio]!r}, {other.where} from "
            f"{other.audio[audio]!r}; prepare both alike"
        )
    if first.face_model != other.face_model:
        raise ValueError(
            f"{first.where} is of face model {first.face_model!r}, {other.where} of "
            f"{other.face_model!r}; prepare both with the same"
        )
    if first.split != other.split:
        raise ValueError(
            f"{first.where} gives its split {first.split!r}, {other.where} {other.split!r}; join "
            f"sources of the same"
        )


def _chunks(sources: Sequence[Source], times: Sequence[int]) -> list[int] | None:
    """Return the chunk of each segment if all sources have chunks, else None."""
    joined: list[int] = []
    for source, often in zip(sources, times, strict=True):
        if source.chunk_of is None:
            return None
        before = max(joined, default=-1) + 1
        joined += [before + chunk for chunk in source.chunk_of] * often
    return joined


def _listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
