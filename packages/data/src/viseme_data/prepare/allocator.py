"""The C library told to keep the memory of pictures for the pictures to come."""

import ctypes
import sys
from contextlib import suppress

# Numbers of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 32 * 2**20


def keep_freed_memory() -> None:
    """Have this process reuse what it frees; where the C library is not glibc, do nothing.

    Left alone, glibc hands every picture's memory back to the system, which clears it page by page
    when the next one comes: a tenth of a worker's time. For processes of our own only, it lasts.
    """
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
