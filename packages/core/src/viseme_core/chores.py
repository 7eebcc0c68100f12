"""Commands of the stages, each run in a process with a log of its own."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
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


def finished(tasks: Sequence[Future[None]]) -> Iterator[None]:
    """Yield once for every task that ends well, as it ends.

    Raises:
        Exception: What the first one that fails raises; those that have not begun never do then.
    """
    try:
        for task in as_completed(tasks):
            yield task.result()
    except BaseException:
        for task in tasks:
            task.cancel()
        raise
