"""The mean over frames of many clips that come in pieces, over any number of processes."""

from typing import Literal, get_args

import torch
from torch import Tensor
from torchmetrics import Metric

Average = Literal["frames", "clips", "none"]
"""What a metric over frames gives: their mean, the mean of clips' means, or those, one by one."""


class FrameMean(Metric):
    """Base of metrics that are a mean over frames.

    A subclass computes a number for every frame that `update` is given and hands them to `take`.
    Per clip there are a sum and a count in float64, so that memory does not grow with the length
    of clips, and results depend on batch size and number of processes only in the last bits of a
    double. A clip may be spread over updates and processes.

    Args:
        average: `frames` counts every frame alike, `clips` every clip; `none` is the means (N,) of
            clips in the order of their numbers.
    """

    is_differentiable = False
    full_state_update: bool | None = False
    higher_is_better: bool | None = None

    rows: list[Tensor]

    def __init__(self, *, average: Average = "frames") -> None:
        super().__init__()
        if average not in get_args(Average):
            raise ValueError(f"average must be one of {get_args(Average)}, got {average!r}")
        self.average = average
        # Number, sum and count of clip after clip, flat: what a process without any frame sends
        # to the others is then of the right shape, and with this also of the right type.
        self.set_dtype(torch.float64)
        self.add_state("rows", [], dist_reduce_fx="cat")

    def take(self, values_T: Tensor, clip: int | Tensor = 0) -> None:
        """Count frames' numbers for the clip they belong to.

        Args:
            values_T: A number for every frame.
            clip: Number of the clip, for all frames or (T,) for each.

        Raises:
            ValueError: If `clip` has another shape, or a number is NaN.
        """
        values_T = values_T.detach().to(self.device, torch.float64)
        if values_T.isnan().any():
            raise ValueError(
                f"{type(self).__name__} of frame {int(values_T.isnan().nonzero()[0])} of this "
                f"update is NaN; check the frames for NaN, leave broken ones out"
            )
        clip_T = torch.as_tensor(clip, device=values_T.device)
        if clip_T.shape not in (torch.Size(), values_T.shape):
            raise ValueError(
                f"clip must be one number or one for each of {len(values_T)} frames, got shape "
                f"{tuple(clip_T.shape)}"
            )
        clip_T = clip_T.expand(len(values_T)).double()
        new = torch.stack([clip_T, values_T, torch.ones_like(values_T)], 1)
        self.rows = [_merged([*self.rows, new.flatten()]).flatten()]

    def compute(self) -> Tensor:
        """Return the mean as `average` says, float64.

        Raises:
            ValueError: If there are no frames.
        """
        rows = _merged(self.rows)
        if len(rows) == 0:
            raise ValueError(f"{type(self).__name__} has no frames; call update first")
        means = rows[:, 1] / rows[:, 2]
        if self.average == "none":
            return means
        return means.mean() if self.average == "clips" else rows[:, 1].sum() / rows[:, 2].sum()


def _merged(rows: list[Tensor] | Tensor) -> Tensor:
    """Return a row (number, sum, count) for every clip, by number."""
    # After the processes have met, torchmetrics leaves one tensor in place of the list.
    parts = [rows] if isinstance(rows, Tensor) else rows
    if not parts:
        return torch.zeros(0, 3, dtype=torch.float64)
    flat = torch.cat(parts).view(-1, 3)
    clips, place = flat[:, 0].unique(return_inverse=True)
    sums = flat.new_zeros(len(clips), 2).index_add_(0, place, flat[:, 1:])
    return torch.cat([clips[:, None], sums], 1)
