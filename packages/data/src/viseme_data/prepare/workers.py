"""Videos through worker processes, one at a time each; a worker that dies costs one video."""

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from viseme_data.manifest import ClipRow
from viseme_data.prepare.allocator import keep_freed_memory
from viseme_data.prepare.config import PrepareConfig
from viseme_data.prepare.crops import OutputError
from viseme_data.prepare.source import prepare_source, rejected
from viseme_data.prepare.sources import Source
from viseme_data.prepare.tools import Tools
from viseme_data.run_guard import end_with_parent

_PATIENCE_SEC = 5.0
# What is wrong with the machine or with us rather than with the video: the next run tries again.
_TRANSIENT = {"worker_died", "out_of_memory", "failed"}


@dataclass(frozen=True)
class Looked:
    """So many more frames were looked at."""

    num_frames: int


@dataclass(frozen=True)
class Prepared:
    """A video is through."""

    source: Source
    rows: list[ClipRow]
    is_final: bool
    """False if another run may fare better: it is worth trying again."""


Event = Looked | Prepared


def prepare_all(
    sources: Sequence[Source],
    config: PrepareConfig,
    folder: Path,
    *,
    workers: int,
    spread: bool = True,
) -> Iterator[Event]:
    """Yield what happens while videos are prepared.

    Args:
        sources: Videos, in the order in which they are begun.
        config: Settings.
        folder: Where clips go.
        workers: Processes; 0 is this one.
        spread: A worker that is alone decodes and cuts on other cores besides.

    Raises:
        OutputError: If clips cannot be written; all workers are then stopped.
        RuntimeError: If workers cannot even start.
    """
    if not sources:
        return
    if workers == 0:
        yield from _here(sources, config, folder, decoder_threads=0 if spread else 1)
        return
    crew = _Crew(config, folder, decoder_threads=0 if workers == 1 and spread else 1)
    try:
        yield from crew.run(deque(sources), min(workers, len(sources)))
    finally:
        crew.stop()


def _here(
    sources: Sequence[Source], config: PrepareConfig, folder: Path, *, decoder_threads: int
) -> Iterator[Event]:
    with Tools.build(config, decoder_threads=decoder_threads) as tools:
        for source in sources:
            looked: list[int] = []
            rows = prepare_source(source, tools, folder, on_frames=looked.append)
            yield Looked(sum(looked))
            yield _prepared(source, rows)


def _prepared(source: Source, rows: list[ClipRow]) -> Prepared:
    return Prepared(source, rows, not any(_TRANSIENT & set(row.reasons) for row in rows))


class _Crew:
    """Workers and what each has in hand."""

    def __init__(self, config: PrepareConfig, folder: Path, *, decoder_threads: int) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._arguments = (config, folder, decoder_threads)
        self._workers: dict[Connection, tuple[Any, Source | None]] = {}
        self._leaving: list[Any] = []

    def run(self, waiting: deque[Source], number: int) -> Iterator[Event]:
        """Yield events until all videos are through."""
        for _ in range(number):
            self._hire()
        while self._workers:
            for ready in wait(list(self._workers)):
                assert isinstance(ready, Connection)
                yield from self._hear(ready, waiting)

    def stop(self) -> None:
        """End all workers now; the next run, or this one, sweeps away what they were writing."""
        for connection, (process, _) in self._workers.items():
            process.kill()
            connection.close()
            self._leaving.append(process)
        self._workers.clear()
        for process in self._leaving:
            process.join(_PATIENCE_SEC)

    def _hire(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(theirs, os.getpid(), *self._arguments), daemon=True
        )
        process.start()
        theirs.close()
        self._workers[ours] = (process, None)

    def _hear(self, connection: Connection, waiting: deque[Source]) -> Iterator[Event]:
        process, source = self._workers[connection]
        try:
            message = connection.recv()
        except (EOFError, OSError):
            yield from self._bury(connection, waiting)
            return
        if isinstance(message, OutputError):
            raise message
        if isinstance(message, Looked):
            yield message
            return
        # A worker's first message says that it is ready.
        yield Looked(0) if source is None else _prepared(source, message)
        following = waiting.popleft() if waiting else None
        with suppress(BrokenPipeError):
            connection.send(following)
        if following is None:
            connection.close()
            del self._workers[connection]
            self._leaving.append(process)
        else:
            self._workers[connection] = (process, following)

    def _bury(self, connection: Connection, waiting: deque[Source]) -> Iterator[Event]:
        process, source = self._workers.pop(connection)
        connection.close()
        process.join(_PATIENCE_SEC)
        if source is None:
            # What kept it from starting would keep its successor; others may go on without it.
            if waiting and not self._workers:
                raise RuntimeError(
                    f"a worker could not start (exit code {process.exitcode}); its own words are "
                    f"above"
                )
            return
        yield _prepared(source, [rejected(source, "worker_died", _cause(process.exitcode))])
        if waiting:
            self._hire()


def _cause(exit_code: int | None) -> str:
    if exit_code == -9:
        return "the worker was killed while at it, as systems do that run out of memory"
    how = f"by signal {-exit_code}" if exit_code is not None and exit_code < 0 else "at once"
    return f"the worker ended {how} while at it: the video may be made to crash decoders"


def _work(
    connection: Connection, parent: int, config: PrepareConfig, folder: Path, decoder_threads: int
) -> None:
    """Prepare one video after another until there are none; runs in a process of its own."""
    end_with_parent(parent)
    keep_freed_memory()
    with (
        suppress(KeyboardInterrupt, BrokenPipeError, EOFError),
        Tools.build(config, decoder_threads=decoder_threads) as tools,
    ):
        connection.send([])
        while (source := connection.recv()) is not None:
            try:
                rows = prepare_source(
                    source, tools, folder, on_frames=lambda count: connection.send(Looked(count))
                )
            except OutputError as error:
                connection.send(error)
                return
            connection.send(rows)
