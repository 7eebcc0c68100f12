"""A film in the making: a thread works, the page asks how far it is."""

import queue
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

from viseme_pipeline.film import Film

# The page is told this often at most.
_EVERY_SEC = 0.25
OnFrames = Callable[[int, int], None]


class Stopped(Exception):  # noqa: N818, nobody made an error
    """The film is not wanted any more."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a film is."""

    done: int
    """Frames that stand."""
    total: int
    """Frames that it will have; 0 until that is known."""
    took_sec: float
    """Time since the first frame was begun."""

    @property
    def frames_per_sec(self) -> float | None:
        """Rate so far, if there is one yet."""
        return self.done / self.took_sec if self.done and self.took_sec > 0 else None

    @property
    def left_sec(self) -> float | None:
        """Time that is left at this rate, if there is one yet."""
        rate = self.frames_per_sec
        return None if rate is None else (self.total - self.done) / rate


def watched(
    make: Callable[[OnFrames], Film], stop: threading.Event
) -> Generator[Progress | Film, None, None]:
    """Yield how far a film is, and at last the film.

    Ends the work if the caller ends first, without waiting for it: a page that is closed closes
    this where everybody else's pages are answered. What the work leaves is its own to remove.

    Args:
        make: Makes the film, and calls what it is given with frames done and their total.
        stop: Set from anywhere to end the work.

    Raises:
        Stopped: If it was stopped.
        BaseException: What `make` raises.
    """
    news: queue.Queue[Progress | Film | BaseException] = queue.Queue()
    begun = 0.0

    def on_frames(done: int, total: int) -> None:
        nonlocal begun
        if stop.is_set():
            raise Stopped
        begun = begun or time.perf_counter()
        news.put(Progress(done=done, total=total, took_sec=time.perf_counter() - begun))

    def work() -> None:
        try:
            news.put(make(on_frames))
        # Whatever it is, it is raised again where the page is told.
        except BaseException as error:
            news.put(error)

    thread = threading.Thread(target=work, name="viseme-film", daemon=True)
    thread.start()
    try:
        yield Progress(done=0, total=0, took_sec=0)
        while True:
            item = _newest(news)
            if not isinstance(item, Progress):
                # It said its last word: this takes no time.
                thread.join()
            if isinstance(item, BaseException):
                raise item
            yield item
            if isinstance(item, Film):
                return
            time.sleep(_EVERY_SEC)
    finally:
        stop.set()


def _newest(
    news: "queue.Queue[Progress | Film | BaseException]",
) -> Progress | Film | BaseException:
    """Return the newest of what waits, after waiting for the first."""
    item = news.get()
    while not news.empty():
        item = news.get_nowait()
    return item
