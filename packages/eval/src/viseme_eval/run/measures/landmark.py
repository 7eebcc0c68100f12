"""Where lips and faces are: landmark distances, lip opening over time."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from viseme_core.types import Landmarks
from viseme_eval.functional.curves import best_lag, curve_correlation, spread_ratio
from viseme_eval.functional.landmark import (
    landmark_distance_curve,
    landmark_velocity_curve,
    lip_opening_curve,
)
from viseme_eval.run.measure import (
    Chunk,
    ClipFacts,
    Need,
    PairMeasure,
    Quantity,
    VideoMeasure,
    View,
)
from viseme_eval.run.measures.per_frame import FramePairMeasure, Track, mean

_LANDMARKS: frozenset[Need] = frozenset({"landmarks"})


def landmarks_of(view: View) -> Landmarks:
    """Return a view's landmarks in one unit, the frame's longer side; NaN without a face."""
    if view.landmarks_TK3 is None or view.seen_T is None:
        raise ValueError("this measure needs landmarks")
    height, width = view.frames_T3HW.shape[2:]
    sides_3 = view.landmarks_TK3.new_tensor([width, height, width]) / max(width, height)
    points_TK3 = (view.landmarks_TK3 * sides_3).masked_fill(~view.seen_T[:, None, None], torch.nan)
    return Landmarks(points_TK3, "mp478")


class Lmd(FramePairMeasure):
    """Landmark distances."""

    needs = _LANDMARKS
    quantities = (
        Quantity(
            "lmd_mouth",
            "LMD",
            "px of a 256 px crop",
            "lower",
            "Mean distance of 20 mouth landmarks, each frame's moved to the middle of its own "
            "(Chen et al., 2018); mean over points and frames with a face in both videos.",
        ),
        Quantity(
            "lmd_face",
            "LMD, face",
            "px of a 256 px crop",
            "lower",
            "The same of all 68 landmarks.",
        ),
        Quantity(
            "lmd_mouth_aligned",
            "LMD, mouth on aligned face",
            "share of the eyes' distance",
            "lower",
            "Mouth landmarks after turning, scaling and moving the face onto the reference by "
            "brows, nose and eyes: for heads that move differently.",
        ),
    )

    def of(self, chunk: Chunk) -> Mapping[str, Tensor]:
        """Return all of each frame."""
        pair = landmarks_of(chunk.generated), landmarks_of(chunk.reference)
        return {
            "lmd_mouth": landmark_distance_curve(*pair),
            "lmd_face": landmark_distance_curve(*pair, region="face"),
            "lmd_mouth_aligned": landmark_distance_curve(
                *pair, align="upper_face", normalise="eyes"
            ),
        }


class LandmarkVelocity(PairMeasure):
    """Difference of landmark velocities."""

    needs = _LANDMARKS
    quantities = (
        Quantity(
            "lmd_velocity",
            "LMD, velocity",
            "px of a 256 px crop per frame",
            "lower",
            "Mean difference of how far each of 20 mouth landmarks moves from a frame to the next.",
        ),
    )

    def start(self, clip: ClipFacts) -> None:
        """Forget the frames of another clip."""
        self._values: list[float] = []
        self._before: list[Tensor] | None = None

    def update(self, chunk: Chunk) -> None:
        """Take in the next frames of both."""
        pair = [landmarks_of(view).points_TKD for view in (chunk.generated, chunk.reference)]
        last = [points_TK3[-1:] for points_TK3 in pair]
        if self._before is not None:
            pair = [torch.cat(parts) for parts in zip(self._before, pair, strict=True)]
        made, real = (Landmarks(points_TK3, "mp478") for points_TK3 in pair)
        self._values += landmark_velocity_curve(made, real).tolist()
        self._before = last

    def finish(self) -> dict[str, float]:
        """Return the value."""
        return {"lmd_velocity": mean(self._values)}


class LipOpening(PairMeasure):
    """Lip opening against the reference's."""

    needs = _LANDMARKS
    quantities = (
        Quantity(
            "lip_correlation",
            "Lip opening, correlation",
            "",
            "higher",
            "Pearson's correlation over time of the opening of the lips (inner gap over inner "
            "width) with that of the reference.",
        ),
        Quantity(
            "lip_lag",
            "Lip opening, lag",
            "frames",
            "none",
            "Lag within 15 frames at which that correlation is largest; positive: the generated "
            "mouth is late. 0 is best.",
        ),
        Quantity(
            "lip_spread",
            "Lip opening, spread",
            "ratio",
            "none",
            "Deviation over time of the opening, over that of the reference: 1 moves as much, less "
            "mumbles.",
        ),
    )

    def start(self, clip: ClipFacts) -> None:
        """Forget the frames of another clip."""
        self._openings = (Track(clip.num_frames), Track(clip.num_frames))

    def update(self, chunk: Chunk) -> None:
        """Take in the next frames of both."""
        for openings, view in zip(self._openings, (chunk.generated, chunk.reference), strict=True):
            openings.add(lip_opening_curve(landmarks_of(view)))

    def finish(self) -> dict[str, float]:
        """Return the values."""
        generated_T, reference_T = (openings.rows for openings in self._openings)
        return {
            "lip_correlation": float(curve_correlation(generated_T, reference_T)),
            "lip_lag": float(best_lag(generated_T, reference_T).frames),
            "lip_spread": float(spread_ratio(generated_T, reference_T)),
        }


class LipLevel(VideoMeasure):
    """Lip opening of one video, with its curve."""

    needs = _LANDMARKS
    quantities = (
        Quantity(
            "lip_opening",
            "Lip opening",
            "ratio",
            "reference",
            "Mean over frames of the inner gap of the lips over their inner width.",
        ),
    )

    def start(self, clip: ClipFacts) -> None:
        """Forget the frames of another clip."""
        self._opening: list[float] = []

    def update(self, view: View) -> None:
        """Take in the next frames."""
        self._opening += lip_opening_curve(landmarks_of(view)).tolist()

    def finish(self) -> dict[str, float]:
        """Return the mean."""
        return {"lip_opening": mean(self._opening)}

    def curves(self) -> Mapping[str, Sequence[float]]:
        """Return the opening of each frame."""
        return {"lip opening": self._opening}
