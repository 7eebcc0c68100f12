"""Lip-sync scores over a set of clips. One `update` a clip, with its streams of embeddings."""

from torch import Tensor

from viseme_eval.functional.sync import (
    MAX_OFFSET,
    Probability,
    cosine_offset,
    cosine_sync_probability,
    syncnet_scores,
)
from viseme_eval.metrics.clip_mean import ClipMean


class LSEC(ClipMean):
    """Wav2Lip's LSE-C: mean over videos of SyncNet's confidence; more is better.

    DisentTalk Tables I, II and IV, FD2Talk Table 1; formula and units in `syncnet_scores`.

    Args:
        max_offset: Frames either way.
    """

    higher_is_better = True

    def __init__(self, *, max_offset: int = MAX_OFFSET) -> None:
        super().__init__()
        self.max_offset = max_offset

    def update(self, visual_TD: Tensor, audio_TD: Tensor) -> None:
        """Count one clip's streams of embeddings, each (T, D)."""
        self.take(syncnet_scores(visual_TD, audio_TD, max_offset=self.max_offset).confidence)


class SyncNetConfidence(LSEC):
    """SyncNet's confidence: the same number as LSE-C for the same crops.

    FD2Talk's `SyncNet`, TalkFormer's `SyncScore`, ImagineID's `Sync`. Columns of one paper that
    hold both differ by how faces are cropped and by the weights, not by the rule.
    """


class LSED(LSEC):
    """Wav2Lip's LSE-D: mean over videos of SyncNet's least mean distance; less is better."""

    higher_is_better = False

    def update(self, visual_TD: Tensor, audio_TD: Tensor) -> None:
        """Count one clip's streams of embeddings, each (T, D)."""
        self.take(syncnet_scores(visual_TD, audio_TD, max_offset=self.max_offset).distance)


class SyncNetOffset(ClipMean):
    """Mean over videos of the offset of SyncNet's least distance, in frames.

    Args:
        absolute: Mean of absolute offsets, how far off clips are; otherwise of signed ones, how
            late mouths are as a rule.
        max_offset: Frames either way.
    """

    def __init__(self, *, absolute: bool = False, max_offset: int = MAX_OFFSET) -> None:
        super().__init__()
        self.absolute = absolute
        self.max_offset = max_offset

    def update(self, visual_TD: Tensor, audio_TD: Tensor) -> None:
        """Count one clip's streams of embeddings, each (T, D)."""
        offset = syncnet_scores(visual_TD, audio_TD, max_offset=self.max_offset).offset
        self.take(offset.abs() if self.absolute else offset)


class SyncProbability(ClipMean):
    """Mean over clips of the probability that picture and sound match; see the function.

    Args:
        probability: How the expert's cosines become probabilities.
    """

    higher_is_better = True

    def __init__(self, *, probability: Probability = "clamp") -> None:
        super().__init__()
        self.probability: Probability = probability

    def update(self, visual_TD: Tensor, audio_TD: Tensor) -> None:
        """Count one clip's streams of embeddings, each (T, D)."""
        self.take(cosine_sync_probability(visual_TD, audio_TD, probability=self.probability))


class CosineOffset(ClipMean):
    """Mean over clips of the lag at which an expert's mean cosine is largest, in frames.

    Args:
        absolute: Mean of absolute offsets; otherwise of signed ones.
        max_lag: Frames either way.
    """

    def __init__(self, *, absolute: bool = False, max_lag: int = MAX_OFFSET) -> None:
        super().__init__()
        self.absolute = absolute
        self.max_lag = max_lag

    def update(self, visual_TD: Tensor, audio_TD: Tensor) -> None:
        """Count one clip's streams of embeddings, each (T, D)."""
        offset = cosine_offset(visual_TD, audio_TD, max_lag=self.max_lag).offset
        self.take(offset.abs() if self.absolute else offset)
