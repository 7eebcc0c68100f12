"""Eyes: how open, and how often they blink."""

from collections.abc import Mapping, Sequence

from viseme_eval.functional.blinks import blink_rate
from viseme_eval.functional.landmark import eye_aspect_ratio_curve
from viseme_eval.run.measure import ClipFacts, Need, Quantity, VideoMeasure, View
from viseme_eval.run.measures.landmark import landmarks_of
from viseme_eval.run.measures.per_frame import Track, mean

_NEEDS: frozenset[Need] = frozenset({"landmarks"})


class Eyes(VideoMeasure):
    """Eye aspect ratio and blinks."""

    needs = _NEEDS
    quantities = (
        Quantity(
            "blink_rate",
            "Blink",
            "1/s",
            "reference",
            "Blinks per second of known eyes, dips of the eye aspect ratio; people talking blink "
            "0.28 to 0.45 times a second. Nothing is said of clips shorter than a second.",
        ),
        Quantity(
            "eye_aspect_ratio",
            "Eye aspect ratio",
            "ratio",
            "reference",
            "Mean over frames and both eyes of height over width (Soukupova and Cech, 2016; "
            "DisentTalk Fig. 5): about 0.3 where open.",
        ),
    )

    def start(self, clip: ClipFacts) -> None:
        """Forget the frames of another clip."""
        self._ratios = Track(clip.num_frames)

    def update(self, view: View) -> None:
        """Take in the next frames."""
        self._ratios.add(eye_aspect_ratio_curve(landmarks_of(view)))

    def finish(self) -> dict[str, float]:
        """Return the values."""
        ratio_T2 = self._ratios.rows
        self._curve = ratio_T2.nanmean(1).tolist()
        return {
            "blink_rate": float(blink_rate(ratio_T2)),
            "eye_aspect_ratio": mean(self._curve),
        }

    def curves(self) -> Mapping[str, Sequence[float]]:
        """Return the mean of both eyes in each frame."""
        return {"eye aspect ratio": self._curve}
