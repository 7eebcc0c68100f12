"""Frames per second of the rasteriser on a face-like mesh of about 900 triangles.

    python benchmarks/bench_raster.py [--threads 2] [--device cpu] [--out FILE.md]

`raster` finds triangles, barycentric coordinates and depth; `textured` adds a texture lookup;
`gradients` is the textured picture and its backward pass to vertices and texture. Machines are
shared, so every row also gives the processor time, summed over threads (with `--threads 1` it
hardly depends on what else runs), and how many plain elementwise passes over its pixels (y = x + 1
on float32, measured between the runs) one rendering costs.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from peak import held_mb
from torch import Tensor

from viseme_face.raster import rasterize
from viseme_face.shading import sample_texture

MODES = ("raster", "textured", "gradients")
SIZES, BATCHES = (128, 256, 512), (1, 8, 32)


def make_face(num_frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return an open half ellipsoid with a nose, turning: vertices, triangles and corner uv."""
    rows = columns = 22
    v, u = torch.meshgrid(
        torch.linspace(-1.3, 1.3, rows), torch.linspace(-1.25, 1.25, columns), indexing="ij"
    )
    nose = 0.3 * torch.exp(-((u / 0.25) ** 2) - (v / 0.3) ** 2)
    x, y = 0.7 * u.sin() * (0.9 * v).cos(), 0.95 * v.sin()
    points = torch.stack([x, y, 0.7 * u.cos() * v.cos() + nose], -1).reshape(-1, 3)
    corner = (torch.arange(rows - 1)[:, None] * columns + torch.arange(columns - 1)).reshape(-1, 1)
    halves = torch.tensor([[0, 1, columns], [1, columns + 1, columns]])
    triangles = (corner[:, None] + halves).reshape(-1, 3)
    turn = 0.4 * torch.arange(num_frames).sin()
    zero, one = torch.zeros(num_frames), torch.ones(num_frames)
    rotation = torch.stack(
        [turn.cos(), zero, turn.sin(), zero, one, zero, -turn.sin(), zero, turn.cos()], -1
    ).view(-1, 3, 3)
    uv = torch.stack([u / 2.5 + 0.5, v / 2.6 + 0.5], -1).reshape(-1, 2)
    return points @ rotation.mT, triangles, uv[triangles]


def make_run(mode: str, num_frames: int, side: int, device: str) -> Callable[[], Tensor]:
    """Return a function that renders one batch and gives back its mask."""
    vertices, triangles, uv = (x.to(device) for x in make_face(num_frames))
    texture = torch.rand(1, 3, 256, 256, device=device)
    if mode == "gradients":
        vertices.requires_grad_()
        texture.requires_grad_()

    def run() -> Tensor:
        with torch.set_grad_enabled(mode == "gradients"):
            raster = rasterize(vertices, triangles, (side, side))
            if mode != "raster":
                picture = sample_texture(raster, uv, texture)
                if mode == "gradients":
                    picture.square().mean().backward()
        return raster.mask_BHW

    return run


def clock(run: Callable[[], object], device: str) -> float:
    """Return the seconds that one call takes, its work on the device included."""
    start = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(mode: str, num_frames: int, side: int, device: str, repeats: int) -> str:
    """Return one row of the table."""
    run = make_run(mode, num_frames, side, device)
    plain = torch.zeros(num_frames, side, side, device=device)
    result = torch.empty_like(plain)

    def reference() -> None:
        torch.add(plain, 1, out=result)

    for _ in range(3):
        clock(run, device)
        clock(reference, device)
    seconds, plain_seconds, busy_seconds = [], [], []
    for _ in range(repeats):
        busy = time.process_time()
        seconds.append(clock(run, device))
        busy_seconds.append(time.process_time() - busy)
        plain_seconds.append(clock(reference, device))
    rates = [num_frames / s for s in seconds]
    low, middle, high = statistics.quantiles(rates, n=4)
    cost = statistics.median(seconds) / statistics.median(plain_seconds)
    busy_ms = 1e3 * statistics.median(busy_seconds) / num_frames
    covered = run().float().mean().item()
    peak = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else held_mb()
    return (
        f"| {mode} | {side} | {num_frames} | {middle:.0f} | {low:.0f} - {high:.0f} "
        f"| {max(rates):.0f} | {busy_ms:.2f} | {cost:.0f} | {covered:.2f} | {peak:.0f} |"
    )


def describe(device: str, repeats: int) -> str:
    """Return hardware, versions and settings."""
    name = torch.cuda.get_device_name() if device == "cuda" else platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if device == "cpu" and cpuinfo.exists():
        models = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        name = models[0].partition(":")[2].strip() if models else name
    return (
        f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, device {device}; "
        f"Python {platform.python_version()}, torch {torch.__version__}, {platform.system()}.\n"
        f"{make_face(1)[1].shape[0]} triangles, float32, {repeats} runs after 3 of warm-up; "
        f"spread is the middle half of the runs; peak memory is the process's so far "
        f"(on CUDA: allocated).\n"
        f"Rows share one process: the first ones also pay for memory that it claims from the\n"
        f"system again and again, until larger ones have made it keep some.\n"
        f"Load average at the start: {os.getloadavg()[0]:.1f}."
    )


def main() -> None:
    """Print the table and, if asked, write it."""
    parser = argparse.ArgumentParser(description="Time the rasteriser.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda", "mps"), default="cpu")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--modes", choices=MODES, nargs="+", default=MODES)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    lines = [
        "# Rasteriser",
        "",
        describe(args.device, args.repeats),
        "",
        "| mode | side | batch | frames/s | spread | best | CPU ms/frame | plain passes | covered "
        "| peak MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for mode in args.modes:
        for side in args.sizes:
            for num_frames in args.batches:
                lines.append(measure(mode, num_frames, side, args.device, args.repeats))
                print(lines[-1], flush=True)
    if args.out:
        args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
