"""Work of another thread, some items ahead: decoders, scalers and nets release Python's lock.

Where each core has a process of its own there is nothing to win: handing over only costs.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Full, Queue
from typing import TypeVar

T = TypeVar("T")

_WAIT_SEC = 0.1


class _End:
    """What follows the last item: the error that ended it, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


@contextmanager
def ahead(items: Iterable[T], depth: int = 8) -> Iterator[Iterator[T]]:
    """Give an iterator over the same items, made by a thread that is up to `depth` of them ahead.

    With depth 0 there is no such thread. An error is raised where its item would have come. At the
    end of the block the thread ends, too.
    """
    if depth == 0:
        yield iter(items)
        return
    queue: Queue[T | _End] = Queue(depth)
    is_over = threading.Event()

    def put(item: T | _End) -> None:
        while not is_over.is_set():
            with suppress(Full):
                queue.put(item, timeout=_WAIT_SEC)
                return

    def make() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                put(item)
                if is_over.is_set():
                    return
        except BaseException as caught:
            error = caught
        put(_End(error))

    def take() -> Iterator[T]:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        is_over.set()
        thread.join()
