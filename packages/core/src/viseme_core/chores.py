"""Commands of the stages, each run in a process with a log of its own."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path

logger = logging.getLogger(__name__)


def run_chore(
    name: str, module: str, *arguments: str, logs: Path, one_thread: bool = False
) -> None:
    """Run `python -m module arguments`; what it says is added to `logs/name.log`.

    Args:
        name: What the log is called.
        module: Module to run, such as `viseme_motion`.
        arguments: What follows it.
        logs: Folder of logs; made if it is not there.
        one_thread: Leave the other cores to chores that run at the same time.

    Raises:
        ValueError: If it fails; the message names the log.
    """
    command = [sys.executable, "-m", module, *arguments]
    log = logs / f"{name}.log"
    logger.info("%s: %s (%s)", name, " ".join(command[1:]), log)
    logs.mkdir(parents=True, exist_ok=True)
    threads = {"OMP_NUM_THREADS": "1"} if one_thread else {}
    with log.open("a", encoding="utf-8") as file:
        ended = subprocess.run(
            command,
            check=False,
            env={**os.environ, **threads},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    if ended.returncode:
        raise ValueError(
            f"{name} stopped with exit code {ended.returncode}; see {str(log)!r}. The same "
            f"command goes on from there once that is mended"
        )


def run_all(chores: Iterable[Callable[[], None]], *, jobs: int) -> Iterator[None]:
    """Run chores in their order, some at a time, and yield as each of them ends.

    Args:
        chores: What to run.
        jobs: How many run at once.

    Raises:
        Exception: What the first one that fails raises, once those beside it have ended; no other
            is begun then.
    """
    waiting = iter(chores)
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(chore) for chore in islice(waiting, jobs)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for task in done:
                yield task.result()
            running |= {pool.submit(chore) for chore in islice(waiting, len(done))}
