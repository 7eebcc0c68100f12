"""Seeded noise for living faces: smooth, slow, and the same for the same seed."""

import torch
from torch import Tensor

from viseme_core.draws import Draws


def smooth_noise(
    draws: Draws, name: str, num_frames: int, fps: float, period_sec: float, *shape: int
) -> Tensor:
    """Return noise of mean 0 and deviation 1 that turns about once per `period_sec`.

    White noise under a Gaussian whose width is a sixth of the period.

    Args:
        draws: Draws of one sample.
        name: Name of the draw.
        num_frames: T.
        fps: Frames per second.
        period_sec: How slow it is.
        shape: Of each frame.

    Returns:
        float64, shape (T, *shape).
    """
    width = period_sec / 6 * fps
    kernel = gaussian_kernel(width)
    margin = len(kernel) // 2
    white = draws.normal(name, num_frames + 2 * margin, *shape)[0].double()
    return _filtered(white, kernel) / kernel.square().sum().sqrt()


def smoothed(values_TX: Tensor, width_frames: float) -> Tensor:
    """Return signals (T, ...) under a Gaussian of a deviation in frames, ends repeated."""
    if width_frames <= 0 or len(values_TX) < 2:
        return values_TX.clone()
    kernel = gaussian_kernel(width_frames).to(values_TX)
    margin = len(kernel) // 2
    first, last = (values_TX[row].expand(margin, *values_TX.shape[1:]) for row in (0, -1))
    padded = torch.cat([first, values_TX, last])
    return _filtered(padded, kernel)


def gaussian_kernel(width_frames: float) -> Tensor:
    """Return a Gaussian of a deviation in frames, cut at three, its sum 1."""
    margin = max(1, round(3 * width_frames))
    places = torch.arange(-margin, margin + 1, dtype=torch.float64)
    kernel = torch.exp(-((places / width_frames) ** 2) / 2)
    return kernel / kernel.sum()


def _filtered(padded_TX: Tensor, kernel: Tensor) -> Tensor:
    flat = padded_TX.flatten(1) if padded_TX.ndim > 1 else padded_TX[:, None]
    out = torch.nn.functional.conv1d(flat.T[:, None], kernel[None, None])[:, 0].T
    return out.reshape(-1, *padded_TX.shape[1:])
