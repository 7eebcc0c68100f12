"""`viseme-data vary`: copies of prepared clips that sound otherwise, to train on beside them."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from viseme_core.types import FPS
from viseme_data.clips import FORMAT_VERSION
from viseme_data.manifest import ClipRow, kept, read_manifest
from viseme_data.sources import kept_of, read_facts
from viseme_data.vary.config import VARY_VERSION, VaryConfig
from viseme_data.vary.folder import VariedFolder
from viseme_data.vary.workshop import Job, Workshop, make_all

logger = logging.getLogger(__name__)

# Copies of the last seconds say more about the next than those of all the run.
_SPEED_SEC = 20.0


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run has made; as text, a line for people."""

    rows: list[ClipRow]
    """All rows of the manifest."""
    num_new: int
    """Copies made by this run; the others were there before."""

    def __str__(self) -> str:
        clips = kept(self.rows)
        minutes = sum(row.num_frames for row in clips) / FPS / 60
        speakers = len({row.speaker for row in clips})
        text = (
            f"{len(clips)} copies ({self.num_new} new), {minutes:.1f} minutes, {speakers} speakers"
        )
        if damaged := len(self.rows) - len(clips):
            text += f"; {damaged} clips could not be read"
        return text


def vary(
    folder: Path,
    config: VaryConfig | None = None,
    *,
    out: Path,
    workers: int = 1,
    overwrite: bool = False,
) -> Summary:
    """Copy the training clips of a prepared folder with disturbed sound, to train on beside them.

    The copies make a prepared folder of their own, with the audio features of the other computed
    anew; it has no pictures, and no clips for validation or test. Started again, a run goes on
    where it ended.

    Args:
        folder: Folder that `viseme-data prepare` or `synthesize` wrote.
        config: Settings, on which the results depend.
        out: Folder to write into.
        workers: Processes at a time; 0 works in this one. Results do not depend on it.
        overwrite: Replace copies that other settings, or other clips, have left in the folder.

    Returns:
        What the folder then holds.

    Raises:
        ValueError: If there are no clips with sound to train on, an encoder of their features is
            missing, or `out` holds other data.
        OSError: If the folder cannot be written, for example because the disk is full.
    """
    if workers < 0:
        raise ValueError(f"workers must be at least 0, got {workers}")
    folder, out, config = Path(folder), Path(out), config or VaryConfig()
    if out.exists() and folder.exists() and out.samefile(folder):
        raise ValueError(f"--out {str(out)!r} is the folder with the clips; give another one")
    rows = [row for row in kept_of(read_manifest(folder), "train", str(folder)) if row.has_audio]
    if not rows:
        raise ValueError(f"{folder} has no clip with sound in the split 'train'")
    description = _description(folder, config)
    workshop = Workshop(source=folder, config=config, audio=description["audio"], out=out)
    workshop.check_encoders()
    # Copy by copy: after a break, or with little patience, all clips have as many.
    jobs = [Job(row, copy) for copy in range(config.copies) for row in rows]
    names = [workshop.name(job) for job in jobs]
    target = VariedFolder(out)
    target.check(description, set(names), overwrite=overwrite)
    with target.locked():
        done = {name: row for name in names if (row := target.row(name)) is not None}
        waiting = [job for job, name in zip(jobs, names, strict=True) if name not in done]
        target.describe(description, is_changing=bool(waiting) or overwrite)
        target.sweep(names)
        logger.info("%d copies to make, %d are there", len(waiting), len(done))
        rejected: dict[tuple[str, int, int], ClipRow] = {}
        with _progress(waiting, len(jobs)) as advance:
            for job, row in make_all(waiting, workshop, workers=workers):
                if row.status == "kept":
                    done[row.clip_id] = row
                else:
                    # Once for all copies of a clip.
                    rejected[row.source, row.start_frame, row.face] = row
                advance(job)
        made = [*done.values(), *rejected.values()]
        target.finish(made)
    before = len(jobs) - len(waiting)
    return Summary(rows=made, num_new=len(done) - before)


def _description(folder: Path, config: VaryConfig) -> dict[str, Any]:
    """Return what `dataset.json` of the copies holds: the facts of their clips, and how."""
    facts = read_facts(folder)
    # Of synthetic clips, the names of the phonemes that the extras give by number.
    more = json.loads((folder / "dataset.json").read_text())
    return {
        "format": FORMAT_VERSION,
        "settings": config.lasting(),
        "vary": VARY_VERSION,
        "face_model": facts["face_model"],
        "audio": facts["audio"],
        **{key: more[key] for key in ("phonemes",) if key in more},
    }


@contextmanager
def _progress(waiting: Sequence[Job], num_copies: int) -> Iterator[Callable[[Job], None]]:
    """Show copies, times real time and time left; gives a function that counts a copy."""
    bar = Progress(
        TextColumn("vary"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[copies]}/{task.fields[all]} copies"),
        TextColumn("{task.fields[rate]} times real time"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        speed_estimate_period=_SPEED_SEC,
    )
    total = sum(job.row.num_frames for job in waiting)
    copies = num_copies - len(waiting)
    frames = 0
    task = bar.add_task("", total=max(1, total), copies=copies, all=num_copies, rate="-")
    start_sec = time.monotonic()

    def advance(job: Job) -> None:
        nonlocal copies, frames
        copies, frames = copies + 1, frames + job.row.num_frames
        rate = frames / FPS / max(1e-9, time.monotonic() - start_sec)
        bar.update(task, advance=job.row.num_frames, copies=copies, rate=f"{rate:.1f}")

    with bar:
        yield advance
