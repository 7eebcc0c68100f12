"""The trainer of every audio-motion expert: lip experts, parameter-level experts, sync networks.

A stage derives from `ExpertModule`, builds its two encoders and says in `pair` what they see of a
batch. Everything else (windows, negatives, loss, accuracy, lag curve) is shared.
"""

from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from viseme_core.draws import Draws
from viseme_core.train.module import StageModule
from viseme_core.train.optim import OptimConfig

MAX_LAG = 15
"""Frames to either side that the lag curve of a validation batch shows."""


class ExpertModule(StageModule):
    """Trains a `ContrastiveExpert` and shows how well it tells lags apart.

    Args:
        expert: The `ContrastiveExpert`, or a module around one with its `loss`, its `lag_curve` and
            `config.window`; it sees what `pair` returns.
        config: The stage's config dataclass.
        optim: Optimizer and schedule.
    """

    def __init__(self, expert: nn.Module, config: Any, optim: OptimConfig) -> None:
        super().__init__(expert, config, optim)

    def pair(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Return motion (B, T, ...) and audio (B, T, ...) features of a batch, frame by frame."""
        raise TypeError(f"{type(self).__name__} must define pair()")

    def losses(self, batch: Any, draws: Draws) -> dict[str, Tensor]:
        """Return loss and accuracy of one random window per sample."""
        return self.model.loss(*self.pair(batch), draws)

    def samples(self, batch: Any) -> dict[str, Figure]:
        """Return the curve of mean cosine over lags, for TensorBoard."""
        motion, audio = self.pair(batch)
        max_lag = min(MAX_LAG, motion.shape[1] - self.model.config.window)
        curve = self.model.lag_curve(motion, audio, max_lag).mean(0)
        return {"val/lag_curve": plot_lag_curve(curve)}


def plot_lag_curve(curve_L: Tensor) -> Figure:
    """Return a plot of a lag curve (2 max_lag + 1,); right of zero the mouth comes later."""
    max_lag = len(curve_L) // 2
    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(torch.arange(-max_lag, max_lag + 1).tolist(), curve_L.float().cpu().tolist())
    axes.axvline(0, color="0.7", linewidth=1, zorder=0)
    axes.set_xlabel("frames that the mouth comes later than the sound")
    axes.set_ylabel("mean cosine")
    return figure
