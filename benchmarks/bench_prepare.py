"""Frames per second of preparation, beside a bare loop of PyAV and FaceMesh over the same clips.

    python benchmarks/bench_prepare.py [VIDEOS] [--repeats 3] [--out FILE.md]

The bare loop decodes (all threads), converts to RGB and runs MediaPipe's FaceMesh with refined
landmarks, in one process or several that take clips from one list. Preparation does all that and
fits, films, measures and writes. Start-up is left out of both. Machines are shared, so the rounds
alternate, and processor time per frame, which depends less on what else runs, is given as well.
For the same reason IP_LAP's recipe (`peer_preparation.py`) runs in every round: 191 frames/s were
measured on another day.
Peak memory is that of a process that prepares one video of one minute, then of ten.
Without VIDEOS the clips are made of the portrait that the tests use.
"""

import argparse
import importlib.metadata
import logging
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from peak import held_mb

sys.path.insert(0, str(Path(__file__).parents[1]))

from peer_preparation import peer_rate

ROUND_FRAMES = 250
# Enough that the end, when one worker is through and the other is not, does not count.
NUM_CLIPS = 16
IP_LAP_RATE = 191.0
"""Frames per second of IP_LAP's own preparation on two cores, for a 512 px clip."""
ALONE = "prepare, 1 worker, 1 core"
PEER = "IP_LAP's recipe, 6 threads"


def bare_loop(mesh: Any, path: Path) -> int:
    """Return the number of frames that FaceMesh has seen."""
    count = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            mesh.process(frame.to_ndarray(format="rgb24"))
            count += 1
    return count


def start_mesh() -> Any:
    """Return a FaceMesh that has seen a picture."""
    from mediapipe.python.solutions.face_mesh import FaceMesh

    warnings.filterwarnings("ignore")
    mesh = FaceMesh(refine_landmarks=True, max_num_faces=1)
    mesh.process(np.zeros((64, 64, 3), np.uint8))
    return mesh


def bare_worker(tasks: Any, results: Any) -> None:
    """Run the bare loop over the paths that come, until None does."""
    mesh = start_mesh()
    results.put(0)
    while (path := tasks.get()) is not None:
        results.put(bare_loop(mesh, path))


def bare_rate(paths: Sequence[Path], processes: int) -> float:
    """Return the frames per second of the bare loop in so many processes."""
    context = multiprocessing.get_context("spawn")
    tasks, results = context.Queue(), context.Queue()
    crew = [context.Process(target=bare_worker, args=(tasks, results)) for _ in range(processes)]
    for process in crew:
        process.start()
    for _ in crew:
        results.get()
    start = time.perf_counter()
    for item in [*paths, *[None] * processes]:
        tasks.put(item)
    frames = sum(results.get() for _ in paths)
    seconds = time.perf_counter() - start
    for process in crew:
        process.join()
    return frames / seconds


def sources_of(paths: Sequence[Path]) -> list[Any]:
    """Return the clips as preparation wants them, under names of their own."""
    from viseme_data.layouts import ClipFacts
    from viseme_data.prepare.sources import Source

    facts = ClipFacts(speaker="someone")
    return [
        Source(path=path, name=f"{k}", facts=facts, content_hash=f"{k}")
        for k, path in enumerate(paths)
    ]


def prepare_rate(paths: Sequence[Path], workers: int, *, spread: bool = True) -> float:
    """Return the frames per second of preparation with so many workers, once all are ready."""
    from viseme_data.prepare.config import PrepareConfig
    from viseme_data.prepare.workers import Looked, Prepared, prepare_all

    frames, ready, start, end = 0, 0, 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for event in prepare_all(
            sources_of(paths), PrepareConfig(), Path(folder), workers=workers, spread=spread
        ):
            if isinstance(event, Looked) and event.num_frames == 0 and ready < workers:
                ready += 1
                if ready == workers:
                    start, frames = time.perf_counter(), 0
            elif isinstance(event, Looked):
                frames += event.num_frames
            end = time.perf_counter() if isinstance(event, Prepared) else end
    return frames / (end - start)


def processor_times(paths: Sequence[Path], repeats: int) -> tuple[float, float]:
    """Return the processor time per frame of the bare loop and of preparation, in ms, the least."""
    from viseme_data.prepare.config import PrepareConfig
    from viseme_data.prepare.source import prepare_source
    from viseme_data.prepare.tools import Tools

    mesh = start_mesh()
    bare, ours = [], []
    with Tools.build(PrepareConfig()) as tools, tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            start = time.process_time()
            frames = sum(bare_loop(mesh, path) for path in paths)
            bare.append((time.process_time() - start) / frames)
            looked: list[int] = []
            start = time.process_time()
            for source in sources_of(paths):
                prepare_source(source, tools, Path(folder), on_frames=looked.append)
            ours.append((time.process_time() - start) / sum(looked))
    return 1e3 * min(bare), 1e3 * min(ours)


def peak_megabytes(path: Path, results: Any) -> None:
    """Prepare one video and say how much memory the process took at most."""
    from viseme_data.prepare.allocator import keep_freed_memory
    from viseme_data.prepare.config import PrepareConfig
    from viseme_data.prepare.source import prepare_source
    from viseme_data.prepare.tools import Tools

    keep_freed_memory()
    with Tools.build(PrepareConfig()) as tools, tempfile.TemporaryDirectory() as folder:
        prepare_source(sources_of([path])[0], tools, Path(folder))
    results.put(held_mb())


def peak_memory(path: Path) -> float:
    """Return the peak memory of a fresh process that prepares a video, in MB."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=peak_megabytes, args=(path, results))
    process.start()
    peak = results.get()
    process.join()
    return peak


def make_clip(path: Path, side: int = 512) -> Path:
    """Make ten seconds of the portrait, swaying, with sound."""
    import cv2

    from tests.data.corpora import drawn, speech
    from viseme_data.write import VideoWriter

    sound = speech(ROUND_FRAMES / 25)
    with VideoWriter(path, (side, side), audio=16_000) as writer:
        for k in range(ROUND_FRAMES):
            writer.write(cv2.resize(drawn(k), (side, side)))
            writer.write_audio(sound[640 * k : 640 * (k + 1)])
    return path


def repeated(clip: Path, path: Path, minutes: int) -> Path:
    """Make a video of so many minutes of a clip over and over, without coding it again."""
    from viseme_data.media import probe

    seconds = probe(clip).seconds
    with av.open(str(clip)) as given, av.open(str(path), "w") as output:
        template: Any = given.streams.video[0]
        stream = output.add_stream_from_template(template)
        packets: list[Any] = [p for p in given.demux(template) if p.dts is not None]
        length = round(seconds / template.time_base)
        for k in range(round(minutes * 60 / seconds)):
            for packet in packets:
                copy: Any = av.Packet(bytes(packet))
                copy.pts, copy.dts = packet.pts + k * length, packet.dts + k * length
                copy.time_base, copy.duration = packet.time_base, packet.duration
                copy.is_keyframe, copy.stream = packet.is_keyframe, stream
                output.mux(copy)
    return path


def describe(paths: Sequence[Path], repeats: int) -> str:
    """Return hardware, versions and clips."""
    name = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        name = models[0].partition(":")[2].strip() if models else name
    packages = ("av", "mediapipe", "numpy", "opencv-python", "torch")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    return (
        f"{name}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}, "
        f"{platform.system()}.\n{len(paths)} clips, {repeats} rounds, median (range).\n"
        f"Load average at the start: {os.getloadavg()[0]:.1f}."
    )


def summary(rates: dict[str, list[float]]) -> list[str]:
    """Return the table of rates and what follows from it."""
    lines = ["| what | frames/s | range |", "|---|---|---|"]
    middle = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        lines.append(f"| {name} | {middle[name]:.0f} | {min(values):.0f} - {max(values):.0f} |")
    share = middle["prepare, 1 worker"] / middle["bare loop, 1 process"]
    both = middle["prepare, 2 workers"]
    # A worker that is alone uses a second core as well, which two have no third for.
    ours = both / middle[ALONE]
    theirs = middle["bare loop, 2 processes"] / middle["bare loop, 1 process"]
    return [
        *lines,
        "",
        f"Preparation runs at {share:.2f} of the bare loop's rate in one process (aim 0.7).",
        f"Two workers are {ours:.2f} times as fast as one on one core, two bare processes "
        f"{theirs:.2f} times as one: a share of {ours / theirs:.2f} (aim 0.9). A worker that is "
        f"alone uses two cores; two are {both / middle['prepare, 1 worker']:.2f} times as fast.",
        f"Two workers are {both / middle[PEER]:.2f} times as fast as IP_LAP's recipe in the same "
        f"rounds (aim 1.5), and {both / IP_LAP_RATE:.2f} times as fast as the {IP_LAP_RATE:.0f} "
        f"frames/s once measured of it; two bare processes are "
        f"{middle['bare loop, 2 processes'] / IP_LAP_RATE:.2f} times as fast as that here.",
    ]


def main() -> None:
    """Print the tables and, if asked, write them."""
    parser = argparse.ArgumentParser(description="Time preparation against a bare loop.")
    parser.add_argument("videos", type=Path, nargs="?", help="folder of videos")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    args = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as scratch:
        if args.videos is None:
            clip = make_clip(Path(scratch) / "clip.mp4")
            paths = [clip] * NUM_CLIPS
        else:
            paths = sorted(p for p in args.videos.iterdir() if p.is_file())
            clip = paths[0]
        lines = ["# Preparation", "", describe(paths, args.repeats), ""]
        rates: dict[str, list[float]] = {}
        for _ in range(args.repeats):
            for number, noun in ((1, "process"), (2, "processes")):
                rates.setdefault(f"bare loop, {number} {noun}", []).append(bare_rate(paths, number))
            for number, noun in ((1, "worker"), (2, "workers")):
                rates.setdefault(f"prepare, {number} {noun}", []).append(
                    prepare_rate(paths, number)
                )
            rates.setdefault(ALONE, []).append(prepare_rate(paths, 1, spread=False))
            rates.setdefault(PEER, []).append(peer_rate(paths))
        lines += summary(rates)
        bare, ours = processor_times(paths, args.repeats)
        lines += [
            "",
            f"Processor time per frame: bare loop {bare:.2f} ms, preparation {ours:.2f} ms "
            f"({ours / bare:.2f} times as much).",
        ]
        one, ten = (
            peak_memory(repeated(clip, Path(scratch) / f"{minutes}.mp4", minutes))
            for minutes in (1, 10)
        )
        lines += [
            "",
            f"Peak memory: {one:.0f} MB for one minute, {ten:.0f} MB for ten "
            f"({ten / one:.2f} times, aim 1.2).",
        ]
    print("\n".join(lines))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
