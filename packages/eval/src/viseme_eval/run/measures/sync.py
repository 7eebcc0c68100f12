"""Whether lips and sound belong together, as sync networks hear and see them."""

import math
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from viseme_eval.functional.sync import (
    MAX_OFFSET,
    OffsetDistances,
    cosine_lag_curve,
    cosine_sync_probability,
    scores_of_curve,
)
from viseme_eval.run.measure import (
    ClipFacts,
    Need,
    Quantity,
    SkippedError,
    VideoMeasure,
    View,
)
from viseme_eval.run.measures.per_frame import Track
from viseme_eval.syncnet.config import NAME as OWN_SYNC

_NEEDS: frozenset[Need] = frozenset({"landmarks", "audio"})


class _Streamed(VideoMeasure):
    """Sends frames and sound through a sync network's stream; give `add`."""

    needs = _NEEDS

    def __init__(self, network: Any) -> None:
        self._network = network

    def start(self, clip: ClipFacts) -> None:
        """Begin the stream of a clip."""
        self._stream = self._network.stream()

    @torch.no_grad()
    def update(self, view: View) -> None:
        """Take in the next frames and their sound."""
        self.add(*self._stream.push(view.frames_T3HW, view.landmarks_TK3, view.audio_S))

    def add(self, seen_TD: Tensor, heard_TD: Tensor) -> None:
        """Take the next rows of both streams."""
        raise NotImplementedError

    def end(self) -> None:
        """Take the last rows.

        Raises:
            SkippedError: If the clip is too short.
        """
        try:
            self.add(*self._stream.finish())
        except ValueError as error:
            raise SkippedError(str(error)) from error


class SyncNet(_Streamed):
    """SyncNet's scores."""

    networks = ("syncnet_v2",)
    quantities = (
        Quantity(
            "lse_c",
            "LSE-C",
            "",
            "higher",
            "SyncNet v2's confidence: median less minimum, over offsets of 15 frames either way, "
            "of the mean distance of picture and sound (Wav2Lip's LSE-C).",
        ),
        Quantity("lse_d", "LSE-D", "", "lower", "The minimum of these distances."),
        Quantity(
            "syncnet_confidence",
            "SyncNet confidence",
            "",
            "higher",
            "The same number as LSE-C, as SyncNet's authors and ImagineID, FD2Talk and TalkFormer "
            "call it; columns of one paper that differ differ by their crops.",
        ),
        Quantity(
            "syncnet_offset",
            "SyncNet offset",
            "frames",
            "none",
            "Offset of that minimum; positive: the mouth is late. 0 is best.",
        ),
    )

    def start(self, clip: ClipFacts) -> None:
        """Begin the stream of a clip."""
        super().start(clip)
        self._distances = OffsetDistances()

    def add(self, seen_TD: Tensor, heard_TD: Tensor) -> None:
        """Take the next rows of both streams."""
        if len(seen_TD):
            self._distances.add(seen_TD, heard_TD)

    def finish(self) -> dict[str, float]:
        """Return the scores."""
        self.end()
        scores = scores_of_curve(self._distances.curve())
        return {
            "lse_c": float(scores.confidence),
            "lse_d": float(scores.distance),
            "syncnet_confidence": float(scores.confidence),
            "syncnet_offset": float(scores.offset),
        }


class LandmarkSync(_Streamed):
    """Offset and cosine by our own network."""

    networks = (OWN_SYNC,)
    quantities = (
        Quantity(
            "lmsync_cosine",
            "Landmark sync, cosine",
            "",
            "higher",
            "Mean cosine of mouth landmarks and sound by our own sync network; in no paper.",
        ),
        Quantity(
            "lmsync_offset",
            "Landmark sync, offset",
            "frames",
            "none",
            "Lag within 15 frames at which that cosine is largest; positive: the mouth is late. 0 "
            "is best.",
        ),
    )

    def start(self, clip: ClipFacts) -> None:
        """Begin the stream of a clip."""
        super().start(clip)
        self._tracks = (Track(clip.num_frames), Track(clip.num_frames))

    def add(self, seen_TD: Tensor, heard_TD: Tensor) -> None:
        """Take the next rows of both streams."""
        for track, piece_TD in zip(self._tracks, (seen_TD, heard_TD), strict=True):
            track.add(piece_TD)

    def finish(self) -> dict[str, float]:
        """Return both values."""
        self.end()
        pair = (track.rows for track in self._tracks)
        curve = cosine_lag_curve(*pair)
        found = float(curve.argmax()) - MAX_OFFSET if curve.isfinite().all() else math.nan
        return {"lmsync_cosine": float(curve[MAX_OFFSET]), "lmsync_offset": found}


class _Cosine(_Streamed):
    """Mean over rows of the probability that their cosines are read as."""

    probability: ClassVar[Literal["clamp", "affine"]]

    def start(self, clip: ClipFacts) -> None:
        """Begin the stream of a clip."""
        super().start(clip)
        self._total, self._rows = 0.0, 0

    def add(self, seen_TD: Tensor, heard_TD: Tensor) -> None:
        """Take the next rows of both streams."""
        if num := len(seen_TD):
            mean = cosine_sync_probability(seen_TD, heard_TD, probability=self.probability)
            self._total += float(mean) * num
            self._rows += num

    def mean(self) -> float:
        """Return the mean."""
        self.end()
        return self._total / self._rows


class Wav2LipExpert(_Cosine):
    """Probability by Wav2Lip's expert."""

    networks = ("wav2lip_expert",)
    quantities = (
        Quantity(
            "wav2lip_probability",
            "Wav2Lip expert",
            "",
            "higher",
            "Mean probability, the cosine cut at 0, by Wav2Lip's expert that picture and sound of "
            "five frames belong together.",
        ),
    )

    probability = "clamp"

    def finish(self) -> dict[str, float]:
        """Return the probability."""
        return {"wav2lip_probability": self.mean()}


class StableSyncNet(_Cosine):
    """Cosine by LatentSync's network."""

    networks = ("stable_syncnet",)
    quantities = (
        Quantity(
            "stable_syncnet_cosine",
            "StableSyncNet cosine",
            "",
            "higher",
            "Mean cosine of picture and sound of sixteen frames by LatentSync's StableSyncNet.",
        ),
    )

    probability = "affine"

    def finish(self) -> dict[str, float]:
        """Return the cosine."""
        # Of (1 + cos) / 2.
        return {"stable_syncnet_cosine": 2 * self.mean() - 1}
