"""How often people blink, over a set of clips. One `update` a clip."""

from viseme_core.types import FPS, Landmarks
from viseme_eval.functional.blinks import MIN_DEPTH, blink_rate
from viseme_eval.functional.landmark import eye_aspect_ratio_curve
from viseme_eval.metrics.clip_mean import ClipMean


class BlinkRate(ClipMean):
    """Mean over clips of blinks per second (DisentTalk Tables I, II and IV).

    Neither more nor less is better: the nearer to that of people, or of the real clips, the better.

    Args:
        fps: Frames per second.
        min_depth: Share of the way from open to shut that counts as a blink.
    """

    def __init__(self, *, fps: float = FPS, min_depth: float = MIN_DEPTH) -> None:
        super().__init__()
        self.fps = fps
        self.min_depth = min_depth

    def update(self, landmarks: Landmarks) -> None:
        """Count one clip's landmarks."""
        curve_TE = eye_aspect_ratio_curve(landmarks)
        self.take(blink_rate(curve_TE, fps=self.fps, min_depth=self.min_depth))
