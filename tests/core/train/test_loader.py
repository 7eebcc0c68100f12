import pytest
import torch
from torch.utils.data import TensorDataset
from viseme_core.train import EpochSampler, ResumableLoader

DATA = TensorDataset(torch.arange(50))


def loader(
    batch_size: int = 4, rank: int = 0, world_size: int = 1, seed: int = 3, workers: int = 0
):
    sampler = EpochSampler(50, batch_size, seed=seed, rank=rank, world_size=world_size)
    return ResumableLoader(DATA, sampler, num_workers=workers)


def batches(loader: ResumableLoader, epoch: int = 0) -> list[list[int]]:
    assert isinstance(loader.sampler, EpochSampler)
    loader.sampler.set_epoch(epoch)
    return [batch[0].tolist() for batch in loader]


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
    first = loader(workers=workers)
    iterator = iter(first)
    given = [next(iterator)[0].tolist() for _ in range(stop)]
    second = loader(workers=workers)
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


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match=r"one step takes 60 samples \(30 on each of 2"):
        EpochSampler(50, 30, world_size=2)
