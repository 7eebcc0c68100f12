"""PSNR and SSIM against scikit-image and torchmetrics on a real face, their regions and masks."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from tests.eval.pictures import as_picture, face, noisy
from viseme_eval.functional.image import Region, lower_half, psnr, ssim

UNKNOWN: Any = "upper"
REGIONS: tuple[Region, ...] = ("whole", "lower")
# In dB; torchmetrics takes the logarithms of its constants in single precision.
_LOG_TOLERANCE = 1e-5


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    reference = face()
    generated = noisy(reference, (4, 15, 40))
    return generated, reference.expand_as(generated)


def test_lower_half_starts_at_the_middle_row() -> None:
    rows = torch.arange(5.0)[:, None].expand(2, 3, 5, 4)
    assert lower_half(rows)[0, 0, :, 0].tolist() == [2, 3, 4]
    assert lower_half(rows[..., :4, :])[0, 0, :, 0].tolist() == [2, 3]


@pytest.mark.parametrize("region", REGIONS)
def test_psnr_is_that_of_scikit_image(pair: tuple[Tensor, Tensor], region: Region) -> None:
    half = slice(64 if region == "lower" else 0, None)
    expected = [
        peak_signal_noise_ratio(as_picture(y)[half], as_picture(x)[half], data_range=255)
        for x, y in zip(*pair, strict=True)
    ]
    # Frames hold 8-bit levels in single precision.
    assert psnr(*pair, region=region).tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("region", REGIONS)
def test_ssim_is_that_of_scikit_image(pair: tuple[Tensor, Tensor], region: Region) -> None:
    half = slice(64 if region == "lower" else 0, None)
    expected = [
        structural_similarity(
            as_picture(x)[half],
            as_picture(y)[half],
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
            channel_axis=2,
        )
        for x, y in zip(*pair, strict=True)
    ]
    # Variances in single precision against scikit-image's in double.
    assert ssim(*pair, region=region).tolist() == pytest.approx(expected, abs=2e-6)


def test_ssim_is_the_map_of_torchmetrics_without_its_reflected_border(
    pair: tuple[Tensor, Tensor],
) -> None:
    generated, reference = ((x.double() + 1) / 2 for x in pair)
    _, maps = structural_similarity_index_measure(
        generated, reference, data_range=1.0, reduction="none", return_full_image=True
    )
    expected = maps[..., 5:-5, 5:-5].mean((1, 2, 3))
    generated, reference = (x.double() for x in pair)
    torch.testing.assert_close(ssim(generated, reference), expected, rtol=0, atol=1e-9)


def test_equal_frames_have_infinite_psnr_and_ssim_of_one() -> None:
    frames = face()
    assert psnr(frames, frames).tolist() == [torch.inf]
    assert ssim(frames, frames).tolist() == pytest.approx([1.0], abs=1e-6)


def test_a_mask_counts_its_pixels_only(pair: tuple[Tensor, Tensor]) -> None:
    generated, reference = pair
    mask = torch.zeros(128, 128)
    mask[70:100, 30:90] = 1
    spoiled = torch.where(mask > 0, generated, -generated)
    box = generated[..., 70:100, 30:90], reference[..., 70:100, 30:90]
    for region in REGIONS:
        got = psnr(spoiled, reference, mask=mask, region=region)
        torch.testing.assert_close(got, psnr(*box), rtol=0, atol=_LOG_TOLERANCE)
    # SSIM of a pixel looks 5 px around it.
    around = torch.zeros(128, 128)
    around[65:105, 25:95] = 1
    spoiled = torch.where(around > 0, generated, -generated)
    larger = generated[..., 65:105, 25:95], reference[..., 65:105, 25:95]
    for region in REGIONS:
        got = ssim(spoiled, reference, mask=mask, region=region)
        torch.testing.assert_close(got, ssim(*larger), rtol=0, atol=1e-6)


def test_a_mask_weighs_pixels_of_each_frame(pair: tuple[Tensor, Tensor]) -> None:
    generated, reference = pair
    mask = torch.rand(3, 128, 128)
    error = (generated - reference).double().square().mean(1)
    expected = 10 * (4 / ((error * mask).sum((1, 2)) / mask.double().sum((1, 2)))).log10()
    got = psnr(generated, reference, mask=mask)
    torch.testing.assert_close(got, expected, rtol=0, atol=_LOG_TOLERANCE)
    even = torch.full((3, 128, 128), 0.3)
    for metric in (psnr, ssim):
        with_mask, without = metric(*pair, mask=even), metric(*pair)
        torch.testing.assert_close(with_mask, without, rtol=0, atol=_LOG_TOLERANCE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, y: psnr(x[:2], y), "reference must have shape"),
        (lambda x, y: ssim(x, y[..., 1:, :]), "reference must have shape"),
        (lambda x, y: psnr(x * 255, y), r"generated must be in \[-1, 1\]"),
        (lambda x, y: ssim(x, y * torch.nan), r"reference must be in \[-1, 1\]"),
        (lambda x, y: psnr(x.byte(), y), "generated must be floating point"),
        (lambda x, y: psnr(x, y, region=UNKNOWN), "region must be one of"),
        (lambda x, y: ssim(x[..., :20, :], y[..., :20, :], region="lower"), "at least 11 x 11"),
        (lambda x, y: psnr(x, y, mask=torch.ones(64, 128)), "mask must have shape"),
        (lambda x, y: psnr(x, y, mask=-torch.ones(128, 128)), "mask must be finite"),
        (lambda x, y: ssim(x, y, mask=torch.zeros(128, 128)), "nothing of frame 0"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    change: Callable[[Tensor, Tensor], Tensor], words: str
) -> None:
    generated, reference = face().expand(3, -1, -1, -1), face().expand(3, -1, -1, -1)
    with pytest.raises(ValueError, match=words):
        change(generated, reference)
