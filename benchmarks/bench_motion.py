"""Voice to motion: rate of each preset, the sound until the first motion, memory, and quality.

    python benchmarks/bench_motion.py --out benchmarks/results/motion_HARDWARE_DATE.md
    python benchmarks/bench_motion.py --checkpoint runs/motion/fd2talk/small --data data/prepared

Without checkpoints the networks have the sizes of `paper.yaml`, log-mel sound and random weights;
quality, by `bench_motion_quality.py`, is not measured. Every case is a process of its own.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from peak import held_mb
from torch import Tensor

from viseme_core.audio import PretrainedConfig, build_encoder
from viseme_core.checkpoint import load_stage
from viseme_core.types import FPS, SAMPLE_RATE_HZ, AudioClip
from viseme_face import MorphableModel
from viseme_motion import MotionGenerator
from viseme_motion.build import build_model
from viseme_motion.config import MotionConfig, pinned
from viseme_motion.presets import find_preset
from viseme_motion.windows import WindowConfig

SYSTEMS = ("fd2talk", "disenttalk")
# Slow presets are measured on less sound.
SECONDS = {"fast": 20.0, "balanced": 10.0, "paper": 4.0}
PAPER_WINDOWS = {"fd2talk": WindowConfig(), "disenttalk": WindowConfig(length=50, hop=16)}
CHUNK = SAMPLE_RATE_HZ // 100
QUALITY = Path(__file__).with_name("bench_motion_quality.py")
# Whisper tiny's encoder; of its decoder, which is not used, as little as may be.
WHISPER_TINY = {
    "d_model": 384, "encoder_layers": 4, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536,
    "decoder_layers": 1, "decoder_attention_heads": 6, "decoder_ffn_dim": 8, "vocab_size": 8,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
}  # fmt: skip


def main() -> None:
    """Run the cases one after the other and print or write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", nargs="+", default=SYSTEMS, choices=SYSTEMS)
    parser.add_argument("--presets", nargs="+", default=list(SECONDS), choices=list(SECONDS))
    parser.add_argument(
        "--checkpoint", nargs="*", default=[], help="of a system, instead of random"
    )
    parser.add_argument(
        "--data", help="prepared clips; what presets lose on those of its test split"
    )
    parser.add_argument("--samples", type=int, default=24, help="samples of 4 s for that")
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
            "equality": measure_equality,
            "encoder": measure_encoder,
            "memory": measure_memory,
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
    checkpoints: dict[str, str | None] = dict.fromkeys(args.systems)
    checkpoints |= {
        load_stage(path, stage="motion").header.system: path for path in args.checkpoint
    }
    lines = [*describe(args), "", *rate_head(args.threads)]
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
    whisper_ms = run_case("encoder")
    lines += [
        "",
        f"A pretrained encoder comes on top: one of Whisper tiny's size takes {whisper_ms:.0f} "
        "core-ms per second of sound. Its weights are untrained, which is the same work.",
        "",
        *(
            f"`stream()` fed pieces of random sizes differs from the whole call, {system}, by at "
            f"most {run_case('equality', system=system, checkpoint=checkpoints[system]):.1e}."
            for system in args.systems
        ),
        "",
        *MEMORY_HEAD,
    ]
    # Time does not count here: cases share the processor, a thread each.
    with ThreadPoolExecutor(args.threads) as pool:
        peaks = {
            (system, minutes): pool.submit(
                run_case, "memory", system=system, minutes=minutes, checkpoint=checkpoints[system]
            )
            for minutes in sorted(args.minutes, reverse=True)
            for system in args.systems
        }
    for system in args.systems:
        first = peaks[system, args.minutes[0]].result() if args.minutes else 0.0
        for minutes in args.minutes:
            peak = peaks[system, minutes].result()
            lines.append(f"| {system} | {minutes:g} | {peak:.0f} | {peak / first:.3f} |")
    trained = [path for path in checkpoints.values() if path]
    if args.data and trained:
        options = ["--data", args.data, "--samples", str(args.samples)]
        options += ["--threads", str(args.threads), "--presets", *args.presets]
        lines += ["", run_script(QUALITY, "--checkpoint", *trained, *options).strip()]
    return lines


def rate_head(threads: int) -> list[str]:
    """Return the head of the table of rates."""
    return [
        f"| system, weights | preset | steps | times real time on {threads} threads, median "
        "(slowest to fastest) | core-ms per second of sound | of it log-mel | sound before the "
        "first motion, s |",
        "|---|---|---|---|---|---|---|",
    ]


MEMORY_HEAD = [
    "Peak memory of `stream()`, preset `fast`, fed pieces of 10 ms; Python and libraries included.",
    "",
    "| system | minutes of sound | peak, MiB | ratio |",
    "|---|---|---|---|",
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


def measure_encoder() -> float:
    """Return the core-ms that an encoder of Whisper tiny's size takes per second of sound."""
    import transformers

    torch.set_num_threads(1)
    seconds = 20.0
    with tempfile.TemporaryDirectory() as folder:
        model = transformers.WhisperModel(transformers.WhisperConfig.from_dict(dict(WHISPER_TINY)))
        model.save_pretrained(folder)
        encoder = build_encoder(PretrainedConfig(kind="whisper", path=folder))
        sound = AudioClip(noise(round(seconds * SAMPLE_RATE_HZ), seed=0))
        encoder.encode(sound)
        return 1000 * spent(lambda: encoder.encode(sound), time.process_time) / seconds


def measure_equality(system: str, checkpoint: str | None) -> float:
    """Return the largest difference between a stream in pieces of random sizes and the call."""
    generator = make_generator(system, "fast", checkpoint)
    sound = AudioClip(noise(round(7.3 * SAMPLE_RATE_HZ), seed=0))
    whole = generator(sound, seed=1)
    sizes = torch.randint(1, SAMPLE_RATE_HZ, (200,), generator=torch.Generator().manual_seed(2))
    ends = [end for end in sizes.cumsum(0).tolist() if end < len(sound.samples_S)]
    pieces = sound.samples_S.tensor_split(ends)
    parts = list(generator.stream(pieces, seed=1))
    expression = torch.cat([part.expression for part in parts]) - whole.expression
    pose = torch.cat([part.pose for part in parts]) - whole.pose
    return float(torch.cat([expression, pose], -1).abs().max())


def measure_memory(system: str, minutes: float, checkpoint: str | None) -> float:
    """Return the peak memory in MiB of streaming so much sound."""
    torch.set_num_threads(1)
    generator = make_generator(system, "fast", checkpoint)
    count = round(minutes * 60 * SAMPLE_RATE_HZ / CHUNK)
    motions = generator.stream(noise(CHUNK, seed=number) for number in range(count))
    frames = sum(motion.num_frames for motion in motions)
    assert frames == round(minutes * 60 * FPS)
    return held_mb()


def make_generator(system: str, preset: Any, checkpoint: str | None) -> MotionGenerator:
    """Return the generator of a checkpoint, or one of the paper's size with random weights."""
    if checkpoint:
        return MotionGenerator.from_checkpoint(checkpoint, preset=preset)
    torch.manual_seed(0)
    face_model = MorphableModel.builtin().name
    settings: Any = {"system": system, "windows": PAPER_WINDOWS[system]}
    config = pinned(MotionConfig(**settings), face_model)
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
    return json.loads(run_script(__file__, "--case", what, json.dumps(job)).splitlines()[-1])


def run_script(script: str | Path, *arguments: str) -> str:
    """Return what a script prints that runs in a process of its own."""
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def cpu_name() -> str:
    """Return the processor's model name."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
