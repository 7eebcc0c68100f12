"""Means over real frames, the same however a batch is spread over processes."""

from torch import Tensor


def frame_mean(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Return the mean over each sample's real frames, then over samples.

    Samples count alike whatever their length: a mean over all frames of a batch would depend on
    which samples share it. A sample without real frames counts as zero.
    """
    weight_BT = mask_BT.to(values_BT)
    return ((values_BT * weight_BT).sum(1) / weight_BT.sum(1).clamp(min=1)).mean()


def squared_error(predicted_BTC: Tensor, target_BTC: Tensor, mask_BT: Tensor) -> Tensor:
    """Return the squared error, averaged over channels, real frames and samples."""
    return frame_mean((predicted_BTC - target_BTC).square().mean(-1), mask_BT)
