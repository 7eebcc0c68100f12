"""Windows of motion with sound, alone and in pairs."""

from typing import Any

from viseme_core.batches import MotionBatch, PairBatch
from viseme_core.draws import Draws
from viseme_data.sources import Piece, Source
from viseme_data.window_dataset import WindowDataset, draws_of, index_of, rows_at
from viseme_data.windows import frame_numbers


class MotionDataset(WindowDataset):
    """Windows of motion and sound: `MotionBatch`, without its first dimension.

    Args:
        source: Clips of one split.
        audio: Audio feature to take.
        options: As `WindowDataset`.
    """

    needs_sound = True

    def __init__(self, source: Source, *, audio: str = "logmel", **options: Any) -> None:
        super().__init__(source, **options)
        if audio not in source.audio:
            raise ValueError(
                f"data.audio {audio!r} is not in {source.where}, which has "
                f"{', '.join(sorted(source.audio))}; prepare the data with it"
            )
        self.audio = audio

    def sample(self, piece: Piece, start: int, draws: Draws) -> MotionBatch:
        """Return the window of a piece that begins at a frame."""
        numbers, mask_T = frame_numbers(start, self.frames, piece.num_frames)
        feature = f"features.{self.audio}"
        read = rows_at(piece, ["expression", "pose", feature, "identity"], numbers)
        return MotionBatch(
            expression_BTC=read["expression"],
            pose_BT6=read["pose"],
            identity_BI=read["identity"],
            audio_BTA=read[feature],
            mask_BT=mask_T,
            index_B=index_of(draws),
        )


class PairDataset(MotionDataset):
    """Windows that tell speakers apart: `PairBatch`, without its first dimension.

    The positive is of another clip of the anchor's speaker, or, where there is none, begins in
    another segment of the same clip if it has one; the negative is of any other speaker.
    """

    def __init__(self, source: Source, **options: Any) -> None:
        super().__init__(source, **options)
        self._segments: dict[str, list[int]] = {}
        for number in self.segments:
            self._segments.setdefault(self._speaker(number), []).append(number)
        self._speakers = sorted(self._segments)
        if len(self._speakers) < 2:
            raise ValueError(
                f"{source.where} has one speaker in the split {source.split!r}; pairs need two"
            )

    def __getitem__(self, index: int) -> PairBatch:
        """Return the sample of a visit; a plain index is one of evaluation."""
        draws = draws_of(self.seed, index)
        anchor, start = self.place(int(index), draws)
        windows = [self.sample(self.source.open(anchor), start, draws)]
        for name, candidates in (
            ("data/positive", self._same(anchor)),
            ("data/negative", self._another(anchor, draws)),
        ):
            other = candidates[int(draws.integers(name, len(candidates)))]
            start = self.draw_start(other, draws, f"{name}/window")
            windows.append(self.sample(self.source.open(other), start, draws))
        return PairBatch(*windows)

    def _same(self, anchor: int) -> list[int]:
        """Return segments of the anchor's speaker, as far from it as there are."""
        same, clip = self._segments[self._speaker(anchor)], self.source.segments[anchor].clip
        return (
            [i for i in same if self.source.segments[i].clip != clip]
            or [i for i in same if i != anchor]
            or [anchor]
        )

    def _another(self, anchor: int, draws: Draws) -> list[int]:
        """Return the segments of a random other speaker."""
        own = self._speakers.index(self._speaker(anchor))
        drawn = int(draws.integers("data/speaker", len(self._speakers) - 1))
        return self._segments[self._speakers[drawn + (drawn >= own)]]

    def _speaker(self, segment: int) -> str:
        return self.source.rows[self.source.segments[segment].clip].speaker
