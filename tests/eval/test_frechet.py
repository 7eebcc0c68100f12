"""FID's formula against scipy's matrix square root and torchmetrics, and sums over parts."""

import warnings

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from viseme_eval.functional.frechet import (
    FeatureMoments,
    frechet_distance,
    frechet_of_moments,
)
from viseme_eval.metrics.frechet import FID, FrechetDistance


class Grid(nn.Module):
    """Twelve features: the mean colours of a frame's quarters."""

    num_features = 12

    def forward(self, frames: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(frames, 2).flatten(1)


def published_formula(generated: np.ndarray, real: np.ndarray) -> float:
    """Return the distance as pytorch-fid's formula has it, by scipy's square root."""
    mean_1, mean_2 = generated.mean(0), real.mean(0)
    cov_1, cov_2 = np.cov(generated, rowvar=False), np.cov(real, rowvar=False)
    root = np.asarray(scipy.linalg.sqrtm(cov_1 @ cov_2)).real
    return float(((mean_1 - mean_2) ** 2).sum() + np.trace(cov_1 + cov_2 - 2 * root))


def features(num: int, width: int, seed: int) -> Tensor:
    """Return features whose components depend on each other and have unlike scales."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=generator)
    scales = torch.logspace(-2, 1, width)
    return torch.randn(num, width, generator=generator).relu() @ mixing * scales + seed


@pytest.mark.parametrize("width", [2, 8, 64])
def test_distance_is_that_of_the_published_formula(width: int) -> None:
    a, b = features(300, width, 1), features(500, width, 2)
    expected = published_formula(*(x.double().numpy() for x in (a, b)))
    got = frechet_of_moments(FeatureMoments.of(a), FeatureMoments.of(b))
    assert got.dtype == torch.float64
    assert got.item() == pytest.approx(expected, rel=1e-8)


def test_distance_of_known_distributions() -> None:
    zero, one = torch.zeros(4), torch.eye(4)
    shift = torch.tensor([3.0, 0, 4, 0])
    assert frechet_distance(shift, one, zero, one).item() == pytest.approx(25)
    assert frechet_distance(zero, 9 * one, zero, one).item() == pytest.approx(4 * (3 - 1) ** 2)
    # Singular ones: lines at right angles share nothing.
    across, along = torch.diag(torch.tensor([4.0, 0, 0, 0])), torch.diag(shift)
    assert frechet_distance(zero, across, zero, across).item() == pytest.approx(0, abs=1e-12)
    expected = 4 + 7 - 2 * (4 * 3) ** 0.5
    assert frechet_distance(zero, across, zero, along).item() == pytest.approx(expected)


def test_sums_of_parts_are_those_of_the_whole() -> None:
    whole = features(101, 6, 3)
    parts = [FeatureMoments.of(x) for x in whole.split(7)]
    total = sum(parts[1:], parts[0])
    assert total.count == 101
    np.testing.assert_allclose(total.mean, whole.double().numpy().mean(0), rtol=1e-12)
    expected = np.cov(whole.double().numpy(), rowvar=False)
    np.testing.assert_allclose(total.covariance, expected, rtol=1e-9, atol=1e-12)


def frames(num: int, seed: int) -> Tensor:
    """Return frames of 8-bit levels whose colours vary."""
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(num, 3, 2, 2, generator=generator) * 0.3 + 0.1 * seed
    big = nn.functional.interpolate(base, (16, 16), mode="bilinear").clamp(-1, 1)
    return ((big + 1) * 127.5).round() / 127.5 - 1


def as_levels(some: Tensor) -> Tensor:
    """Return frames as torchmetrics wants them."""
    return ((some + 1) * 127.5).round().byte()


def test_metric_is_that_of_torchmetrics_with_the_same_network() -> None:
    class OnLevels(Grid):
        """Takes what torchmetrics hands on: 8-bit levels."""

        def forward(self, frames: Tensor) -> Tensor:
            return super().forward(frames.float() / 127.5 - 1)

    generated, real = frames(60, 1), frames(80, 2)
    ours = FrechetDistance(Grid(), 12)
    with warnings.catch_warnings():
        # It wants a batch of its own choice through the network to learn its width.
        warnings.simplefilter("ignore")
        theirs = FrechetInceptionDistance(OnLevels(), input_img_size=(3, 16, 16))
    theirs.set_dtype(torch.float64)
    for some in generated.split(13):
        ours.update(some, side="generated")
        theirs.update(as_levels(some), real=False)
    for some in real.split(13):
        ours.update(some, side="real")
        theirs.update(as_levels(some), real=True)
    expected = published_formula(*(Grid()(x).double().numpy() for x in (generated, real)))
    assert ours.compute().item() == pytest.approx(expected, rel=1e-9)
    assert ours.compute().item() == pytest.approx(theirs.compute().item(), rel=1e-6)


def test_equal_sets_are_at_distance_zero_and_noise_takes_them_apart() -> None:
    real = frames(100, 1)
    values = []
    for amount in (0, 0.1, 0.3):
        metric = FrechetDistance(Grid(), 12)
        metric.update(real, side="real")
        shifted = (real + amount * torch.randn(100, 3, 1, 1)).clamp(-1, 1)
        metric.update(shifted, side="generated")
        values.append(metric.compute().item())
    assert values[0] == pytest.approx(0, abs=1e-9)
    assert values[0] < values[1] < values[2]


def test_batches_do_not_change_the_distance_and_lower_half_sees_no_upper() -> None:
    generated, real = frames(50, 1), frames(50, 2)
    spoiled = generated.clone()
    spoiled[..., :8, :] = 0
    values = []
    for size, x in ((1, generated), (7, generated), (50, spoiled)):
        metric = FrechetDistance(Grid(), 12, region="lower")
        for some in x.split(size):
            metric.update(some, side="generated")
        metric.update(real, side="real")
        values.append(metric.compute().item())
    assert values == pytest.approx([values[0]] * 3, rel=1e-9)


def test_too_few_frames_are_refused_unless_asked_for() -> None:
    few, enough = FeatureMoments.of(features(12, 12, 1)), FeatureMoments.of(features(13, 12, 2))
    with pytest.raises(ValueError, match="12 generated frames are too few for 12 features"):
        frechet_of_moments(few, enough)
    with pytest.raises(ValueError, match="at least 2 generated frames, got 1"):
        frechet_of_moments(FeatureMoments.of(features(1, 12, 1)), enough, allow_few=True)
    with pytest.raises(ValueError, match="12 real frames are too few"):
        frechet_of_moments(enough, few)
    assert frechet_of_moments(enough, enough).item() == pytest.approx(0, abs=1e-6)
    given = frechet_of_moments(few, enough, allow_few=True)
    raw = [features(12, 12, 1), features(13, 12, 2)]
    expected = published_formula(*(x.double().numpy() for x in raw))
    # scipy's square root of a singular product is good to half the digits.
    assert given.item() == pytest.approx(expected, rel=1e-5)


def test_a_network_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="network's features must have shape"):
        FID(Grid()).update(frames(3, 1), side="real")
    with pytest.raises(ValueError, match="side must be"):
        FrechetDistance(Grid(), 12).update(frames(3, 1), side="fake")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="NaN or infinity"):
        FeatureMoments.of(torch.full((3, 2), torch.nan))
