import pickle
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from viseme_core import Draws
from viseme_core.train import EpochSampler, EvaluationSampler, ResumableLoader, Visit

DATA = TensorDataset(torch.arange(50))


class Windows(Dataset):
    """A sample is its index and where its random window starts."""

    def __getitem__(self, index: int) -> Any:
        return int(index), Visit.of(index).draws(7).integers("data/window", 2**40)


def loader(
    batch_size: int = 4, rank: int = 0, world_size: int = 1, seed: int = 3, **options: Any
) -> ResumableLoader:
    sampler = EpochSampler(50, batch_size, seed=seed, rank=rank, world_size=world_size)
    return ResumableLoader(options.pop("data", DATA), sampler, **options)


def start(loader: ResumableLoader, epoch: int) -> Any:
    assert isinstance(loader.sampler, EpochSampler)
    loader.sampler.set_epoch(epoch)
    return iter(loader)


def batches(loader: ResumableLoader, epoch: int = 0) -> list[list[int]]:
    return [batch[0].tolist() for batch in start(loader, epoch)]


def windows(batches: Any) -> dict[int, int]:
    return {
        index: start
        for indices, starts in batches
        for index, start in zip(indices.tolist(), starts[:, 0].tolist(), strict=True)
    }


def expected_windows(indices: Any, epoch: int) -> dict[int, int]:
    return {i: int(Draws(7, epoch, [i]).integers("data/window", 2**40)) for i in indices}


def test_two_processes_together_see_the_batches_of_one():
    one = batches(loader(batch_size=8))
    two = [batches(loader(batch_size=4, rank=rank, world_size=2)) for rank in (0, 1)]
    assert len(one) == 50 // 8
    for whole, first, second in zip(one, *two, strict=True):
        assert set(whole) == set(first) | set(second)
        assert not set(first) & set(second)


def test_no_sample_comes_twice_in_an_epoch():
    seen = [sample for batch in batches(loader()) for sample in batch]
    assert len(seen) == len(set(seen)) == 48


def test_epochs_and_seeds_have_orders_of_their_own():
    assert batches(loader()) == batches(loader())
    assert batches(loader()) != batches(loader(), epoch=1)
    assert batches(loader()) != batches(loader(seed=4))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [1, 7, 11])
def test_a_loader_goes_on_after_the_batches_it_gave_out(stop, workers):
    whole = batches(loader())
    first = loader(num_workers=workers)
    iterator = iter(first)
    given = [next(iterator)[0].tolist() for _ in range(stop)]
    second = loader(num_workers=workers)
    second.load_state_dict(first.state_dict())
    assert given + batches(second) == whole
    assert batches(second, epoch=1) == batches(loader(), epoch=1)


def test_state_after_a_whole_epoch_starts_the_next_from_its_beginning():
    first = loader()
    assert len(batches(first)) == len(first)
    second = loader()
    second.load_state_dict(first.state_dict())
    assert len(batches(second, epoch=1)) == len(first)


@pytest.mark.parametrize("other", [{"batch_size": 5}, {"seed": 9}])
def test_resuming_with_another_order_is_refused(other):
    with pytest.raises(ValueError, match="cannot be resumed exactly"):
        loader(**other).load_state_dict(loader().state_dict())


def test_every_epoch_has_windows_of_its_own_in_workers_that_live_on():
    lasting = loader(data=Windows(), num_workers=2, persistent_workers=True)
    seen = [windows(start(lasting, epoch)) for epoch in (0, 1, 2)]
    for epoch, found in enumerate(seen):
        assert found == expected_windows(found, epoch)
    common = set(seen[0]) & set(seen[1])
    assert all(seen[0][index] != seen[1][index] for index in common)


def test_windows_are_the_same_after_a_resume_and_on_two_processes():
    whole = windows(start(loader(batch_size=8, data=Windows()), 4))
    first = loader(batch_size=8, data=Windows(), num_workers=2, persistent_workers=True)
    iterator = start(first, 4)
    found = windows([next(iterator) for _ in range(3)])
    second = loader(batch_size=8, data=Windows(), num_workers=2, persistent_workers=True)
    second.load_state_dict(first.state_dict())
    assert found | windows(start(second, 4)) == whole
    share = [windows(start(loader(rank=r, world_size=2, data=Windows()), 4)) for r in (0, 1)]
    assert share[0] | share[1] == whole


def test_an_epoch_that_was_cut_short_is_not_gone_on_with_in_the_next():
    first = loader()
    iterator = start(first, 0)
    for _ in range(5):
        next(iterator)
    second = loader()
    second.load_state_dict(first.state_dict())
    assert batches(second, epoch=1) == batches(loader(), epoch=1)


def test_a_visit_is_an_index_that_remembers_its_epoch():
    visit = pickle.loads(pickle.dumps(Visit(3, 5)))
    assert list("abcd")[visit] == "d"
    assert visit.epoch == Visit.of(visit).epoch == 5
    assert Visit.of(3).epoch == -1
    assert torch.equal(visit.draws(2).normal("n", 4), Draws(2, 5, [3]).normal("n", 4))


@pytest.mark.parametrize(("batch_size", "world_size"), [(8, 1), (7, 1), (4, 2), (5, 3)])
def test_evaluation_sees_every_sample_once_and_in_no_epoch(batch_size, world_size):
    seen: dict[int, int] = {}
    count = 0
    for rank in range(world_size):
        order = EvaluationSampler(50, rank=rank, world_size=world_size)
        loader = DataLoader(Windows(), batch_size=batch_size, sampler=order)
        assert len(order) in (50 // world_size, 50 // world_size + 1)
        count += len(order)
        seen |= windows(loader)
    assert count == 50
    assert seen == expected_windows(range(50), -1)


def test_more_processes_than_samples_to_evaluate_are_refused():
    with pytest.raises(ValueError, match="4 processes evaluate 3 samples"):
        EvaluationSampler(3, world_size=4)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match=r"one step takes 60 samples \(30 on each of 2"):
        EpochSampler(50, 30, world_size=2)
