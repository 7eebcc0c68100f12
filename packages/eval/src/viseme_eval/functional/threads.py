"""How many threads the many small operations of a pixel metric use: one."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def on_one_thread(like: Tensor) -> Iterator[None]:
    """Let torch's operations of this thread run without helpers, if they are on the CPU.

    A 256 px frame is so small that torch would share an operation between two threads at most,
    and a metric has a hundred operations a frame, after each of which they wait for each other.
    That gains little on an idle machine, and on a busy one, where a helper waits for its turn, it
    takes tens of times as long. Clips on several processes use the cores better.

    Args:
        like: A tensor on the device that is used.
    """
    before = torch.get_num_threads()
    if like.device.type != "cpu" or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
