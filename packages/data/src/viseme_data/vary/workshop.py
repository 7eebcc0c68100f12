"""One copy after another, here or in worker processes."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch

from viseme_core.audio import AudioEncoder, audio_config_from_plain, build_encoder
from viseme_core.types import SAMPLES_PER_FRAME
from viseme_data.clips import read_clip, write_clip
from viseme_data.manifest import ClipRow
from viseme_data.run_guard import end_with_parent
from viseme_data.sources import clip_path
from viseme_data.vary.clip import check_numbers, copy_id, row_of, vary_clip
from viseme_data.vary.config import VaryConfig
from viseme_data.vary.folder import VariedFolder


class Job(NamedTuple):
    """One copy to make."""

    row: ClipRow
    """Clip that it is a copy of."""
    copy: int
    """Its number, from 0."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What every copy is made with."""

    source: Path
    """Prepared folder with the clips."""
    config: VaryConfig
    audio: dict[str, Any]
    """Plain config of every audio feature."""
    out: Path
    """Folder for the copies."""

    @cached_property
    def encoders(self) -> dict[str, AudioEncoder]:
        """Encoders of the features, by name."""
        return {
            name: build_encoder(audio_config_from_plain(plain, where=f"audio.{name}"))
            for name, plain in self.audio.items()
        }

    @cached_property
    def settings_hash(self) -> str:
        """Of everything that a copy depends on besides its clip and number."""
        return self.config.settings_hash(self.audio)

    def check_encoders(self) -> None:
        """Refuse, before any work, encoders whose weights are missing or others than named.

        Raises:
            ValueError: If there are such.
        """
        for encoder in self.encoders.values():
            # Weights are read and looked at when they are first used.
            encoder.encode(torch.zeros(SAMPLES_PER_FRAME))

    def name(self, job: Job) -> str:
        """Return what a copy is called."""
        return copy_id(job.row.clip_id, self.settings_hash, job.copy)

    def make(self, job: Job) -> ClipRow:
        """Write a copy and return its row; a damaged clip's is a rejected one.

        Raises:
            OSError: If it cannot be written.
        """
        try:
            clip = read_clip(clip_path(self.source, job.row.clip_id))
            check_numbers(clip)
            name = self.name(job)
            varied, recipe = vary_clip(clip, job.copy, self.config, self.encoders, name=name)
        except ValueError as error:
            return replace(
                job.row,
                clip_id="",
                status="rejected",
                split="",
                reasons=("unreadable",),
                # Manifests hold no path of a machine.
                detail=str(error).replace(str(self.source), "the prepared folder"),
            )
        row = row_of(job.row, varied, job.copy, recipe)
        folder = VariedFolder(self.out)
        write_clip(clip_path(self.out, name), varied)
        folder.set_done(row)
        return row


def make_all(
    jobs: Sequence[Job], workshop: Workshop, *, workers: int
) -> Iterator[tuple[Job, ClipRow]]:
    """Yield the row of every copy as soon as it is made.

    Args:
        jobs: Copies to make.
        workshop: What they are made with.
        workers: Processes; 0 is this one.

    Raises:
        OSError: If copies cannot be written.
        RuntimeError: If a worker is killed.
    """
    if not jobs:
        return
    if workers == 0:
        threads = torch.get_num_threads()
        try:
            _start_worker(workshop, None)
            for job in jobs:
                yield job, _make(job)
        finally:
            torch.set_num_threads(threads)
        return
    with ProcessPoolExecutor(
        min(workers, len(jobs)),
        multiprocessing.get_context("spawn"),
        _start_worker,
        # Without what it has built: encoders are not sent around, every worker reads its own.
        (replace(workshop), os.getpid()),
    ) as pool:
        running = {pool.submit(_make, job): job for job in jobs}
        try:
            for done in as_completed(running):
                yield running[done], done.result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a worker was killed, as systems do that run out of memory; run the same command "
                "again with fewer workers, it goes on from here"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_workshop: Workshop | None = None


def _start_worker(workshop: Workshop, parent: int | None) -> None:
    """Get a process ready to make copies; in a worker, end it when its parent is gone."""
    global _workshop
    # Sums then come out the same wherever they are made.
    torch.set_num_threads(1)
    _workshop = workshop
    if parent is not None:
        end_with_parent(parent)


def _make(job: Job) -> ClipRow:
    assert _workshop is not None
    return _workshop.make(job)
