"""What long runs need: to be alone in their folder, and workers that end when they do."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WATCH_SEC = 0.2


@contextmanager
def alone_in(folder: Path, lock: Path) -> Iterator[None]:
    """Keep other runs away from a folder meanwhile.

    Args:
        folder: What errors call it.
        lock: File to lock; made if it is not there. A run that is killed lets go of it.

    Raises:
        ValueError: If another run is at work in it.
        OSError: If the file cannot be made.
    """
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ValueError(
                f"another run is at work in {str(folder)!r}; wait for it, or stop it"
            ) from error
        yield


def end_with_parent(parent: int) -> None:
    """End this process once it is an orphan: nobody would take what it makes.

    Args:
        parent: The process that started this one.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SEC)
    os._exit(1)
