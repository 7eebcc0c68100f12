"""Keeping start-up chatter of native libraries off the terminal, and nothing else."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_lines(pattern: str) -> Iterator[None]:
    """Drop lines that match `pattern` from what is written to standard error meanwhile.

    Native code writes to file descriptor 2 past Python, so the descriptor itself is diverted for
    as long as the context lasts; every other line is passed on at its end.

    Args:
        pattern: Regular expression, searched in each line.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), 2)
            try:
                yield
            finally:
                sys.stderr.flush()
                os.dup2(saved, 2)
                held.seek(0)
                dropped = re.compile(pattern.encode())
                kept = [line for line in held if not dropped.search(line)]
                if kept:
                    os.write(2, b"".join(kept))
    finally:
        os.close(saved)
