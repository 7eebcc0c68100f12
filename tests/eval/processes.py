"""Work shared by two processes that know of each other, for metrics that add up over all."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist


def on_two_processes(
    work: Callable[[Any], Any], first: Sequence[Any], second: Sequence[Any], folder: Path
) -> list[Any]:
    """Return what `work` gives for each share of the first process and then of the second.

    Args:
        work: A function of a module, which the other process imports.
        first: Shares that this process works on, one after the other.
        second: Shares of the other process, as many.
        folder: Where the two meet.
    """
    meeting = (folder / "meeting").as_uri()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        other = pool.submit(_as_one_of_two, 1, meeting, work, second)
        results = _as_one_of_two(0, meeting, work, first)
        return results + other.result(timeout=100)


def _as_one_of_two(
    rank: int, meeting: str, work: Callable[[Any], Any], shares: Sequence[Any]
) -> list[Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    patience = timedelta(seconds=100)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=patience)
    try:
        return [work(share) for share in shares]
    finally:
        dist.destroy_process_group()
        torch.set_num_threads(threads)
