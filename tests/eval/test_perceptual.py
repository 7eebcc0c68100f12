"""LPIPS against the `lpips` package on the same trunk, and the curve over successive frames."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lpips
import pytest
import torch
from torch import Tensor, nn

from tests.eval.pictures import face, noisy
from viseme_eval.functional.image import lower_half
from viseme_eval.functional.perceptual import (
    PerceptualDistance,
    Trunk,
    consecutive_distance,
    lpips_distance,
    lpips_heads,
)
from viseme_eval.metrics.perceptual import (
    LPIPS,
    ConsecutiveEfficientNetDistance,
    ConsecutiveLPIPS,
    EfficientNetDistance,
)

UNKNOWN: Any = "resnet"


class PackageTrunk(nn.Module):
    """The trunk of an `lpips.LPIPS`, whatever its weights are: what is tested is the rest."""

    def __init__(self, package: lpips.LPIPS) -> None:
        super().__init__()
        self.scale, self.trunk = package.scaling_layer, package.net

    def forward(self, frames: Tensor) -> list[Tensor]:
        return list(self.trunk(self.scale(frames)))


class Pyramid(nn.Module):
    """Two layers of features of a fixed small network; counts the frames it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 5, 3, stride=2)
        self.second = nn.Conv2d(5, 7, 3, stride=2)
        self.num_frames = 0

    def forward(self, frames: Tensor) -> list[Tensor]:
        self.num_frames += len(frames)
        first = self.first(frames).relu()
        return [first, self.second(first).relu()]


def package(trunk: str, *, heads: bool = True) -> lpips.LPIPS:
    """Return the package's own class with its heads and a random trunk."""
    with warnings.catch_warnings():
        # torchvision dislikes how the package asks it for a network.
        warnings.simplefilter("ignore")
        made = lpips.LPIPS(net=trunk, lpips=heads, pnet_rand=True, verbose=False)
    return made.requires_grad_(False)


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    generated = noisy(face(), (2, 20, 60))
    return generated, face().expand_as(generated)


@pytest.mark.parametrize("trunk", ["alex", "vgg", "squeeze"])
def test_heads_are_those_of_the_package(trunk: Trunk) -> None:
    ours = lpips_heads(trunk)
    file = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{trunk}.pth"
    theirs = [x.flatten() for x in torch.load(file, map_location="cpu", weights_only=True).values()]
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_lpips_is_that_of_the_package(pair: tuple[Tensor, Tensor]) -> None:
    theirs = package("alex")
    distance = PerceptualDistance(PackageTrunk(theirs), lpips_heads("alex"))
    # Single precision; the package averages after its 1 x 1 convolution, we do before.
    torch.testing.assert_close(
        distance(*pair).float(), theirs(*pair).flatten(), rtol=1e-5, atol=1e-7
    )
    halves = [lower_half(x) for x in pair]
    torch.testing.assert_close(
        distance(*pair, region="lower").float(), theirs(*halves).flatten(), rtol=1e-5, atol=1e-7
    )
    metric = LPIPS(PackageTrunk(theirs), lpips_heads("alex"))
    metric.update(*pair)
    torch.testing.assert_close(metric.compute().float(), theirs(*pair).mean(), rtol=1e-5, atol=0)


def test_without_heads_it_is_the_baseline_of_the_package(pair: tuple[Tensor, Tensor]) -> None:
    theirs = package("alex", heads=False)
    distance = PerceptualDistance(PackageTrunk(theirs))
    torch.testing.assert_close(
        distance(*pair).float(), theirs(*pair).flatten(), rtol=1e-5, atol=1e-7
    )
    metric = EfficientNetDistance(PackageTrunk(theirs))
    metric.update(*pair)
    torch.testing.assert_close(metric.compute(), distance(*pair).mean())


def test_the_formula_holds_in_a_plain_loop() -> None:
    a, b = ([torch.rand(2, 3, 4, 5), torch.rand(2, 2, 2, 2)] for _ in range(2))
    a[0][1, :, 2, 3] = 0
    heads = [torch.rand(3), torch.rand(2)]
    expected = torch.zeros(2, dtype=torch.float64)
    for x, y, weight in zip(a, b, heads, strict=True):
        num, channels, height, width = x.shape
        for n in range(num):
            for i in range(height):
                for j in range(width):
                    p, q = x[n, :, i, j].double(), y[n, :, i, j].double()
                    p, q = p / max(float(p.norm()), 1e-10), q / q.norm()
                    parts = [weight[c] * (p[c] - q[c]) ** 2 for c in range(channels)]
                    expected[n] += sum(parts) / (height * width)
    torch.testing.assert_close(lpips_distance(a, b, heads), expected, rtol=1e-6, atol=0)


def test_equal_frames_are_at_distance_zero_and_noise_takes_them_apart(
    pair: tuple[Tensor, Tensor],
) -> None:
    distance = PerceptualDistance(Pyramid())
    generated, reference = pair
    assert distance(reference, reference).tolist() == [0, 0, 0]
    near, further, far = distance(generated, reference).tolist()
    assert 0 < near < further < far


def test_gradients_reach_the_frames_and_not_the_network(pair: tuple[Tensor, Tensor]) -> None:
    generated = pair[0].clone().requires_grad_()
    network = Pyramid()
    PerceptualDistance(network)(generated, pair[1]).sum().backward()
    assert generated.grad is not None
    assert generated.grad.isfinite().all()
    assert generated.grad.abs().amax((1, 2, 3)).gt(0).all()
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("sizes", [(20,), (1,) * 20, (1, 12, 7)])
def test_the_curve_of_a_clip_does_not_depend_on_its_pieces(sizes: tuple[int, ...]) -> None:
    clip = torch.rand(20, 3, 40, 40) * 2 - 1
    network = Pyramid()
    distance = PerceptualDistance(network)
    expected = torch.cat([distance(clip[i : i + 1], clip[i + 1 : i + 2]) for i in range(19)])
    network.num_frames = 0
    before, curve = None, []
    for frames in clip.split(list(sizes)):
        piece, before = consecutive_distance(distance, frames, before)
        curve.append(piece)
    # Each frame once, though it takes part in two distances.
    assert network.num_frames == 20
    torch.testing.assert_close(torch.cat(curve), expected)
    torch.testing.assert_close(distance(clip[:-1], clip[1:]), expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda network: ConsecutiveLPIPS(network, [torch.rand(5), torch.rand(7)]),
        ConsecutiveEfficientNetDistance,
    ],
)
def test_mean_over_successive_frames_leaves_out_the_cuts_between_clips(
    make: Callable[[nn.Module], ConsecutiveLPIPS],
) -> None:
    torch.manual_seed(5)
    metric = make(Pyramid())
    clips = [torch.rand(n, 3, 40, 40) * 2 - 1 for n in (5, 3)]
    curves = [metric.distance(clip[:-1], clip[1:]) for clip in clips]
    metric.update(clips[0][:2], clip=0)
    metric.update(clips[0][2:], clip=0)
    metric.update(clips[1], clip=1)
    torch.testing.assert_close(metric.compute(), torch.cat(curves).mean())
    metric.reset()
    metric.update(clips[1], clip=1)
    torch.testing.assert_close(metric.compute(), curves[1].mean())
    metric.reset()
    # Called as a function it gives the piece by itself and still joins the pieces.
    metric(clips[0][:2], clip=0)
    torch.testing.assert_close(metric(clips[0][2:], clip=0), curves[0][2:].mean())
    torch.testing.assert_close(metric.compute(), curves[0].mean())


def test_a_still_clip_has_a_flat_curve_and_a_jump_stands_out() -> None:
    clip = face(64).repeat(6, 1, 1, 1)
    distance = PerceptualDistance(Pyramid())
    assert consecutive_distance(distance, clip)[0].tolist() == [0] * 5
    clip[3:] = noisy(face(64), (20,))
    assert consecutive_distance(distance, clip)[0].argmax() == 2


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda d, x: d(x, x[:1]), "frames_b must have shape"),
        (lambda d, x: d(x * 100, x * 100), r"must be in \[-1, 1\]"),
        (lambda d, x: consecutive_distance(d, x[:0]), "at least one frame"),
        (lambda d, x: lpips_heads(UNKNOWN), "has heads for"),
        (lambda d, x: lpips_distance([x], [x, x]), "same layers of both"),
        (lambda d, x: PerceptualDistance(Pyramid(), lpips_heads("alex"))(x, x), "another trunk"),
    ],
)
def test_what_does_not_match_is_refused(
    run: Callable[[PerceptualDistance, Tensor], object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        run(PerceptualDistance(Pyramid()), torch.rand(2, 3, 40, 40))
