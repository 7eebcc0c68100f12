"""Where the time of a run goes: frames per second, of all and of each measure."""

from collections import defaultdict

from viseme_core.types import FPS
from viseme_eval.functional.speed import Stopwatch, real_time_factor

# What takes less than this share of the time is not worth a word.
_LEAST_SHARE = 0.01


class Throughput:
    """Adds up time by step over the clips of a run.

    It stands in no report: the same clips give the same report however long they took.
    """

    def __init__(self) -> None:
        self.total = Stopwatch()
        """Runs while clips are measured."""
        self.num_frames = 0
        """Frames that were compared, each once although both videos have it."""
        self._steps: defaultdict[str, Stopwatch] = defaultdict(Stopwatch)

    def step(self, name: str) -> Stopwatch:
        """Return the stopwatch of a step, to be used as a context; steps are not nested."""
        return self._steps[name]

    def summary(self) -> str:
        """Return a sentence for the terminal; empty if nothing was measured."""
        if not self.num_frames or not self.total.seconds:
            return ""
        video_sec, wall_sec = self.num_frames / FPS, self.total.seconds
        slow = sorted(self._steps.items(), key=lambda step: -step[1].seconds)
        parts = [
            f"{name} {self.num_frames / watch.seconds:.3g}"
            for name, watch in slow
            if watch.seconds >= _LEAST_SHARE * wall_sec
        ]
        return (
            f"{video_sec:.1f} s of video in {wall_sec:.1f} s, "
            f"{real_time_factor(video_sec, wall_sec):.3g} times real time, "
            f"{self.num_frames / wall_sec:.3g} pairs of frames a second; alone, slowest first, a "
            f"shared network with the first measure that asks: {', '.join(parts)}"
        )
