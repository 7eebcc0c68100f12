"""Identity, attributes and emotion over a set of clips. One `update` a clip."""

from torch import Tensor

from viseme_eval.functional.identity import (
    Inputs,
    Unit,
    attribute_similarity,
    embedding_similarity,
    label_accuracy,
)
from viseme_eval.metrics.clip_mean import ClipMean


class CSIM(ClipMean):
    """Mean over clips of the cosine of identity embeddings; more is better (TalkFormer Table I)."""

    higher_is_better = True

    def update(self, generated: Tensor, reference: Tensor) -> None:
        """Count one clip's embeddings (T, D); the reference's may be one (D,)."""
        self.take(embedding_similarity(generated, reference))


class ShapeSimilarity(CSIM):
    """Mean over clips of the cosine of 3DMM identity coefficients (ImagineID Table 1, Shape)."""


class AttributeSimilarity(ClipMean):
    """Mean over clips of the cosine of a classifier's answers; more is better.

    Args:
        inputs: Whether logits or features are given; see `attribute_similarity`.
    """

    higher_is_better = True

    def __init__(self, *, inputs: Inputs = "logits") -> None:
        super().__init__()
        self.inputs: Inputs = inputs

    def update(self, generated: Tensor, reference: Tensor) -> None:
        """Count one clip's logits or features (T, C); the reference's may be one (C,)."""
        self.take(attribute_similarity(generated, reference, inputs=self.inputs))


class AgeSimilarity(AttributeSimilarity):
    """ImagineID Table 1, Age, from an age classifier's answers."""


class GenderSimilarity(AttributeSimilarity):
    """ImagineID Table 1, Gender, from a gender classifier's answers."""


class EmotionSimilarity(AttributeSimilarity):
    """ImagineID Table 1, Emotion, from an emotion classifier's answers."""


class EACC(ClipMean):
    """Mean over clips of emotion accuracy; more is better.

    ImagineID Table 2 lists an error under this name; see `label_accuracy`.

    Args:
        per: Whether a clip counts the share of its frames or its one answer; see `label_accuracy`.
    """

    higher_is_better = True

    def __init__(self, *, per: Unit = "frame") -> None:
        super().__init__()
        self.per: Unit = per

    def update(self, logits: Tensor, label: Tensor | int) -> None:
        """Count one clip's logits (T, C) and its true class."""
        self.take(label_accuracy(logits, label, per=self.per))
