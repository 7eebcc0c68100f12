"""Lip sync from embedding streams: SyncNet's and Wav2Lip's scores, and the cosine of an expert.

A stream holds one embedding a video frame, row t of the picture's and of the sound's starting at
frame t. Positive offsets and lags: the mouth comes later than its sound. Letters: T frames, D width
of the embeddings, L offsets.
"""

from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_core.shapes import check_shape

MAX_OFFSET = 15
"""Frames either way that SyncNet's evaluation looks at."""

Probability = Literal["clamp", "affine"]
"""How a cosine becomes a probability: cut at 0, or (1 + cos) / 2."""

# Frames that are compared at once: bounds memory, whatever the clip's length.
_BLOCK = 256


class SyncNetScores(NamedTuple):
    """What SyncNet's evaluation says of one clip; 0-dimensional float64 tensors."""

    confidence: Tensor
    """Median less minimum of the mean distances: SyncNet's confidence and Wav2Lip's LSE-C."""
    distance: Tensor
    """Minimum of the mean distances: Wav2Lip's LSE-D."""
    offset: Tensor
    """Frames by which the mouth comes later than its sound, -n to n."""


class CosineSync(NamedTuple):
    """What an expert with cosines says of one clip; 0-dimensional float64 tensors."""

    offset: Tensor
    """Lag of the largest mean cosine: frames by which the mouth comes later than its sound."""
    cosine: Tensor
    """Mean cosine at that lag."""


class OffsetDistances:
    """Mean distance of picture to sound at each offset, from a stream given piece by piece.

    Memory does not grow with the stream. `syncnet_scores` is this for a clip given at once.

    Args:
        max_offset: Frames n either way.
    """

    def __init__(self, max_offset: int = MAX_OFFSET) -> None:
        if max_offset < 1:
            raise ValueError(f"max_offset must be at least 1 frame, got {max_offset}")
        self.max_offset = max_offset
        self.num_frames = 0
        self._seen: Tensor | None = None
        self._heard: Tensor | None = None
        self._sum_L: Tensor | None = None

    def add(self, visual_TD: Tensor, audio_TD: Tensor) -> None:
        """Take the next embeddings of both streams.

        Args:
            visual_TD: Embeddings of the picture, shape (T, D).
            audio_TD: Embeddings of the sound, shape (T, D).
        """
        _check_pair(visual_TD, audio_TD)
        if self._seen is None or self._heard is None:
            # The stream of sound is continued by zeros on either side, as SyncNet does.
            self._heard = audio_TD.new_zeros(
                self.max_offset, audio_TD.shape[1], dtype=torch.float64
            )
            self._seen = self._heard[:0]
        for start in range(0, len(visual_TD), _BLOCK):
            piece = slice(start, start + _BLOCK)
            self._seen = torch.cat([self._seen, visual_TD[piece].detach().double()])
            self._heard = torch.cat([self._heard, audio_TD[piece].detach().double()])
            ready = max(0, len(self._heard) - 2 * self.max_offset)
            distance_L = self._distances(self._seen[:ready], self._heard)
            self._sum_L = distance_L if self._sum_L is None else self._sum_L + distance_L
            self._seen, self._heard = self._seen[ready:], self._heard[ready:]
        self.num_frames += len(visual_TD)

    def curve(self) -> Tensor:
        """Return the mean distance at each offset so far, float64 of shape (2 n + 1,).

        Entry n + k is offset k. NaN before the first frame.
        """
        if self._seen is None or self._heard is None or self._sum_L is None:
            return torch.full((2 * self.max_offset + 1,), torch.nan, dtype=torch.float64)
        heard = F.pad(self._heard, (0, 0, 0, self.max_offset))
        return (self._sum_L + self._distances(self._seen, heard)) / self.num_frames

    def _distances(self, seen_TD: Tensor, heard_ND: Tensor) -> Tensor:
        """Return summed distances by offset, (L,); row 0 of `heard` is n frames before `seen`'s."""
        num, last = len(seen_TD), 2 * self.max_offset
        return torch.stack(
            [
                # torch's pairwise_distance adds 1e-6 to each difference, and so does the rule.
                F.pairwise_distance(seen_TD, heard_ND[last - row : last - row + num]).sum()
                for row in range(last + 1)
            ]
        )


def syncnet_scores(
    visual_TD: Tensor, audio_TD: Tensor, *, max_offset: int = MAX_OFFSET
) -> SyncNetScores:
    """Return confidence, distance and offset of one clip by SyncNet's own evaluation rule.

    d(t, k) = || v_t - a_(t-k) + 1e-6 ||_2 with sound outside the clip as zeros; m(k) is its mean
    over frames, k = -n to n; distance = min m, confidence = median m - min m, offset = argmin m
    (Chung and Zisserman, "Out of time", 2016). LSE-D and LSE-C are the means of distance and
    confidence over videos (Wav2Lip, 2020; DisentTalk Table I, FD2Talk Table 1). The published code
    prints the offset with the same sign. Distances are in units of the embeddings.

    Args:
        visual_TD: Embeddings of the picture, not normalised, shape (T, D).
        audio_TD: Embeddings of the sound of the same frames, shape (T, D).
        max_offset: Frames n either way; 15 in every paper.

    Returns:
        Scores; all NaN for a clip of no frames or with NaN in an embedding. In clips of n frames or
        fewer the outermost offsets meet padding alone: the rule gives a number of little meaning.
    """
    distances = OffsetDistances(max_offset)
    distances.add(visual_TD, audio_TD)
    return scores_of_curve(distances.curve())


def scores_of_curve(distance_L: Tensor) -> SyncNetScores:
    """Return SyncNet's scores of a curve of mean distances, as `OffsetDistances.curve` gives it.

    Args:
        distance_L: Mean distance at offsets -n to n, shape (2 n + 1,).
    """
    least, where = distance_L.min(0)
    offset = (where - len(distance_L) // 2).double()
    return SyncNetScores(
        confidence=distance_L.median() - least,
        distance=least,
        offset=torch.where(least.isnan(), torch.nan, offset),
    )


def cosine_sync_probability(
    visual_TD: Tensor,
    audio_TD: Tensor,
    *,
    probability: Probability = "clamp",
) -> Tensor:
    """Return the mean probability that picture and sound belong together, 0 to 1.

    Cosine of each frame's pair (FD2Talk Eq. 10, DisentTalk Eq. 10) cut at 0 (`clamp`, for encoders
    that end in ReLU) or (1 + cos) / 2 (`affine`); read it as the expert was trained
    (`viseme_core.contrastive`). An embedding of zeros has cosine 0.

    Args:
        visual_TD: Embeddings of the picture, shape (T, D).
        audio_TD: Embeddings of the sound of the same frames, shape (T, D).
        probability: How a cosine becomes a probability.

    Returns:
        Mean over frames, 0-dimensional float64; NaN for a clip of no frames.
    """
    _check_pair(visual_TD, audio_TD)
    if probability not in get_args(Probability):
        raise ValueError(f"probability must be one of {get_args(Probability)}, got {probability!r}")
    cosine_T = (_directions(visual_TD) * _directions(audio_TD)).sum(-1)
    return (cosine_T.clamp_min(0) if probability == "clamp" else (1 + cosine_T) / 2).mean()


def cosine_lag_curve(visual_TD: Tensor, audio_TD: Tensor, *, max_lag: int = MAX_OFFSET) -> Tensor:
    """Return the mean cosine at each lag of the mouth behind the sound, float64 (2 n + 1,).

    Entry n + k compares the picture at frame t with the sound at frame t - k over all t where both
    exist, as `ContrastiveExpert.lag_curve` does; there is no padding. NaN at lags of a short clip
    that have no such frame.

    Args:
        visual_TD: Embeddings of the picture, shape (T, D).
        audio_TD: Embeddings of the sound of the same frames, shape (T, D).
        max_lag: Frames n either way.
    """
    _check_pair(visual_TD, audio_TD)
    if max_lag < 0:
        raise ValueError(f"max_lag must be at least 0 frames, got {max_lag}")
    seen_TD, heard_TD = _directions(visual_TD), _directions(audio_TD)
    curve = []
    for lag in range(-max_lag, max_lag + 1):
        later, earlier = (seen_TD, heard_TD) if lag >= 0 else (heard_TD, seen_TD)
        size = max(0, len(seen_TD) - abs(lag))
        # The sum of the rows' products in one, without a copy of the streams for each lag.
        total = torch.dot(later[abs(lag) :].flatten(), earlier[:size].flatten())
        curve.append(total / total.new_tensor(size))
    return torch.stack(curve)


def cosine_offset(visual_TD: Tensor, audio_TD: Tensor, *, max_lag: int = MAX_OFFSET) -> CosineSync:
    """Return the lag of the largest mean cosine and that cosine.

    Args:
        visual_TD: Embeddings of the picture, shape (T, D).
        audio_TD: Embeddings of the sound of the same frames, shape (T, D).
        max_lag: Frames n either way.

    Returns:
        Both NaN where the clip has not more than n frames or an embedding holds NaN.
    """
    cosine, where = cosine_lag_curve(visual_TD, audio_TD, max_lag=max_lag).max(0)
    return CosineSync(
        offset=torch.where(cosine.isnan(), torch.nan, (where - max_lag).double()), cosine=cosine
    )


def _directions(embedding_TD: Tensor) -> Tensor:
    return F.normalize(embedding_TD.double(), dim=-1, eps=1e-8)


def _check_pair(visual_TD: Tensor, audio_TD: Tensor) -> None:
    check_shape(visual_TD, "T D", name="visual_TD")
    check_shape(audio_TD, "T D", name="audio_TD")
    if visual_TD.shape != audio_TD.shape:
        raise ValueError(
            f"visual_TD and audio_TD must have the same shape, got {tuple(visual_TD.shape)} and "
            f"{tuple(audio_TD.shape)}; cut both streams to the shorter one"
        )
