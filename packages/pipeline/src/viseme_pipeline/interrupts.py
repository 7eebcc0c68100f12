"""A request to stop ends a run as an error does: what is half done is removed."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """Somebody asked the process to end; not an Exception, so that nobody goes on after it.

    Args:
        number: The signal by which it was asked.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def terminable() -> Iterator[None]:
    """Raise `Terminated` in the main thread on SIGTERM, and on SIGHUP, of a terminal that closes.

    SIGINT raises KeyboardInterrupt already. A signal that is ignored, as `nohup` has it, stays so.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated(number)

    # Not every system knows SIGHUP.
    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in known}
    heard = [number for number in known if before[number] != signal.SIG_IGN]
    for number in heard:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
