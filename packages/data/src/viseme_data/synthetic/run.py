"""`viseme-data synthesize`: speakers out of nothing, as a folder of prepared clips."""

import logging
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from viseme_core.types import FPS
from viseme_data.manifest import ClipRow
from viseme_data.run_guard import end_with_parent
from viseme_data.synthetic.clip import Studio
from viseme_data.synthetic.config import SynthesizeConfig
from viseme_data.synthetic.folder import SyntheticFolder
from viseme_data.synthetic.plan import ClipPlan, plan_speaker
from viseme_data.synthetic.speaker import make_speaker
from viseme_data.synthetic.speech import find_espeak
from viseme_data.synthetic.text import grammar

logger = logging.getLogger(__name__)

_SPEED_SEC = 20.0


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run has made; as text, a line for people."""

    rows: list[ClipRow]
    """All rows of the manifest."""
    num_new: int
    """Clips made by this run; the others were there before."""

    def __str__(self) -> str:
        minutes = sum(row.num_frames for row in self.rows) / FPS / 60
        speakers = len({row.speaker for row in self.rows})
        splits = Counter(row.split for row in self.rows)
        return (
            f"{len(self.rows)} clips ({self.num_new} new), {minutes:.1f} minutes, {speakers} "
            f"speakers (train {splits['train']}, val {splits['val']}, test {splits['test']})"
        )


def synthesize(
    config: SynthesizeConfig | None = None,
    *,
    out: Path,
    workers: int = 1,
    overwrite: bool = False,
) -> Summary:
    """Make synthetic speakers with every ground truth; started again, it goes on where it ended.

    Args:
        config: Settings, on which the results depend.
        out: Folder to write into.
        workers: Processes at a time; 0 works in this one. Results do not depend on it.
        overwrite: Replace what other settings have left in the folder.

    Returns:
        What the folder then holds.

    Raises:
        ImportError: If espeak-ng is not installed.
        ValueError: If the folder holds other data.
        OSError: If the folder cannot be written, for example because the disk is full.
    """
    if workers < 0:
        raise ValueError(f"workers must be at least 0, got {workers}")
    config = config or SynthesizeConfig()
    find_espeak()
    studio = Studio(config=config)
    plans = {studio.clip_id(plan): plan for plan in plan_clips(config)}
    folder = SyntheticFolder(Path(out))
    folder.check(studio, set(plans), overwrite)
    with folder.locked():
        folder.describe(studio)
        rows = {
            name: row
            for name, plan in plans.items()
            if (row := folder.row(name, plan, config)) is not None
        }
        waiting = [plans[name] for name in plans if name not in rows]
        folder.sweep(set(plans))
        logger.info("%d clips to make, %d are there", len(waiting), len(rows))
        with _progress(waiting, len(plans)) as advance:
            for plan, row in _make_all(waiting, config, folder, workers):
                rows[row.clip_id] = row
                advance(plan)
        folder.finish(list(rows.values()))
    return Summary(rows=list(rows.values()), num_new=len(waiting))


def plan_clips(config: SynthesizeConfig) -> list[ClipPlan]:
    """Return all clips of a data set before they are made."""
    codes = config.language_codes
    plans: list[ClipPlan] = []
    for number in range(config.speakers):
        speaker = make_speaker(config.seed, number, grammar(codes[number % len(codes)]))
        plans += plan_speaker(speaker, config.frames_per_speaker)
    return plans


def _make_all(
    plans: Sequence[ClipPlan], config: SynthesizeConfig, folder: SyntheticFolder, workers: int
) -> Iterator[tuple[ClipPlan, ClipRow]]:
    if not plans:
        return
    if workers == 0:
        threads = torch.get_num_threads()
        _start_worker(config, None)
        try:
            for plan in plans:
                yield plan, _make(plan, folder.path)
        finally:
            torch.set_num_threads(threads)
        return
    with ProcessPoolExecutor(
        min(workers, len(plans)),
        multiprocessing.get_context("spawn"),
        _start_worker,
        (config, os.getpid()),
    ) as pool:
        jobs = {pool.submit(_make, plan, folder.path): plan for plan in plans}
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a worker was killed, as systems do that run out of memory; run the same command "
                "again with fewer workers, it goes on from here"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_studio: Studio | None = None


def _start_worker(config: SynthesizeConfig, parent: int | None) -> None:
    """Get a process ready to make clips; in a worker, end it when its parent is gone."""
    global _studio
    # Sums then come out the same wherever they are made.
    torch.set_num_threads(1)
    _studio = Studio(config=config)
    if parent is not None:
        end_with_parent(parent)


def _make(plan: ClipPlan, path: Path) -> ClipRow:
    assert _studio is not None
    folder = SyntheticFolder(path)
    row = _studio.make(plan, folder.clips)
    folder.set_done(row)
    return row


@contextmanager
def _progress(waiting: Sequence[ClipPlan], num_clips: int) -> Iterator[Any]:
    """Show clips and times real time on the terminal; gives a function that counts a clip."""
    bar = Progress(
        TextColumn("synthesize"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[clips]}/{task.fields[all]} clips"),
        TextColumn("{task.fields[rate]} times real time"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        speed_estimate_period=_SPEED_SEC,
    )
    total = sum(plan.num_frames for plan in waiting)
    before = num_clips - len(waiting)
    task = bar.add_task("", total=max(1, total), clips=before, all=num_clips, rate="-")
    done = Counter({"clips": before})
    start_sec = time.monotonic()

    def advance(plan: ClipPlan) -> None:
        done["clips"] += 1
        done["frames"] += plan.num_frames
        rate = done["frames"] / FPS / max(1e-9, time.monotonic() - start_sec)
        bar.update(task, advance=plan.num_frames, clips=done["clips"], rate=f"{rate:.1f}")

    with bar:
        yield advance
