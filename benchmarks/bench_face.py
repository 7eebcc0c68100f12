"""How many frames per second landmarks are fitted: a whole clip, identity included.

    python benchmarks/bench_face.py [--write benchmarks/results]

The rasteriser has its own: benchmarks/bench_raster.py.
"""

import argparse
import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from viseme_face import MorphableModel, fit_clip, pose_vertices, project

THREADS = 2
REPEATS = 7
FRAMES = (500, 1000)


def main() -> None:
    """Print the table; write it beside the hardware's name if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="folder for the result file")
    chosen = parser.parse_args()
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    text = "\n".join([*describe(), "", *table()])
    print(text)
    if chosen.write:
        hardware = f"{cpu_name().lower().replace(' ', '-')}-{os.cpu_count()}core"
        name = f"face_{hardware}_{datetime.date.today()}.md"
        chosen.write.mkdir(parents=True, exist_ok=True)
        (chosen.write / name).write_text(text + "\n")


def describe() -> list[str]:
    """Return the lines that say what ran where."""
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    return [
        "# Landmark fitting",
        "",
        f"{datetime.date.today()}, {cpu_name()}, {os.cpu_count()} cores, {THREADS} threads, "
        f"{platform.system()}, Python {platform.python_version()}, torch {torch.__version__}. "
        f"Load average of the machine before the run (1/5/15 min): {load}.",
        "",
        "478 points per frame, built-in model, identity estimated, default priors, float32; random",
        f"faces and poses without noise. Median, fastest and slowest of {REPEATS} runs after one "
        "warm-up.",
        "Frames per core-second: one thread, by its processor time, which other programs on the",
        "machine disturb less.",
    ]


def table() -> list[str]:
    """Return one row per kind of points and length of clip."""
    lines = [
        "| points | frames | frames/s, median | fastest | slowest | frames per core-second "
        "| largest crop error |",
        "|---|---|---|---|---|---|---|",
    ]
    model = MorphableModel.builtin()
    for num_frames in FRAMES:
        identity = torch.randn(80) * model.identity_std_I
        expression = torch.randn(num_frames, 64) * model.expression_std_E
        shift = torch.randn(num_frames, 3) * torch.tensor([0.15, 0.15, 0.5])
        pose = torch.cat([0.25 * torch.randn(num_frames, 3), shift], -1)
        space = pose_vertices(model(identity, expression), pose)
        for kind, points in (("2-D, crop", project(space)), ("3-D, space", space)):

            def work(points: torch.Tensor = points) -> None:
                fit_clip(model, points, "mp478")

            rates = [num_frames / seconds for seconds in timed(work, time.perf_counter)]
            torch.set_num_threads(1)
            alone = num_frames / statistics.median(timed(work, time.process_time))
            torch.set_num_threads(THREADS)
            fitted = fit_clip(model, points, "mp478")
            again = project(pose_vertices(model(fitted.identity, fitted.expression), fitted.pose))
            error = float((again - project(space)).abs().max())
            lines.append(
                f"| {kind} | {num_frames} | {statistics.median(rates):.0f} | {max(rates):.0f} "
                f"| {min(rates):.0f} | {alone:.0f} | {error:.1e} |"
            )
    return lines


def timed(work: Callable[[], None], clock: Callable[[], float]) -> list[float]:
    """Return what each run takes by the clock, in seconds, after a warm-up."""
    work()
    seconds = []
    for _ in range(REPEATS):
        start = clock()
        work()
        seconds.append(clock() - start)
    return seconds


def cpu_name() -> str:
    """Return the processor's model name."""
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
