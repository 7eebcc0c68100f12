"""`viseme generate` end to end with the embedded default: rate, where the time goes, memory.

    python benchmarks/bench_generate.py [--threads 2] [--seconds 20] [--out FILE.md]
    python benchmarks/bench_generate.py --memory 60 600    # peaks over lengths, in seconds

Every case is a process of its own. Machines are shared, so each row also gives the processor time
per frame, summed over threads. 53 s is the length of the clip that DisentTalk's paper measures its
speed on.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peak import held_mb
from PIL import Image

from viseme_core.types import SAMPLE_RATE_HZ
from viseme_data.sound import read_audio
from viseme_data.stills import read_image
from viseme_pipeline.build_demo import write_flac
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.demo import PORTRAIT, VOICE
from viseme_pipeline.film import write_film
from viseme_pipeline.marking import Marking
from viseme_pipeline.scene import Drawn
from viseme_pipeline.still import open_still
from viseme_pipeline.voice import as_tensors, open_voice
from viseme_pipeline.wishes import Wishes

DISENTTALK_SECONDS = 53


def write_inputs(folder: Path, seconds: float, side: int) -> None:
    """Write a voice of a length and a square portrait of a size."""
    voice_S = read_audio(VOICE).samples_S.numpy()
    write_flac(folder / "voice.flac", np.resize(voice_S, round(seconds * SAMPLE_RATE_HZ)))
    head_HW3 = read_image(PORTRAIT)[0:256, 96:352]
    picture = Image.fromarray(head_HW3).resize((side, side), Image.Resampling.LANCZOS)
    picture.save(folder / "portrait.png")


def run_once(folder: Path, size: int, threads: int, preset: Any) -> dict[str, float]:
    """Return rate and cost of one film, networks loaded before the clock starts."""
    torch.set_num_threads(max(1, threads // 2))
    chain = TalkingFace.from_pretrained(preset=preset, device="cpu")
    wishes = Wishes(size=size)
    target = folder / "film.mp4"
    started, spent = time.perf_counter(), time.process_time()
    film = chain.generate(
        folder / "voice.flac", folder / "portrait.png", out=target, wishes=wishes, overwrite=True
    )
    return {
        "frames": film.num_frames,
        "wall": time.perf_counter() - started,
        "cpu": time.process_time() - spent,
        "peak_mb": held_mb(),
    }


def where_time_goes(folder: Path, size: int, preset: Any) -> dict[str, float]:
    """Return processor milliseconds per frame of each step, one after the other on one thread."""
    torch.set_num_threads(1)
    chain = TalkingFace.from_pretrained(preset=preset, device="cpu")
    wishes = Wishes(size=size)
    found: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        spent = time.process_time()
        result = work()
        found[name] = 1000 * (time.process_time() - spent)
        return result

    voice = timed("opening the voice", lambda: open_voice(folder / "voice.flac"))
    scene = timed(
        "finding and fitting the face", lambda: open_still(folder / "portrait.png", wishes)
    )
    parts = timed(
        "motion",
        lambda: list(
            chain.motion.stream(as_tensors(voice.pieces()), control=wishes.control, **scene.told)
        ),
    )
    drawn: list[Drawn] = timed("drawing", lambda: list(scene.draw(chain.renderer, iter(parts))))
    whole = timed("pasting", lambda: [scene.compose(each) for each in drawn])
    marking, start, marked = Marking(), 0, []

    def mark() -> None:
        nonlocal start
        for frames_THW3 in whole:
            marked.append(marking.embed(frames_THW3, start))
            start += len(frames_THW3)

    timed("watermark", mark)

    def encode() -> None:
        for _ in write_film(folder / "e.mp4", iter(marked), voice, scene.size, crf=wishes.crf):
            pass

    timed("encoding picture and sound", encode)
    return {name: spent / voice.num_frames for name, spent in found.items()}


def child(arguments: argparse.Namespace, **case: Any) -> dict[str, Any]:
    """Return what a process of its own measures."""
    with tempfile.TemporaryDirectory() as scratch:
        write_inputs(Path(scratch), case["seconds"], case.pop("side"))
        command = [sys.executable, __file__, "--child", json.dumps({**case, "folder": scratch})]
        command += ["--threads", str(arguments.threads), "--preset", arguments.preset]
        environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, arguments.threads // 2))}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def report(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of the report."""
    yield "# End to end: `viseme generate` with the embedded default\n"
    yield (
        f"{processor()}, {os.cpu_count()} cores, {arguments.threads} threads; Python "
        f"{platform.python_version()}, torch {torch.__version__}; preset `{arguments.preset}`. "
        f"Load average at the start: {os.getloadavg()[0]:.1f}.\n"
    )
    if arguments.memory:
        yield "| sound, s | frames | peak MB | over the first |\n|---|---|---|---|"
        first = 0.0
        for seconds in arguments.memory:
            row = child(arguments, work="film", seconds=seconds, size=256, side=256)
            first = first or row["peak_mb"]
            yield (
                f"| {seconds:g} | {row['frames']} | {row['peak_mb']:.0f} | "
                f"{row['peak_mb'] / first:.3f} |"
            )
        return
    yield "| case | frames | frames/s | CPU ms/frame | peak MB |\n|---|---|---|---|---|"
    for name, seconds, size, side in (
        (f"{arguments.seconds:g} s, 256 px", arguments.seconds, 256, 256),
        (f"{DISENTTALK_SECONDS} s, 256 px", DISENTTALK_SECONDS, 256, 256),
        (f"{arguments.seconds:g} s, face of 384 px in 512 px", arguments.seconds, 384, 512),
    ):
        row = child(arguments, work="film", seconds=seconds, size=size, side=side)
        cost = 1000 * row["cpu"] / row["frames"]
        yield (
            f"| {name} | {row['frames']} | {row['frames'] / row['wall']:.1f} | {cost:.1f} | "
            f"{row['peak_mb']:.0f} |"
        )
    yield "\n| step, 256 px, one thread | CPU ms/frame |\n|---|---|"
    steps = child(arguments, work="steps", seconds=arguments.seconds, size=256, side=256)
    for name, spent in steps.items():
        yield f"| {name} | {spent:.2f} |"
    yield f"| together | {sum(steps.values()):.2f} |"


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    """Print the report, and write it if a file is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--preset", default="direct")
    parser.add_argument("--memory", type=float, nargs="+", default=[])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        case = json.loads(arguments.child)
        folder, size = Path(case["folder"]), case["size"]
        found = (
            run_once(folder, size, arguments.threads, arguments.preset)
            if case["work"] == "film"
            else where_time_goes(folder, size, arguments.preset)
        )
        print(json.dumps(found))
        return
    lines = []
    for line in report(arguments):
        print(line, flush=True)
        lines.append(line)
    if arguments.out is not None:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
