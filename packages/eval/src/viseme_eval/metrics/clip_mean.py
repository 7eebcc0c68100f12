"""The mean over clips, which most metrics of a test set are, over any number of processes."""

import torch
from torch import Tensor
from torchmetrics import Metric


class ClipMean(Metric):
    """Base of metrics that are a mean over clips, every clip counting once.

    A subclass computes one number for the clip that `update` is given and hands it to `take`.
    Clips whose number is NaN, because the metric is not defined there, are left out and counted
    in `skipped`. Called as a function, a metric returns the number of that clip alone.

    States are sums in float64, so that the mean does not depend on the order of clips or on how
    they are spread over processes beyond the last bits of a double.
    """

    is_differentiable = False
    full_state_update = False
    higher_is_better: bool | None = None

    total: Tensor
    count: Tensor
    skipped: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("skipped", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def take(self, value: Tensor | float) -> None:
        """Count one clip's number, or that it has none."""
        value = torch.as_tensor(value, dtype=torch.float64, device=self.total.device).detach()
        is_defined = ~value.isnan()
        self.total += torch.where(is_defined, value, 0.0)
        self.count += is_defined
        self.skipped += ~is_defined

    def compute(self) -> Tensor:
        """Return the mean over clips that have a number, float64; NaN if none has."""
        return self.total / self.count
