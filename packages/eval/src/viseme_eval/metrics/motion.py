"""Head motion and jitter over a set of clips. One `update` a clip."""

from torch import Tensor

from viseme_core.types import FPS, SAMPLE_RATE_HZ
from viseme_eval.functional.beats import (
    SIGMA_FRAMES,
    SMOOTHING_FRAMES,
    audio_beats,
    beat_align,
    motion_beats,
)
from viseme_eval.functional.motion import (
    JITTER_HZ,
    high_frequency_share,
    motion_diversity,
    pose_diversity,
    third_difference,
)
from viseme_eval.metrics.clip_mean import ClipMean


class MotionDiversity(ClipMean):
    """Mean over clips of the deviation of head-motion features, as Hopenet's; more is better.

    FD2Talk Table 1; formula and unit in `motion_diversity`.
    """

    higher_is_better = True

    def update(self, features_TC: Tensor) -> None:
        """Count one clip's features (T, C)."""
        self.take(motion_diversity(features_TC))


class PoseDiversity(ClipMean):
    """Mean over clips of the deviation of fitted head angles, in degrees; more is better."""

    higher_is_better = True

    def update(self, pose_TC: Tensor) -> None:
        """Count one clip's poses (T, 6) or angles (T, 3), in radians."""
        self.take(pose_diversity(pose_TC))


class BeatAlign(ClipMean):
    """Mean over clips of the Beat Align Score of head motion; more is better.

    FD2Talk Table 1; formula in `beat_align`. Clips without a beat of sound or motion are skipped.

    Args:
        fps: Frames per second of the motion.
        sigma_frames: Deviation of the kernel, in frames.
        smoothing_frames: Deviation of the Gaussian that speed is smoothed with, in frames.
        rate_hz: Samples per second of the sound.
    """

    higher_is_better = True

    def __init__(
        self,
        *,
        fps: float = FPS,
        sigma_frames: float = SIGMA_FRAMES,
        smoothing_frames: float = SMOOTHING_FRAMES,
        rate_hz: int = SAMPLE_RATE_HZ,
    ) -> None:
        super().__init__()
        self.fps = fps
        self.sigma_frames = sigma_frames
        self.smoothing_frames = smoothing_frames
        self.rate_hz = rate_hz

    def update(self, audio_S: Tensor, features_TC: Tensor) -> None:
        """Count one clip's sound (S,) and its head motion (T, C), angles in one unit."""
        moves_N = motion_beats(features_TC, fps=self.fps, smoothing_frames=self.smoothing_frames)
        sounds_N = audio_beats(audio_S, rate_hz=self.rate_hz).to(moves_N.device)
        self.take(beat_align(sounds_N, moves_N, sigma_sec=self.sigma_frames / self.fps))


class HighFrequencyShare(ClipMean):
    """Mean over clips of the share of power above 8 Hz; less is better.

    Args:
        fps: Frames per second.
        cutoff_hz: What counts as jitter.
    """

    higher_is_better = False

    def __init__(self, *, fps: float = FPS, cutoff_hz: float = JITTER_HZ) -> None:
        super().__init__()
        self.fps = fps
        self.cutoff_hz = cutoff_hz

    def update(self, curves_TC: Tensor) -> None:
        """Count one clip's curves (T, C)."""
        self.take(high_frequency_share(curves_TC, fps=self.fps, cutoff_hz=self.cutoff_hz))


class ThirdDifference(ClipMean):
    """Mean over clips of the length of third differences of points; less is better."""

    higher_is_better = False

    def update(self, points_TKD: Tensor) -> None:
        """Count one clip's points (T, K, D)."""
        self.take(third_difference(points_TKD))
