"""Means over frames and clips, in batches, on two processes, and with equal frames."""

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.eval.pictures import face, noisy
from tests.eval.processes import on_two_processes
from viseme_eval.functional.image import psnr, ssim
from viseme_eval.metrics.cpbd import CPBD
from viseme_eval.metrics.frechet import FrechetDistance
from viseme_eval.metrics.image import PSNR, SSIM


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    generated = noisy(face(64), (4, 15, 40))
    return generated, face(64).expand_as(generated)


def test_means_count_frames_or_clips_alike(pair: tuple[Tensor, Tensor]) -> None:
    each = ssim(*pair)
    results = {}
    for average in ("frames", "clips", "none"):
        metric = SSIM(average=average)
        metric.update(*pair, clip=torch.tensor([7, 2, 7]))
        results[average] = metric.compute()
    by_clip = torch.stack([each[1], (each[0] + each[2]) / 2])
    torch.testing.assert_close(results["none"], by_clip)
    torch.testing.assert_close(results["clips"], by_clip.mean())
    torch.testing.assert_close(results["frames"], each.mean())


@pytest.mark.parametrize("kind", [PSNR, SSIM])
def test_batches_change_neither_the_mean_nor_the_memory(kind: type[PSNR | SSIM]) -> None:
    generated = noisy(face(64), range(3, 15))
    reference, clips = face(64).expand_as(generated), torch.arange(12) // 5
    means = []
    for size in (1, 5, 12):
        metric = kind(average="clips", region="lower")
        for x, y, clip in zip(*(v.split(size) for v in (generated, reference, clips)), strict=True):
            metric.update(x, y, clip=clip)
        # Number, sum and count of three clips.
        assert sum(x.numel() for x in metric.rows) == 3 * 3
        means.append(metric.compute().item())
    assert means == pytest.approx([means[0]] * 3, rel=1e-12)


# torchmetrics warns of the same before the error.
@pytest.mark.filterwarnings("ignore:The ``compute`` method:UserWarning")
def test_called_as_a_function_a_metric_gives_the_batch_and_keeps_all(
    pair: tuple[Tensor, Tensor],
) -> None:
    generated, reference = pair
    metric, each = PSNR(), psnr(*pair)
    torch.testing.assert_close(metric(generated[:1], reference[:1]), each[0])
    torch.testing.assert_close(metric(generated[1:], reference[1:]), each[1:].mean())
    torch.testing.assert_close(metric.compute(), each.mean())
    metric.reset()
    with pytest.raises(ValueError, match="PSNR has no frames"):
        metric.compute()


def test_an_equal_frame_does_not_make_the_mean_infinite(pair: tuple[Tensor, Tensor]) -> None:
    generated, reference = pair
    metric = PSNR()
    metric.update(torch.cat([generated, reference[:1]]), torch.cat([reference, reference[:1]]))
    assert metric.compute().item() == pytest.approx((psnr(*pair).sum().item() + 100) / 4)


def test_wrong_numbers_of_clips_and_unknown_averages_are_refused(
    pair: tuple[Tensor, Tensor],
) -> None:
    with pytest.raises(ValueError, match="one for each of 3 frames"):
        SSIM().update(*pair, clip=torch.tensor([1, 2]))
    with pytest.raises(ValueError, match="average must be one of"):
        SSIM(average="videos")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="PSNR of frame 1 of this update is NaN"):
        PSNR().take(torch.tensor([1.0, torch.nan]))


class Colours(nn.Module):
    """Three features: the mean colour."""

    def forward(self, frames: Tensor) -> Tensor:
        return frames.mean((2, 3))


def results_for(frames: list[int]) -> dict[str, list[float]]:
    """Return what the metrics give for some of eight frames, or for all over all processes."""
    torch.manual_seed(3)
    generated = noisy(face(64), (2, 4, 8, 16, 32, 64, 90, 120))
    reference, clips = noisy(face(64), [3] * 8), torch.arange(8) % 3
    sharpness, likeness = CPBD(), SSIM(average="none")
    distance = FrechetDistance(Colours(), 3)
    if frames:
        sharpness.update(generated[frames])
        likeness.update(generated[frames], reference[frames], clip=clips[frames])
        distance.update(generated[frames], side="generated")
        distance.update(reference[frames], side="real")
    with warnings.catch_warnings():
        # torchmetrics warns on a process that got no frame.
        warnings.simplefilter("ignore")
        metrics = {"cpbd": sharpness, "ssim": likeness, "frechet": distance}
        return {name: metric.compute().view(-1).tolist() for name, metric in metrics.items()}


def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    alone = results_for(list(range(8)))
    # In the second round the first one has nothing to do.
    here, there = [[0, 3, 4], []], [[1, 2, 5, 6, 7], list(range(8))]
    for result in on_two_processes(results_for, here, there, tmp_path):
        assert result.keys() == alone.keys()
        for name, values in result.items():
            assert values == pytest.approx(alone[name], rel=1e-9), name
