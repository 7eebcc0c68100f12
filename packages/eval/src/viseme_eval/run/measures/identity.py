"""Who it is and how the face seems: identity, shape, age, gender, emotion, as networks see them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from viseme_eval.functional.identity import embedding_similarity, label_accuracy
from viseme_eval.run.measure import Chunk, ClipFacts, Need, PairMeasure, Quantity, View
from viseme_eval.run.measures.per_frame import FramePairMeasure, Track

_LANDMARKS: frozenset[Need] = frozenset({"landmarks"})


def cosines(
    chunk: Chunk, names: Sequence[str], embed: Callable[..., tuple[Tensor, ...]]
) -> dict[str, Tensor]:
    """Return cosines of both videos' embeddings in each frame by name, (T,), NaN without faces.

    Args:
        chunk: Frames with landmarks.
        names: Of the kinds of embeddings.
        embed: Gives rows (n, D) of each kind for frames and their landmarks.
    """
    found = both_seen(chunk)
    cosines = {name: torch.full((len(found),), torch.nan, dtype=torch.float64) for name in names}
    if found.any():
        sides = [embed(*_chosen(view, found)) for view in (chunk.generated, chunk.reference)]
        for cosine_T, *kind in zip(cosines.values(), *sides, strict=True):
            rows = zip(*kind, strict=True)
            cosine_T[found] = torch.stack([embedding_similarity(*row).cpu() for row in rows])
    return cosines


def both_seen(chunk: Chunk) -> Tensor:
    """Return in which frames both videos show a face."""
    seen = chunk.generated.seen_T, chunk.reference.seen_T
    if seen[0] is None or seen[1] is None:
        raise ValueError("this measure needs landmarks")
    return seen[0] & seen[1]


def _chosen(view: View, found: Tensor) -> tuple[Tensor, Tensor]:
    if view.landmarks_TK3 is None:
        raise ValueError("this measure needs landmarks")
    return view.frames_T3HW[found], view.landmarks_TK3[found]


class Csim(FramePairMeasure):
    """Cosine of ArcFace's embeddings."""

    needs = _LANDMARKS
    networks = ("arcface_r50|arcface_r100|ir_se50",)
    quantities = (
        Quantity(
            "csim",
            "CSIM",
            "",
            "higher",
            "Cosine of ArcFace's embeddings of both faces, aligned by five points; mean over "
            "frames (TalkFormer). By iResNet-50, else iResNet-100, else IR-SE-50, the first whose "
            "file is there.",
        ),
    )

    def __init__(self, network: Any) -> None:
        self._network = network

    @torch.no_grad()
    def of(self, chunk: Chunk) -> Mapping[str, Tensor]:
        """Return it of each frame."""
        return cosines(chunk, ["csim"], lambda *seen: (self._network(*seen),))


class CsimLower(FramePairMeasure):
    """The same of lower halves."""

    needs = _LANDMARKS
    networks = Csim.networks
    quantities = (
        Quantity(
            "csim_lower",
            "CSIM, lower half",
            "",
            "higher",
            "The same of aligned faces whose upper half, above the bridge of the nose, is black in "
            "both: nose, mouth and jaw. TalkFormer measures lower halves and does not say how "
            "ArcFace was shown them, so its numbers are not met.",
        ),
    )

    def __init__(self, network: Any) -> None:
        self._network = network

    @torch.no_grad()
    def of(self, chunk: Chunk) -> Mapping[str, Tensor]:
        """Return it of each frame."""
        return cosines(chunk, ["csim_lower"], lambda *seen: (self._network.lower(*seen),))


class FaceresSimilarity(FramePairMeasure):
    """The stand-in's cosines."""

    needs = _LANDMARKS
    networks = ("faceres",)
    quantities = (
        Quantity(
            "faceres_similarity",
            "Faceres identity",
            "",
            "higher",
            "Cosine of the faceres network's embeddings; mean over frames. Stands in for CSIM and "
            "is in no paper.",
        ),
        Quantity(
            "faceres_age_similarity",
            "Faceres age",
            "",
            "higher",
            "Cosine of its probabilities of 100 ages.",
        ),
        Quantity(
            "faceres_gender_similarity",
            "Faceres gender",
            "",
            "higher",
            "Cosine of its probabilities of both genders.",
        ),
    )

    def __init__(self, network: Any) -> None:
        self._network = network

    @torch.no_grad()
    def of(self, chunk: Chunk) -> Mapping[str, Tensor]:
        """Return all of each frame."""

        def look(*seen: Tensor) -> tuple[Tensor, ...]:
            found = self._network.describe(*seen)
            return found.embedding_BD, found.ages_BA, two_sided(found.male_B)

        return cosines(chunk, [quantity.name for quantity in self.quantities], look)


class ShapeSimilarity(FramePairMeasure):
    """Cosine of Deep3D's identity coefficients."""

    needs = _LANDMARKS
    networks = ("deep3d",)
    quantities = (
        Quantity(
            "shape_similarity",
            "Shape",
            "",
            "higher",
            "Cosine of Deep3DFaceRecon's 80 identity coefficients; mean over frames (ImagineID).",
        ),
    )

    def __init__(self, network: Any) -> None:
        self._network = network

    @torch.no_grad()
    def of(self, chunk: Chunk) -> Mapping[str, Tensor]:
        """Return it of each frame."""
        look = self._network
        return cosines(chunk, ["shape_similarity"], lambda *seen: (look(*seen).identity_TI,))


class FairFaceSimilarity(FramePairMeasure):
    """Cosine of FairFace's probabilities."""

    needs = _LANDMARKS
    networks = ("fairface",)
    quantities = (
        Quantity(
            "age_similarity",
            "Age",
            "",
            "higher",
            "Cosine of FairFace's probabilities of nine ages; mean over frames (ImagineID).",
        ),
        Quantity(
            "gender_similarity",
            "Gender",
            "",
            "higher",
            "Cosine of FairFace's probabilities of both genders; mean over frames (ImagineID).",
        ),
    )

    def __init__(self, network: Any) -> None:
        self._network = network

    @torch.no_grad()
    def of(self, chunk: Chunk) -> Mapping[str, Tensor]:
        """Return both of each frame."""

        def ages_and_genders(*seen: Tensor) -> tuple[Tensor, ...]:
            found = self._network(*seen)
            return found.age_TC, two_sided(found.male_T)

        return cosines(chunk, ["age_similarity", "gender_similarity"], ages_and_genders)


class Emotion(PairMeasure):
    """Agreement of Emotion-FAN's answers on whole clips."""

    needs = _LANDMARKS
    networks = ("emotion_fan",)
    quantities = (
        Quantity(
            "emotion_similarity",
            "Emotion",
            "",
            "higher",
            "Cosine of Emotion-FAN's probabilities of seven emotions of both clips (ImagineID).",
        ),
        Quantity(
            "emotion_accuracy",
            "EACC",
            "share",
            "higher",
            "Share of clips in which Emotion-FAN sees the same emotion as in the reference, whose "
            "answer stands for the true label. ImagineID prints an error of about 0.1 instead.",
        ),
    )

    def __init__(self, network: Any) -> None:
        self._network = network

    def start(self, clip: ClipFacts) -> None:
        """Forget the frames of another clip."""
        self._features = (Track(clip.num_frames), Track(clip.num_frames))

    @torch.no_grad()
    def update(self, chunk: Chunk) -> None:
        """Take in the next frames of both."""
        found = both_seen(chunk)
        if found.any():
            views = (chunk.generated, chunk.reference)
            for features, view in zip(self._features, views, strict=True):
                features.add(self._network(*_chosen(view, found)))

    @torch.no_grad()
    def finish(self) -> dict[str, float]:
        """Return both values."""
        if not len(self._features[0]):
            return {}
        device = self._network.device
        made_C, real_C = (
            self._network.classify(track.rows.to(device)).cpu() for track in self._features
        )
        return {
            "emotion_similarity": float(embedding_similarity(made_C, real_C)),
            "emotion_accuracy": float(label_accuracy(made_C.log(), real_C.argmax())),
        }


def two_sided(probability_T: Tensor) -> Tensor:
    """Return probabilities of something and of its opposite, (T, 2)."""
    return torch.stack([probability_T, 1 - probability_T], 1)
