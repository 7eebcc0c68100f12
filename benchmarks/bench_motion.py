"""Voice to motion: rate of each preset, the sound until the first motion, memory, and quality.

    python benchmarks/bench_motion.py --out benchmarks/results/motion_HARDWARE_DATE.md
    python benchmarks/bench_motion.py --fd2talk runs/motion/fd2talk --data data/prepared

Without checkpoints the networks have the sizes of `paper.yaml`, log-mel sound and random weights:
rates and memory are those of trained ones, quality is not measured. Every case runs in a process of
its own, so that its peak memory is its own.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from viseme_core.types import FPS, NUM_EXPRESSION, SAMPLE_RATE_HZ, AudioClip
from viseme_eval.functional.curves import curve_correlation
from viseme_face import MorphableModel, lip_opening
from viseme_face.layouts import LIP
from viseme_motion import MotionGenerator
from viseme_motion.build import build_model, load_model
from viseme_motion.config import MotionConfig, pinned
from viseme_motion.datamodule import MotionDataConfig, MotionDataModule
from viseme_motion.generation import MotionStream
from viseme_motion.presets import find_preset
from viseme_motion.windows import WindowConfig

SYSTEMS = ("fd2talk", "disenttalk")
# Slow presets are measured on less sound.
SECONDS = {"fast": 20.0, "balanced": 10.0, "paper": 4.0}
PAPER_WINDOWS = {"fd2talk": WindowConfig(), "disenttalk": WindowConfig(length=50, hop=16)}
CHUNK = SAMPLE_RATE_HZ // 100


def main() -> None:
    """Run the cases one after the other and print or write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", nargs="+", default=SYSTEMS, choices=SYSTEMS)
    parser.add_argument("--presets", nargs="+", default=list(SECONDS), choices=list(SECONDS))
    parser.add_argument("--fd2talk", metavar="CHECKPOINT", help="measure this one instead")
    parser.add_argument("--disenttalk", metavar="CHECKPOINT", help="likewise")
    parser.add_argument("--data", help="folder of prepared clips, for quality")
    parser.add_argument("--samples", type=int, default=24, help="samples of 4 s for quality")
    parser.add_argument("--minutes", nargs="*", type=float, default=[1.0, 60.0], help="for memory")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--case", nargs=2, metavar=("WHAT", "JSON"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        what, job = args.case[0], json.loads(args.case[1])
        cases: dict[str, Callable[..., Any]] = {
            "rate": measure_rate,
            "memory": measure_memory,
            "quality": measure_quality,
        }
        print(json.dumps(cases[what](**job)))
        return
    report = "\n".join(make_report(args))
    print(report)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(report + "\n")


def make_report(args: argparse.Namespace) -> list[str]:
    """Return the report's lines."""
    checkpoints = {"fd2talk": args.fd2talk, "disenttalk": args.disenttalk}
    lines = [*describe(args), "", *RATE_HEAD]
    for system in args.systems:
        for preset in args.presets:
            job = {"system": system, "preset": preset, "checkpoint": checkpoints[system]}
            found = run_case("rate", threads=args.threads, repeats=args.repeats, **job)
            weights = "trained" if checkpoints[system] else "random"
            lines.append(
                f"| {system}, {weights} | {preset} | {found['steps']} | {found['rate']:.1f} "
                f"({found['slowest']:.1f} to {found['fastest']:.1f}) | {found['core_ms']:.0f} "
                f"| {found['encoder_ms']:.1f} | {found['first_sec']:.2f} |"
            )
    lines += ["", *MEMORY_HEAD]
    for system in args.systems:
        for minutes in args.minutes:
            job = {"system": system, "minutes": minutes, "checkpoint": checkpoints[system]}
            peak = run_case("memory", threads=args.threads, **job)
            lines.append(f"| {system} | {minutes:g} | {peak:.0f} |")
    for system in args.systems:
        if args.data and checkpoints[system]:
            job = {"checkpoint": checkpoints[system], "data": args.data, "samples": args.samples}
            lines += ["", f"## Quality of {system}", "", *QUALITY_HEAD]
            found = run_case("quality", threads=args.threads, presets=args.presets, **job)
            lines += [f"| {name} | " + " | ".join(row) + " |" for name, row in found.items()]
    return lines


RATE_HEAD = [
    "| system, weights | preset | steps | times real time, median (slowest to fastest) "
    "| core-ms per second of sound | of it log-mel | sound before the first motion, s |",
    "|---|---|---|---|---|---|---|",
]
MEMORY_HEAD = [
    "Peak memory of `stream()`, preset `fast`, fed pieces of 10 ms; Python and libraries included.",
    "",
    "| system | minutes of sound | peak, MiB |",
    "|---|---|---|",
]
QUALITY_HEAD = [
    "Means over samples of lip-opening correlation and of the lips' landmark distance in mouth",
    "widths, to the truth and to what `paper` gives from the same noise.",
    "",
    "| preset | correlation, truth | distance, truth | correlation, paper | distance, paper |",
    "|---|---|---|---|---|",
]


def describe(args: argparse.Namespace) -> list[str]:
    """Return the lines that say what ran where."""
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    return [
        "# Voice to motion",
        "",
        f"{datetime.date.today()}, {cpu_name()}, {os.cpu_count()} cores, {args.threads} threads, "
        f"{platform.system()}, Python {platform.python_version()}, torch {torch.__version__}. "
        f"Load average of the machine before the run (1/5/15 min): {load}.",
        "",
        "Random weights have the sizes of `paper.yaml` with log-mel: only speed and memory count. "
        f"Median of {args.repeats} runs after a warm-up, of {SECONDS} seconds of sound. "
        "Core-milliseconds are one thread's processor time, which other programs disturb less.",
    ]


def measure_rate(
    system: str, preset: str, checkpoint: str | None, threads: int, repeats: int
) -> dict[str, Any]:
    """Return how fast a preset generates, and how soon a stream begins."""
    torch.set_num_threads(threads)
    generator = make_generator(system, preset, checkpoint)
    seconds = SECONDS[preset]
    sound = AudioClip(noise(round(seconds * SAMPLE_RATE_HZ), seed=0))
    generator(AudioClip(sound.samples_S[:SAMPLE_RATE_HZ]))
    rates = [seconds / spent(lambda: generator(sound), time.perf_counter) for _ in range(repeats)]
    torch.set_num_threads(1)
    core_sec = spent(lambda: generator(sound), time.process_time)
    encoder_sec = spent(lambda: generator.encoder.encode(sound), time.process_time)
    sampler = find_preset(preset, generator.config.system).sampler
    guided = "" if sampler.guidance_scale == 1 else f", guidance {sampler.guidance_scale:g}"
    return {
        "steps": f"{sampler.solver} {sampler.num_steps}{guided}",
        "rate": statistics.median(rates),
        "slowest": min(rates),
        "fastest": max(rates),
        "core_ms": 1000 * core_sec / seconds,
        "encoder_ms": 1000 * encoder_sec / seconds,
        "first_sec": first_motion_sec(generator),
    }


def first_motion_sec(generator: MotionGenerator) -> float:
    """Return how much sound a stream hears before it gives motion."""
    heard = 0

    def chunks() -> Iterator[Tensor]:
        nonlocal heard
        for number in range(3000):
            heard += CHUNK
            yield noise(CHUNK, seed=number)

    next(iter(generator.stream(chunks())))
    return heard / SAMPLE_RATE_HZ


def measure_memory(system: str, minutes: float, checkpoint: str | None, threads: int) -> float:
    """Return the peak memory in MiB of streaming so much sound."""
    torch.set_num_threads(threads)
    generator = make_generator(system, "fast", checkpoint)
    count = round(minutes * 60 * SAMPLE_RATE_HZ / CHUNK)
    motions = generator.stream(noise(CHUNK, seed=number) for number in range(count))
    frames = sum(motion.num_frames for motion in motions)
    assert frames == round(minutes * 60 * FPS)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_quality(
    checkpoint: str, data: str, samples: int, presets: list[str], threads: int
) -> dict[str, list[str]]:
    """Return scores of each preset against the truth and against `paper`."""
    torch.set_num_threads(threads)
    model, config, face_model = load_model(checkpoint)
    face = MorphableModel.builtin()
    if face.name != face_model:
        raise ValueError(f"{checkpoint} has face model {face_model!r}, this measures {face.name!r}")
    module = MotionDataModule(
        MotionDataConfig(path=data, frames=config.windows.length, batch_size=8, num_workers=0)
    )
    module.setup("validate")
    rows: dict[str, list[list[float]]] = {name: [] for name in [*presets, "mean face"]}
    left = samples
    for batch in module.val_dataloader():
        made = {
            name: _expressions(model, batch.audio_BTA[:left], name, config.system)
            for name in {*presets, "paper"}
        }
        mean_C = model.motion_scale.mean[:NUM_EXPRESSION]
        made["mean face"] = mean_C.expand_as(made["paper"])
        for i in range(len(made["paper"])):
            real_T, identity_I = batch.mask_BT[i], batch.identity_BI[i]
            truth_TK3, paper_TK3 = (
                face.landmarks(identity_I, each[i, real_T], "mp478")
                for each in (batch.expression_BTC, made["paper"])
            )
            for name, scores in rows.items():
                found_TK3 = face.landmarks(identity_I, made[name][i, real_T], "mp478")
                scores.append([*compare(found_TK3, truth_TK3), *compare(found_TK3, paper_TK3)])
        left -= len(made["paper"])
        if left <= 0:
            break
    means = {name: torch.tensor(scores).nanmean(0).tolist() for name, scores in rows.items()}
    return {name: [f"{value:.3f}" for value in mean] for name, mean in means.items()}


def compare(found_TK3: Tensor, other_TK3: Tensor) -> tuple[float, float]:
    """Return lip-opening correlation and the lips' distance in mouth widths."""
    lips = list(LIP)
    width = (other_TK3[:, 61] - other_TK3[:, 291]).norm(dim=-1).mean()
    distance = (found_TK3 - other_TK3)[:, lips].norm(dim=-1).mean() / width
    return float(curve_correlation(lip_opening(found_TK3), lip_opening(other_TK3))), float(distance)


def make_generator(system: str, preset: Any, checkpoint: str | None) -> MotionGenerator:
    """Return the generator of a checkpoint, or one of the paper's size with random weights."""
    if checkpoint:
        return MotionGenerator.from_checkpoint(checkpoint, preset=preset)
    torch.manual_seed(0)
    face_model = MorphableModel.builtin().name
    config: Any = {"system": system, "windows": PAPER_WINDOWS[system]}
    config = pinned(MotionConfig(**config), face_model)
    return MotionGenerator(build_model(config, face_model), config, face_model, preset=preset)


def noise(count: int, seed: int) -> Tensor:
    """Return noise as loud as speech."""
    return 0.1 * torch.randn(count, generator=torch.Generator().manual_seed(seed))


def spent(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return what a call takes by the clock, in seconds."""
    start = clock()
    work()
    return clock() - start


def run_case(what: str, **job: Any) -> Any:
    """Return what a case measures in a process of its own."""
    command = [sys.executable, __file__, "--case", what, json.dumps(job)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def cpu_name() -> str:
    """Return the processor's model name."""
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _expressions(model: Any, audio_BTA: Tensor, preset: Any, system: str) -> Tensor:
    chosen = find_preset(preset, system)
    stream = MotionStream(
        model,
        chosen.sampler,
        seed=0,
        voices=list(range(len(audio_BTA))),
        windows=chosen.windows(model.windows),
    )
    made_BTC = torch.cat([stream.push(audio_BTA), stream.finish()], 1)
    return made_BTC[..., :NUM_EXPRESSION]


if __name__ == "__main__":
    main()
