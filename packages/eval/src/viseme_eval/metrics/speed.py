"""How fast video is made, over a set of clips."""

import torch
from torch import Tensor
from torchmetrics import Metric


class RealTimeFactor(Metric):
    """Seconds of video over seconds of wall time, of all clips together; more is better.

    Not a mean over clips: long clips count for more, as their waiting does. Over several processes
    it is the factor of one process, because their times add up though they pass side by side.
    """

    is_differentiable = False
    full_state_update = False
    higher_is_better = True

    video_sec: Tensor
    wall_sec: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("video_sec", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("wall_sec", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, video_sec: float, wall_sec: float) -> None:
        """Count one clip's length and how long it took to make."""
        if not (video_sec >= 0 and wall_sec >= 0):
            raise ValueError(
                f"video_sec and wall_sec must not be negative, got {video_sec} and {wall_sec}"
            )
        self.video_sec += video_sec
        self.wall_sec += wall_sec

    def compute(self) -> Tensor:
        """Return the factor, float64; NaN where no time passed."""
        is_timed = self.wall_sec > 0
        return torch.where(is_timed, self.video_sec / self.wall_sec, torch.nan)
