"""A loader whose order depends on seed and epoch alone, and which goes on where it was stopped.

The same batches of samples are formed whatever the number of processes: global batch n of an epoch
is entry n of one shuffled list, and each process takes every world-size-th sample of it. So one
process with batch 8 and two with batch 4 train on the same data in the same steps.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler


class EpochSampler(Sampler[int]):
    """Yields this process's share of each epoch's order.

    Args:
        num_samples: Size of the data set.
        batch_size: Samples per process and step.
        seed: The run's seed.
        shuffle: Whether each epoch has an order of its own.
        rank: This process.
        world_size: Number of processes.
    """

    def __init__(
        self,
        num_samples: int,
        batch_size: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.global_batch = batch_size * world_size
        if num_samples < self.global_batch:
            raise ValueError(
                f"one step takes {self.global_batch} samples ({batch_size} on each of "
                f"{world_size} processes), the data set has {num_samples}; lower data.batch_size "
                "or add data"
            )
        self.num_batches = num_samples // self.global_batch
        self.num_samples = num_samples
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.first_batch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_batches * self.batch_size

    def __iter__(self) -> Iterator[int]:
        if self.shuffle:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
            order = torch.randperm(self.num_samples, generator=generator)
        else:
            order = torch.arange(self.num_samples)
        order = order[self.first_batch * self.global_batch : self.num_batches * self.global_batch]
        yield from order[self.rank :: self.world_size].tolist()


class ResumableLoader(DataLoader):
    """A DataLoader over an `EpochSampler` that can be stopped and continued within an epoch.

    Lightning stores `state_dict` in its checkpoints and gives it back before the first batch.

    Args:
        dataset: Map-style data set.
        sampler: Order of the samples; its batch size is the loader's.
        options: Passed on to DataLoader, e.g. `num_workers`, `collate_fn`, `pin_memory`.
    """

    def __init__(self, dataset: Dataset, sampler: EpochSampler, **options: Any) -> None:
        super().__init__(
            dataset, batch_size=sampler.batch_size, sampler=sampler, drop_last=True, **options
        )
        self._order = sampler
        self._given = 0

    def __iter__(self) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        # The sampler reads `first_batch` when its iteration starts, which worker processes put
        # off: it is put back only once the first batch has arrived.
        self._given = self._order.first_batch
        for batch in super().__iter__():
            self._order.first_batch = 0
            self._given += 1
            yield batch

    def __len__(self) -> int:
        return self._order.num_batches

    def state_dict(self) -> dict[str, int]:
        """Return how many batches of the epoch were given out, and in which order they come."""
        order = self._order
        return {
            "batches": self._given % max(1, order.num_batches),
            "seed": order.seed,
            "global_batch": order.global_batch,
            "num_samples": order.num_samples,
        }

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batches that were given out; refuse other data or another batch size."""
        for key, now in self.state_dict().items():
            if key != "batches" and state[key] != now:
                raise ValueError(
                    f"this run was stopped with {key} = {state[key]} and cannot be resumed exactly "
                    f"with {now}; restore it, or start a new run with --init_from"
                )
        self._order.first_batch = state["batches"]
