"""How many times faster than real time synthetic speakers are made, on one core.

python benchmarks/bench_synthetic.py [--write benchmarks/results] [--frames 256]
"""

import argparse
import datetime
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch
from bench_face import cpu_name

from viseme_core.types import FPS
from viseme_data.synthetic.clip import Studio
from viseme_data.synthetic.config import Frames, SynthesizeConfig
from viseme_data.synthetic.run import plan_clips

SPEAKERS = 6
MINUTES = 1.0
LANGUAGES = "en,cmn,de"
FILMED_CLIPS = 3


def main() -> None:
    """Print the table; write it beside the hardware's name if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="folder for the result file")
    parser.add_argument("--frames", choices=("none", "256", "512"), help="this size alone")
    chosen = parser.parse_args()
    # What one worker has.
    torch.set_num_threads(1)
    sizes: tuple[Frames, ...] = (chosen.frames,) if chosen.frames else ("none", "256")
    text = "\n".join([*describe(), "", *table(sizes)])
    print(text)
    if chosen.write:
        hardware = f"{cpu_name().lower().replace(' ', '-')}-{os.cpu_count()}core"
        name = f"synthetic_{hardware}_{datetime.date.today()}.md"
        chosen.write.mkdir(parents=True, exist_ok=True)
        (chosen.write / name).write_text(text + "\n")


def describe() -> list[str]:
    """Return the lines that say what ran where."""
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    return [
        "# Synthetic speakers",
        "",
        f"{datetime.date.today()}, {cpu_name()}, {os.cpu_count()} cores, one thread, "
        f"{platform.system()}, Python {platform.python_version()}, torch {torch.__version__}. "
        f"Load average of the machine before the run (1/5/15 min): {load}.",
        "",
        f"Clips of {SPEAKERS} speakers of {LANGUAGES}, from the plan to the written files:",
        "speech, motion, landmarks, log-mel features and, where asked for, video and masks. After",
        "one clip of warm-up. Real time is the length of the clips over the time they took; per",
        "core by processor time, which other programs on the machine disturb less.",
    ]


def table(sizes: tuple[Frames, ...]) -> list[str]:
    """Return one row per size of the pictures."""
    lines = [
        "| pictures | clips | minutes | times real time, wall | per core, median clip "
        "| slowest | fastest |",
        "|---|---|---|---|---|---|---|",
    ]
    for frames in sizes:
        config = SynthesizeConfig(
            speakers=SPEAKERS, minutes=MINUTES, languages=LANGUAGES, frames=frames
        )
        studio, plans = Studio(config=config), plan_clips(config)
        if frames != "none":
            plans = plans[: FILMED_CLIPS + 1]
        per_core, seconds, wall_sec = [], 0.0, 0.0
        with tempfile.TemporaryDirectory() as folder:
            studio.make(plans[0], Path(folder))
            for plan in plans[1:]:
                started, worked = time.perf_counter(), time.process_time()
                studio.make(plan, Path(folder))
                length_sec = plan.num_frames / FPS
                per_core.append(length_sec / (time.process_time() - worked))
                wall_sec += time.perf_counter() - started
                seconds += length_sec
        size = "none" if frames == "none" else f"{frames} px"
        lines.append(
            f"| {size} | {len(per_core)} | {seconds / 60:.1f} | {seconds / wall_sec:.1f} "
            f"| {statistics.median(per_core):.1f} | {min(per_core):.1f} | {max(per_core):.1f} |"
        )
    return lines


if __name__ == "__main__":
    main()
