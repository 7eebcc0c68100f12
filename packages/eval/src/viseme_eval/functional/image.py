"""Pixel-level likeness of frames: PSNR and SSIM, of whole faces, lower halves, or under a mask.

Both compare frame by frame, as the papers do: FD2Talk Table 1, DisentTalk Table I (PSNR alone),
TalkFormer Tables I to III, ImagineID Table 2. None says of which region; `lower` is the lower half
of the crop, where mouth and jaw are.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from viseme_core.shapes import check_shape
from viseme_eval.functional.threads import on_one_thread

Region = Literal["whole", "lower"]
"""Part of a frame that a metric looks at."""

# Of [-1, 1].
_RANGE = 2.0
# Networks overshoot; beyond this, frames are in another unit.
_FAR = 1.5
# Wang et al. 2004: Gaussian of 1.5 px; 3.5 deviations to either side, as scikit-image cuts it.
_SIGMA_PX, _RADIUS = 1.5, 5
_K1, _K2 = 0.01, 0.03


def lower_half(frames: Tensor) -> Tensor:
    """Return the lower half of frames or masks (..., H, W): rows from H // 2 on, a view."""
    return frames[..., frames.shape[-2] // 2 :, :]


def region_of(frames: Tensor, region: Region, *, name: str = "frames") -> Tensor:
    """Return the part of frames that a metric looks at, at least in single precision.

    Args:
        frames: (T, 3, H, W) RGB in [-1, 1].
        region: `whole`, or `lower` for the lower half.
        name: What the caller calls the frames; it starts the error.

    Raises:
        ValueError: If they are no such frames, hold NaN, or there is no such region.
    """
    check_shape(frames, "T 3 H W", name=name)
    if not frames.is_floating_point():
        raise ValueError(
            f"{name} must be floating point in [-1, 1], got {frames.dtype}; "
            f"8-bit levels become frames by x / 127.5 - 1"
        )
    if frames.numel():
        low, high = (float(x) for x in frames.detach().aminmax())
        # NaN fails as well.
        if not (low >= -_FAR and high <= _FAR):
            raise ValueError(
                f"{name} must be in [-1, 1], got values from {low:.4g} to {high:.4g}; "
                f"8-bit levels become frames by x / 127.5 - 1"
            )
    frames = frames.to(torch.promote_types(frames.dtype, torch.float32))
    return _crop(frames, region)


def _crop(pictures: Tensor, region: Region) -> Tensor:
    if region not in get_args(Region):
        raise ValueError(f"region must be one of {get_args(Region)}, got {region!r}")
    return lower_half(pictures) if region == "lower" else pictures


def psnr(
    generated: Tensor, reference: Tensor, *, region: Region = "whole", mask: Tensor | None = None
) -> Tensor:
    """Return the peak signal-to-noise ratio of every frame, in dB; higher is better.

    10 log10(2^2 / MSE), MSE over the three channels and all pixels of the frame, 2 the range of
    values. Infinite where frames are equal. The papers report its mean over frames.

    Args:
        generated: (T, 3, H, W) RGB in [-1, 1].
        reference: Likewise, of the same size.
        region: What to compare.
        mask: Weights of pixels, (H, W) or (T, H, W), at least 0; MSE is then their weighted mean.

    Returns:
        (T,), float64.

    Raises:
        ValueError: If shapes disagree, or a mask leaves nothing of a frame.
    """
    generated, reference = _checked_pair(generated, reference, region)
    weights = _checked_mask(mask, generated, region)
    generated, reference = generated.double(), reference.double()
    if weights is None:
        return _psnr_of(generated, reference)
    # The squared error of weighted frames, per pixel of the frame rather than of the mask.
    root = weights.sqrt()[:, None]
    ratio = _psnr_of(generated * root, reference * root)
    return ratio + 10 * weights.mean((1, 2)).log10()


def _psnr_of(generated: Tensor, reference: Tensor) -> Tensor:
    if len(generated) == 0:
        return generated.new_zeros(0)
    # Not at the top: torchmetrics loads all that it can use, torchvision and matplotlib included.
    from torchmetrics.functional.image import peak_signal_noise_ratio

    return peak_signal_noise_ratio(
        generated, reference, data_range=_RANGE, dim=(1, 2, 3), reduction="none"
    )


def ssim(
    generated: Tensor, reference: Tensor, *, region: Region = "whole", mask: Tensor | None = None
) -> Tensor:
    """Return the structural similarity of every frame, at most 1; higher is better.

    Wang et al. 2004: (2 m_x m_y + C1) (2 s_xy + C2) / ((m_x^2 + m_y^2 + C1) (s_x^2 + s_y^2 + C2)),
    moments under a Gaussian of 1.5 px, C1 = (0.01 R)^2, C2 = (0.03 R)^2 for range R, of each
    channel by itself, averaged over channels and over all pixels whose window lies inside.

    That is scikit-image's with `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`.
    torchmetrics gives the same map but averages its reflected border in, and takes many times as
    long, so it is the reference in tests and not what computes here.

    Args:
        generated: (T, 3, H, W) RGB in [-1, 1], at least 11 px high and wide after cropping.
        reference: Likewise, of the same size.
        region: What to compare, as pictures of their own.
        mask: Weights of pixels, (H, W) or (T, H, W), at least 0, for a weighted mean of the map.

    Returns:
        (T,), float64.

    Raises:
        ValueError: If shapes disagree, frames are too small, or a mask leaves nothing of a frame.
    """
    generated, reference = _checked_pair(generated, reference, region)
    window = 2 * _RADIUS + 1
    if min(generated.shape[-2:]) < window:
        raise ValueError(
            f"SSIM needs pictures of at least {window} x {window} px, got {region} frames of "
            f"{generated.shape[-2]} x {generated.shape[-1]}"
        )
    weights = _checked_mask(mask, generated, region, border=_RADIUS)
    # One frame at a time stays in a processor's caches, which matters more than anything else.
    step = 1 if generated.device.type == "cpu" else 32
    means = []
    with on_one_thread(generated):
        for start in range(0, len(generated), step):
            part = slice(start, start + step)
            likeness = _ssim_map(generated[part], reference[part]).mean(1, dtype=torch.float64)
            if weights is not None:
                likeness = likeness * weights[part] / weights[part].mean((1, 2), keepdim=True)
            means.append(likeness.mean((1, 2)))
    return torch.cat(means) if means else generated.new_zeros(0, dtype=torch.float64)


def _checked_pair(generated: Tensor, reference: Tensor, region: Region) -> tuple[Tensor, Tensor]:
    """Return the region of two runs of frames that match."""
    sizes = check_shape(generated, "T 3 H W", name="generated")
    check_shape(reference, "T 3 H W", name="reference", sizes=sizes)
    return (
        region_of(generated, region, name="generated"),
        region_of(reference, region, name="reference"),
    )


def _checked_mask(
    mask: Tensor | None, frames: Tensor, region: Region, *, border: int = 0
) -> Tensor | None:
    """Return weights (T, H, W) in float64 of the region less its border, None if all count."""
    if mask is None:
        return None
    num_frames, height, width = len(frames), *frames.shape[-2:]
    weights = _crop(mask.double(), region)
    if weights.shape not in ((height, width), (num_frames, height, width)):
        raise ValueError(
            f"mask must have shape (H, W) or (T, H, W) of the frames, which gives "
            f"{(num_frames, height, width)} in the {region} region, got {tuple(weights.shape)}"
        )
    weights = weights.expand(num_frames, height, width)
    weights = weights[:, border : height - border, border : width - border]
    if not (weights.isfinite().all() and (weights >= 0).all()):
        raise ValueError("mask must be finite and at least 0; 0 leaves a pixel out")
    is_empty = ~(weights > 0).flatten(1).any(1)
    if is_empty.any():
        raise ValueError(
            f"mask leaves nothing of frame {int(is_empty.nonzero()[0])} in the {region} region; "
            f"leave such frames out"
        )
    return weights


def _ssim_map(generated: Tensor, reference: Tensor) -> Tensor:
    """Return the map of every channel, 5 px smaller at each side."""
    # From 0 to 1: the luminance term counts from black.
    x, y = (generated + 1) / _RANGE, (reference + 1) / _RANGE
    c1, c2 = _K1**2, _K2**2
    mean_x, mean_y = _smooth(x), _smooth(y)
    product = mean_x * mean_y
    squares = mean_x * mean_x + mean_y * mean_y
    # Only the sum of the variances enters, so that four filtered maps do.
    covariance = _smooth(x * y) - product
    variances = _smooth(x * x + y * y) - squares
    return ((2 * product + c1) * (2 * covariance + c2)) / ((squares + c1) * (variances + c2))


def _smooth(pictures: Tensor) -> Tensor:
    """Return pictures under the Gaussian, where it lies inside them."""
    offsets = torch.arange(-_RADIUS, _RADIUS + 1, dtype=torch.float64)
    weights = (-0.5 * (offsets / _SIGMA_PX) ** 2).exp()
    weights = (weights / weights.sum()).tolist()
    for axis in (-2, -1):
        size = pictures.shape[axis] - 2 * _RADIUS
        smooth = pictures.narrow(axis, _RADIUS, size) * weights[_RADIUS]
        for k in range(_RADIUS):
            pair = pictures.narrow(axis, k, size) + pictures.narrow(axis, 2 * _RADIUS - k, size)
            smooth = smooth.add_(pair, alpha=weights[k])
        pictures = smooth
    return pictures
