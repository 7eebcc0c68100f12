"""Loaders whose order depends on seed and epoch alone, and which go on where they were stopped.

The same batches of samples are formed whatever the number of processes: global batch n of an epoch
is entry n of one shuffled list, and each process takes every world-size-th sample of it. So one
process with batch 8 and two with batch 4 train on the same data in the same steps.

A sampler hands out `Visit`s: indices that know the epoch they are visited in. A data set that cuts
random windows draws them from its visit, and from nothing else:

    def __getitem__(self, index: int) -> MotionBatch:
        draws = Visit.of(index).draws(self.seed)
        start = int(draws.integers("data/window", self.num_windows(index)))

Every epoch then has windows of its own, and a window is the same in whichever process or worker it
is cut, before and after a resume. Evaluation visits are all alike, so that every validation of a
run sees the same windows.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from viseme_core.draws import Draws

EVALUATION = -1
"""The epoch of every visit outside training."""


class Visit(int):
    """The index of a sample together with the epoch it is visited in; everywhere else an int.

    Args:
        index: Position in the data set.
        epoch: Epoch of training, or `EVALUATION`.
    """

    epoch: int

    def __new__(cls, index: int, epoch: int = EVALUATION) -> "Visit":
        """Return the visit; an int takes its value here."""
        visit = super().__new__(cls, index)
        visit.epoch = epoch
        return visit

    @classmethod
    def of(cls, index: int) -> "Visit":
        """Return a visit as it is, and a plain index as an evaluation visit."""
        return index if isinstance(index, Visit) else cls(index)

    def draws(self, seed: int) -> Draws:
        """Return the random draws of this visit; begin their names with `data/`."""
        return Draws(seed, self.epoch, [int(self)])


class EpochSampler(Sampler[Visit]):
    """Yields this process's share of each epoch's shuffled order, in whole global batches.

    Args:
        num_samples: Size of the data set.
        batch_size: Samples per process and step.
        seed: The run's seed.
        rank: This process.
        world_size: Number of processes.
    """

    def __init__(
        self,
        num_samples: int,
        batch_size: int,
        *,
        seed: int = 0,
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
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.first_batch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_batches * self.batch_size

    def __iter__(self) -> Iterator[Visit]:
        (generator,) = Draws(self.seed, self.epoch, [0]).generators("data/order")
        order = torch.randperm(self.num_samples, generator=generator)
        order = order[self.first_batch * self.global_batch : self.num_batches * self.global_batch]
        epoch = self.epoch
        for index in order[self.rank :: self.world_size].tolist():
            yield Visit(index, epoch)


class EvaluationSampler(Sampler[Visit]):
    """Yields this process's share of all samples in their order: none left out, none twice.

    Processes may differ by one sample. `StageModule` weights every batch by its size, so that the
    mean over the data set is exact whatever the batch size and the number of processes.

    Args:
        num_samples: Size of the data set.
        rank: This process.
        world_size: Number of processes.
    """

    def __init__(self, num_samples: int, *, rank: int = 0, world_size: int = 1) -> None:
        if num_samples < world_size:
            raise ValueError(
                f"{world_size} processes evaluate {num_samples} samples, which leaves some "
                "without any; add data or evaluate on fewer devices"
            )
        self._share = range(rank, num_samples, world_size)

    def __len__(self) -> int:
        return len(self._share)

    def __iter__(self) -> Iterator[Visit]:
        return (Visit(index) for index in self._share)


class ResumableLoader(DataLoader):
    """A DataLoader over an `EpochSampler` that can be stopped and continued within an epoch.

    Lightning stores `state_dict` in its checkpoints and gives it back before the first batch.
    Evaluation needs none of this: give an `EvaluationSampler` to a plain DataLoader.

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
        # Epoch and batch to go on from.
        self._resume: tuple[int, int] | None = None

    def __iter__(self) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        # An epoch that was cut short on purpose (trainer.limit_train_batches) is not gone on with.
        epoch, batches = self._resume or (self._order.epoch, 0)
        self._resume = None
        self._given = batches if epoch == self._order.epoch else 0
        # The sampler reads `first_batch` when its iteration starts, which worker processes put
        # off: it is put back only once the first batch has arrived.
        self._order.first_batch = self._given
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
            "epoch": order.epoch,
            "batches": self._given,
            "seed": order.seed,
            "global_batch": order.global_batch,
            "num_samples": order.num_samples,
        }

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batches that were given out; refuse other data or another batch size."""
        for key, now in self.state_dict().items():
            if key not in ("epoch", "batches") and state[key] != now:
                raise ValueError(
                    f"this run was stopped with {key} = {state[key]} and cannot be resumed exactly "
                    f"with {now}; restore it, or start a new run with --init_from"
                )
        self._resume = (state["epoch"], state["batches"])
