"""Random draws that depend on seed, step and sample, never on the rank or on the order of calls.

Every draw has a name and is a pure function of (seed, step, sample index, name): one process and
two see the same numbers for the same sample, a resumed run draws what the unbroken one drew, and
a draw that is added or removed leaves the others as they were. Drawn on the CPU in float32, then
moved, so that every device and precision starts alike.
"""

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor


class Draws:
    """Named random draws for one batch, one independent stream per sample.

    Args:
        seed: The run's seed.
        step: Optimizer step in training; any fixed number elsewhere.
        index_B: Sample index of each row: position in the data set, or in a list of jobs.
    """

    def __init__(self, seed: int, step: int, index_B: Tensor | Iterable[int]) -> None:
        self.seed = int(seed)
        self.step = int(step)
        # One transfer for the whole batch where the indices lie on a device.
        rows = index_B.tolist() if isinstance(index_B, Tensor) else index_B
        self.index = [int(i) for i in rows]
        if not self.index:
            raise ValueError("Draws.index_B is empty: there is no sample to draw for")

    def __len__(self) -> int:
        return len(self.index)

    def generators(self, name: str) -> list[torch.Generator]:
        """Return one fresh CPU generator per sample for the draw called `name`."""
        return [self._generator(index, name) for index in self.index]

    def normal(self, name: str, *shape: int, like: Tensor | None = None) -> Tensor:
        """Return standard normal numbers of shape (B, *shape), on the device of `like`."""
        return _move(
            torch.stack([torch.randn(shape, generator=g) for g in self.generators(name)]), like
        )

    def uniform(self, name: str, *shape: int, like: Tensor | None = None) -> Tensor:
        """Return uniform numbers in [0, 1) of shape (B, *shape), on the device of `like`."""
        values = _move(
            torch.stack([torch.rand(shape, generator=g) for g in self.generators(name)]), like
        )
        # Half precision rounds the highest draws up to 1.
        return values.clamp(max=1 - torch.finfo(values.dtype).eps / 2)

    def integers(self, name: str, high: int, *shape: int) -> Tensor:
        """Return int64 numbers in [0, high) of shape (B, *shape), on the CPU."""
        return torch.stack([torch.randint(high, shape, generator=g) for g in self.generators(name)])

    def chance(self, name: str, probability: float) -> Tensor:
        """Return a boolean per sample, shape (B,), True with the given probability."""
        return self.uniform(name) < probability

    def _generator(self, index: int, name: str) -> torch.Generator:
        key = f"{self.seed}/{self.step}/{index}/{name}".encode()
        digest = hashlib.blake2b(key, digest_size=8).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def _move(values: Tensor, like: Tensor | None) -> Tensor:
    return values if like is None else values.to(device=like.device, dtype=like.dtype)
