"""What readers warn of, for the row of a clip instead of the terminal."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from viseme_eval.run.pairing import Pair


@contextmanager
def warnings_of(pair: Pair) -> Iterator[list[str]]:
    """Collect what `viseme_data` warns of meanwhile, without paths of this machine."""
    ours = logging.getLogger("viseme_data")
    caught: list[str] = []
    handler = logging.Handler(logging.WARNING)

    def keep(record: logging.LogRecord) -> None:
        text = without_paths(record.getMessage(), pair)
        # Both passes read the same files.
        if text not in caught:
            caught.append(text)

    handler.emit = keep
    propagates, ours.propagate = ours.propagate, False
    ours.addHandler(handler)
    try:
        yield caught
    finally:
        ours.removeHandler(handler)
        ours.propagate = propagates


def without_paths(text: str, pair: Pair) -> str:
    """Return a message in which files are called as the report calls them."""
    sides = (("generated", pair.generated), ("reference", pair.reference), ("audio", pair.audio))
    for side, path in sides:
        if path is not None:
            name = f"{side}/{pair.name}{path.suffix}"
            text = text.replace(repr(str(path)), repr(name)).replace(str(path), name)
    return text
