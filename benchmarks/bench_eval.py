"""Frames per second of CPBD, SSIM and LPIPS beside the packages that they agree with.

    python benchmarks/bench_eval.py [--threads 2] [--size 256] [--batch 16] [--out FILE.md]

The other side is `cpbd`, scikit-image and `lpips`, each as its users call it: one picture after
another for the first two, which use one thread whatever they are given, and a batch for the third.
Frames are a real face (scikit-image's astronaut) that moves and grows soft. The trunk of LPIPS has
random weights, the same on both sides: that is enough for a rate, and no distance is printed. Both
sides take turns, so that whatever else runs slows both down; before them, results are compared.
Processor time is summed over threads and hardly depends on what else runs.
"""

import argparse
import importlib
import importlib.metadata
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import lpips
import numpy as np
import scipy.ndimage
import torch
from peak import held_mb
from PIL import Image, ImageFilter
from skimage.data import astronaut
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from viseme_eval.functional.cpbd import cpbd
from viseme_eval.functional.image import ssim
from viseme_eval.functional.perceptual import PerceptualDistance, lpips_heads

Score = Callable[[], np.ndarray]


class Trunk(nn.Module):
    """The trunk of an `lpips.LPIPS` as `PerceptualDistance` wants it."""

    def __init__(self, package: lpips.LPIPS) -> None:
        super().__init__()
        self.scale, self.trunk = package.scaling_layer, package.net

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Return the layers of frames in [-1, 1]."""
        return list(self.trunk(self.scale(frames)))


class Contest(NamedTuple):
    """One metric computed by us and by a package."""

    name: str
    package: str
    ours: Score
    theirs: Score
    tolerance: float
    aim: float


class Timing(NamedTuple):
    """Rates of one side, frames per second, and processor time of one frame."""

    rates: list[float]
    busy_ms: float


def make_pictures(num: int, size: int) -> list[np.ndarray]:
    """Return 8-bit pictures of a face that moves, every other one a little soft."""
    pictures = []
    for i in range(num):
        box = (80 + i % 16, i % 9, 380 + i % 16, 300 + i % 9)
        picture = Image.fromarray(astronaut()).resize((size, size), box=box)
        if i % 2:
            picture = picture.filter(ImageFilter.GaussianBlur(0.4 + 0.05 * i))
        pictures.append(np.asarray(picture))
    return pictures


def import_cpbd() -> Callable[[np.ndarray], float]:
    """Return the function of the `cpbd` package, which asks scipy for what it no longer has."""
    scipy.ndimage.imread = None  # pyright: ignore[reportAttributeAccessIssue]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("cpbd").compute


def make_contests(num: int, size: int, trunk: str) -> list[Contest]:
    """Return the three metrics on `num` frames."""
    pictures = make_pictures(num + 1, size)
    levels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    frames = levels / 127.5 - 1
    generated, reference = frames[1:].contiguous(), frames[:-1].contiguous()
    grey = [np.asarray(Image.fromarray(x).convert("L")) for x in pictures[1:]]
    # Single precision is scikit-image's faster way.
    unit = [x.astype(np.float32) / 255 for x in pictures]
    package_cpbd = import_cpbd()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package_lpips = lpips.LPIPS(net=trunk, pnet_rand=True, verbose=False).requires_grad_(False)
    distance = PerceptualDistance(Trunk(package_lpips), lpips_heads(trunk))  # pyright: ignore[reportArgumentType]

    def theirs_ssim() -> np.ndarray:
        values = [
            structural_similarity(
                x,
                y,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                data_range=1.0,
                channel_axis=2,
            )
            for x, y in zip(unit[1:], unit[:-1], strict=True)
        ]
        return np.array(values)

    return [
        Contest(
            "CPBD",
            "cpbd",
            lambda: cpbd(generated).numpy(),
            lambda: np.array([package_cpbd(x) for x in grey]),
            1e-12,
            10,
        ),
        Contest(
            "SSIM",
            "scikit-image",
            lambda: ssim(generated, reference).numpy(),
            theirs_ssim,
            1e-5,
            0.95,
        ),
        Contest(
            f"LPIPS ({trunk})",
            "lpips",
            lambda: distance(generated, reference).numpy(),
            lambda: package_lpips(generated, reference).flatten().numpy(),
            1e-4,
            0.95,
        ),
    ]


def race(contest: Contest, num: int, repeats: int) -> tuple[Timing, Timing]:
    """Return the timings of ours and theirs, taken in turns.

    Raises:
        RuntimeError: If their results differ, as a rate is then worth nothing.
    """
    sides = (contest.ours, contest.theirs)
    results = [side() for side in sides]
    if not np.allclose(*results, rtol=0, atol=contest.tolerance):
        raise RuntimeError(
            f"{contest.name} differs from {contest.package} by "
            f"{np.abs(results[0] - results[1]).max():.2g}, more than {contest.tolerance:g}"
        )
    seconds: tuple[list[float], list[float]] = ([], [])
    busy: tuple[list[float], list[float]] = ([], [])
    for turn in range(repeats):
        for i in (0, 1) if turn % 2 == 0 else (1, 0):
            start, busy_start = time.perf_counter(), time.process_time()
            sides[i]()
            busy[i].append(time.process_time() - busy_start)
            seconds[i].append(time.perf_counter() - start)
    ours, theirs = (
        Timing([num / s for s in seconds[i]], 1e3 * statistics.median(busy[i]) / num)
        for i in (0, 1)
    )
    return ours, theirs


def make_rows(contest: Contest, num: int, repeats: int) -> list[str]:
    """Return the two lines of a metric."""
    ours, theirs = race(contest, num, repeats)
    # Of neighbours in time: a slow moment of the machine then weighs on both.
    ratio = statistics.median(a / b for a, b in zip(ours.rates, theirs.rates, strict=True))
    rows = []
    for who, timing, last in (
        ("viseme", ours, f"{ratio:.2f} | {contest.aim:g}"),
        (contest.package, theirs, "1 | "),
    ):
        low, middle, high = statistics.quantiles(timing.rates, n=4)
        rows.append(
            f"| {contest.name} | {who} | {middle:.1f} | {low:.1f} - {high:.1f} "
            f"| {timing.busy_ms:.2f} | {last} |"
        )
    return rows


def describe(num: int, size: int, repeats: int) -> str:
    """Return hardware, versions and settings."""
    name = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        name = models[0].partition(":")[2].strip() if models else name
    packages = ("torch", "torchvision", "cpbd", "scikit-image", "scipy", "lpips", "numpy")
    versions = ", ".join(f"{x} {importlib.metadata.version(x)}" for x in packages)
    return (
        f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} torch threads; "
        f"Python {platform.python_version()}, {versions}, {platform.system()}.\n"
        f"{num} frames of {size} px a run, {repeats} runs of each side in turns after one of "
        f"warm-up; spread is the middle half of the runs.\n"
        f"The ratio is the median over pairs of runs. LPIPS runs on a random trunk: a rate, no "
        f"distance.\n"
        f"Load average at the start: {os.getloadavg()[0]:.1f}."
    )


def main() -> None:
    """Print the table and, if asked, write it."""
    parser = argparse.ArgumentParser(description="Time the image metrics beside their packages.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16, help="frames of a run")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--trunk", choices=("alex", "vgg", "squeeze"), default="alex")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    lines = [
        "# Image metrics",
        "",
        describe(args.batch, args.size, args.repeats),
        "",
        "| metric | who | frames/s | spread | CPU ms/frame | ratio | aim |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    with torch.no_grad():
        for contest in make_contests(args.batch, args.size, args.trunk):
            rows = make_rows(contest, args.batch, args.repeats)
            lines += rows
            print("\n".join(rows), flush=True)
    lines += ["", f"Peak memory of the process: {held_mb():.0f} MB."]
    print("\n".join(lines[-2:]))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
