"""Frames per second of renderers, what a portrait costs once, and memory over length.

    python benchmarks/bench_render.py [--threads 1 2] [--device cpu] [--pirender FILE] [--out MD]

A drawn head speaks and turns. Machines are shared, so every row also gives the processor time per
frame, summed over threads, and the same as a multiple of rasterising the same sheet alone. Memory
is that of a process of its own, for short and for long motion. PIRender of the paper's size runs
with the weights it is born with: its speed does not depend on them, its pictures are not looked at.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from peak import held_mb

from viseme_core.types import CropBox, Landmarks, Motion, ReferenceFace
from viseme_face import MorphableModel, pose_vertices, project
from viseme_face.paint import Makeup, paint_atlas
from viseme_face.portrait import Portrait, PortraitStyle
from viseme_face.sheet import rasterize_sheet
from viseme_render import FrameRenderer, MeshRenderer, PIRenderer
from viseme_render.pirender.config import PIRenderConfig
from viseme_render.pirender.model import PIRenderModel

SIZES = (128, 256, 512)
_FEW_FRAMES = 12
_POSE = (0.0, 0.0, 0.0, 0.0, -0.05, -4.3)


def make_reference(size: int) -> ReferenceFace:
    """Return a portrait of the mean face."""
    model = MorphableModel.builtin()
    pose_6, expression_E = torch.tensor(_POSE), torch.zeros(64)
    points_1K3 = model.landmarks(torch.zeros(80), expression_E[None], "mp478")
    style = PortraitStyle(
        atlas_3hw=paint_atlas(Makeup()), background_3HW=torch.full((3, size, size), 0.4)
    )
    frame_3HW = Portrait(points_1K3[0], style, pose_6).draw(points_1K3, pose_6[None])[0][0]
    return ReferenceFace(
        frame_3HW=frame_3HW,
        landmarks=Landmarks(project(pose_vertices(points_1K3, pose_6[None])), "mp478"),
        identity=torch.zeros(80),
        expression=expression_E,
        pose=pose_6,
        face_model=model.name,
        crop=CropBox(size / 2, size / 2, size),
        source_3HW=frame_3HW,
    )


def make_motion(num_frames: int) -> Motion:
    """Return a face that speaks, blinks by chance and turns."""
    model = MorphableModel.builtin()
    generator = torch.Generator().manual_seed(0)
    time_T1 = torch.arange(num_frames)[:, None] / 25
    phase_E = 6.3 * torch.rand(64, generator=generator)
    rate_E = 1 + 5 * torch.rand(64, generator=generator)
    pose_T6 = torch.tensor(_POSE).repeat(num_frames, 1)
    pose_T6[:, :3] += 0.12 * (time_T1 * torch.tensor([1.1, 1.7, 0.9])).sin()
    return Motion(
        expression=0.7 * model.expression_std_E * (time_T1 * rate_E + phase_E).sin(),
        pose=pose_T6,
        identity=torch.zeros(80),
        face_model=model.name,
    )


def measure(size: int, threads: int, device: str, repeats: int) -> str:
    """Return one row of the table."""
    torch.set_num_threads(threads)
    renderer, reference, motion = MeshRenderer(device=device), make_reference(size), make_motion(50)
    fresh = replace(reference)
    start = time.perf_counter()
    portrait = renderer.portrait(fresh)
    once_ms = 1e3 * (time.perf_counter() - start)
    moved = portrait.warp.move(
        motion.expression[:5].to(renderer.device), motion.pose[:5].to(renderer.device)
    )

    def render() -> None:
        for frames in renderer(fresh, motion):
            frames[0, 0, 0, 0].item()

    def rasterise() -> None:
        for _ in range(10):
            rasterize_sheet(moved, portrait.warp.triangles_P3, size)

    render()
    rates, busy_ms, raster_ms = [], [], []
    for _ in range(repeats):
        start, busy = time.perf_counter(), time.process_time()
        render()
        rates.append(50 / (time.perf_counter() - start))
        busy_ms.append(20 * (time.process_time() - busy))
        busy = time.process_time()
        rasterise()
        raster_ms.append(20 * (time.process_time() - busy))
    low, middle, high = statistics.quantiles(rates, n=4)
    cost = statistics.median(busy_ms)
    return (
        f"| mesh | {size} | {threads} | {middle:.0f} | {low:.0f} - {high:.0f} | {max(rates):.0f} "
        f"| {cost:.1f} | {cost / statistics.median(raster_ms):.1f} | {once_ms:.0f} |"
    )


def measure_pirender(
    name: str, renderer: FrameRenderer, size: int, threads: int, repeats: int
) -> str:
    """Return one row of the table for networks, which take their time: few frames are drawn."""
    torch.set_num_threads(threads)
    reference, motion = make_reference(size), make_motion(_FEW_FRAMES)
    start = time.perf_counter()
    next(iter(renderer(reference, motion, chunk=1)))
    first_ms = 1e3 * (time.perf_counter() - start)
    rates, busy_ms = [], []
    for _ in range(repeats):
        start, busy = time.perf_counter(), time.process_time()
        for frames in renderer(reference, motion):
            frames[0, 0, 0, 0].item()
        rates.append(_FEW_FRAMES / (time.perf_counter() - start))
        busy_ms.append(1e3 / _FEW_FRAMES * (time.process_time() - busy))
    low, middle, high = statistics.quantiles(rates, n=4)
    return (
        f"| {name} | {size} | {threads} | {middle:.1f} | {low:.1f} - {high:.1f} | {max(rates):.1f} "
        f"| {statistics.median(busy_ms):.0f} | - | {first_ms:.0f} |"
    )


def pirenders(file: Path | None, device: str) -> Iterator[tuple[str, FrameRenderer, int]]:
    """Yield the networks to time, each with the side that it draws."""
    face_model = MorphableModel.builtin().name
    paper = PIRenderer(PIRenderModel(PIRenderConfig()), face_model, device=device)
    yield "PIRender, the paper's size", paper, 256
    if file is not None:
        small = FrameRenderer.from_checkpoint(file, device=device)
        yield "PIRender, trained", small, 256


def peak_mb(num_frames: int) -> float:
    """Return the peak memory of a process that renders so many frames."""
    command = [sys.executable, __file__, "--peak-of", str(num_frames)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_peak(num_frames: int) -> None:
    """Render and print this process's peak memory in MB."""
    torch.set_num_threads(1)
    renderer, motion = MeshRenderer(device="cpu"), make_motion(num_frames)
    for frames in renderer(make_reference(256), motion):
        del frames
    print(held_mb())


def describe(device: str, repeats: int) -> str:
    """Return hardware, versions and settings."""
    name = torch.cuda.get_device_name() if device == "cuda" else platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if device == "cpu" and cpuinfo.exists():
        models = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        name = models[0].partition(":")[2].strip() if models else name
    return (
        f"{name}, {os.cpu_count()} cores, device {device}; Python {platform.python_version()}, "
        f"torch {torch.__version__}, {platform.system()}.\n"
        f"50 frames, {repeats} runs after one of warm-up; spread is the middle half of the runs; "
        f"'once' is the work on a new portrait.\n"
        f"Load average at the start: {os.getloadavg()[0]:.1f}."
    )


def main() -> None:
    """Print the table and, if asked, write it."""
    parser = argparse.ArgumentParser(description="Time the renderers.")
    parser.add_argument("--threads", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--device", choices=("cpu", "cuda", "mps"), default="cpu")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--lengths", type=int, nargs="*", default=(250, 2500))
    parser.add_argument("--pirender", type=Path, help="stage file of a trained PIRender")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--peak-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        print_peak(options.peak_of)
        return

    lines = [
        "# Renderers",
        "",
        describe(options.device, options.repeats),
        "",
        "| renderer | side | threads | frames/s | spread | best | CPU ms/frame | over raster "
        "| once ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for size in options.sizes:
        for threads in options.threads:
            lines.append(measure(size, threads, options.device, options.repeats))
            print(lines[-1], flush=True)
    for threads in options.threads:
        for name, renderer, size in pirenders(options.pirender, options.device):
            lines.append(measure_pirender(name, renderer, size, threads, 3))
            print(lines[-1], flush=True)
    for num_frames in options.lengths:
        if num_frames == options.lengths[0]:
            lines += ["", "| frames at 256 px | peak MB |", "|---|---|"]
            print("\n".join(lines[-3:]))
        lines.append(f"| {num_frames} | {peak_mb(num_frames):.0f} |")
        print(lines[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
