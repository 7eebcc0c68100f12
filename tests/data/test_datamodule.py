from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch

from tests.data.prepared import TRAIN, Prepared
from tests.data.test_datasets import same
from viseme_core.batches import JointBatch, LandmarkBatch, MotionBatch, PairBatch, RenderBatch
from viseme_data.datamodule import ClipDataModule, DataConfig

pytestmark = pytest.mark.usefixtures("_one_thread")


@pytest.fixture(params=["clips", "shards"])
def path(request: pytest.FixtureRequest, prepared: Prepared, packed: Path) -> str:
    return str(prepared.path if request.param == "clips" else packed)


def module(path: str, *, rank: int = 0, world_size: int = 1, seed: int = 3, **options: Any) -> Any:
    settings: dict[str, Any] = {
        "kind": "motion",
        "frames": 8,
        "batch_size": 2,
        "repeats": 3,
        "num_workers": 0,
        "segment": 40,
        "window": 8,
        "pool": 2,
        **options,
    }
    data = ClipDataModule(DataConfig(path=path, **settings))
    trainer = SimpleNamespace(
        global_rank=rank, world_size=world_size, lightning_module=SimpleNamespace(seed=seed)
    )
    data.trainer = trainer  # type: ignore[assignment]
    return data


def epoch(loader: Any, number: int = 0) -> list[Any]:
    loader.sampler.set_epoch(number)
    return list(loader)


@pytest.mark.parametrize(
    ("kind", "batch"),
    [
        ("motion", MotionBatch),
        ("pairs", PairBatch),
        ("landmarks", LandmarkBatch),
        ("render", RenderBatch),
        ("joint", JointBatch),
    ],
)
def test_every_kind_gives_its_batch(path, kind, batch):
    data = module(path, kind=kind, frames=5, references=2)
    first = epoch(data.train_dataloader())[0]
    assert type(first) is batch
    assert f"{kind}, windows of 5 frames" in data.describe()
    assert "5 clips" in data.describe()
    assert "3 speakers, 24 samples an epoch" in data.describe()


class Watcher(L.LightningModule):
    """Keeps the batches it is given."""

    seed = 3

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.seen.append(batch)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
# Lightning asks torch in a way that torch will drop.
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_a_stage_gets_pictures_as_floats(prepared):
    data = module(str(prepared.path), kind="joint", frames=5)
    compact = next(iter(data.val_dataloader())).render
    assert compact.frames_BT3HW.dtype == torch.uint8
    watcher = Watcher()
    trainer = L.Trainer(
        limit_val_batches=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.validate(watcher, datamodule=data, verbose=False)
    render = watcher.seen[0].render
    for name in ("frames_BT3HW", "reference_B3HW", "previous_B23HW"):
        expected = getattr(compact, name).double() / 127.5 - 1
        assert getattr(render, name).dtype == torch.float32
        assert torch.allclose(getattr(render, name).double(), expected, atol=1e-6)


def test_workers_change_nothing(path):
    alone = epoch(module(path, kind="joint").train_dataloader(), 2)
    helped = epoch(module(path, kind="joint", num_workers=2).train_dataloader(), 2)
    assert len(alone) == 12
    assert same(alone, helped)


def test_two_processes_together_see_the_batches_of_one(path):
    one = epoch(module(path, batch_size=4).train_dataloader(), 1)
    two = [epoch(module(path, rank=rank, world_size=2).train_dataloader(), 1) for rank in (0, 1)]
    assert len(one) == 6
    for whole, first, second in zip(one, *two, strict=True):
        pairs = zip(first, second, strict=True)
        joined = MotionBatch(*(torch.stack(pair, 1).flatten(0, 1) for pair in pairs))
        assert same(whole, joined)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_was_stopped_within_an_epoch_goes_on_with_the_same_samples(path, workers):
    whole = epoch(module(path).train_dataloader(), 5)
    first = module(path, num_workers=workers).train_dataloader()
    first.sampler.set_epoch(5)
    iterator = iter(first)
    given = [next(iterator) for _ in range(7)]
    second = module(path, num_workers=workers).train_dataloader()
    second.load_state_dict(first.state_dict())
    assert same(given + epoch(second, 5), whole)
    assert not same(epoch(second, 6), whole)


def test_clips_and_shards_give_the_same_samples_in_orders_of_their_own(prepared, packed):
    found = []
    for path in (prepared.path, packed):
        batches = epoch(module(str(path), batch_size=1).train_dataloader())
        assert sorted(int(b.index_B) for b in batches) == list(range(24))
        found.append({int(b.index_B): b for b in batches})
    assert all(same(found[0][index], found[1][index]) for index in range(24))


def test_shards_are_gone_through_pool_by_pool(packed):
    data = module(str(packed), batch_size=1)
    chunk_of = data.source("train").chunk_of
    order = [chunk_of[int(b.index_B) // 3] for b in epoch(data.train_dataloader())]
    pools = [{0, 1, 2, 3} & set(order[:k]) for k in range(1, 25)]
    # Once a third chunk is seen the first two never come again.
    change = next(k for k, pool in enumerate(pools) if len(pool) == 3)
    assert set(order[:change]) & set(order[change:]) == set()


@pytest.mark.parametrize("world_size", [1, 2])
def test_validation_leaves_no_window_out_and_shows_none_twice(path, world_size):
    indices = []
    for rank in range(world_size):
        data = module(path, batch_size=3, rank=rank, world_size=world_size)
        batches = list(data.val_dataloader())
        again = list(data.val_dataloader())
        assert same(batches, again)
        indices += [i for batch in batches for i in batch.index_B.tolist()]
    # Clips of 19 and 8 frames in windows of 8.
    assert sorted(indices) == [0, 1, 2, 3]


def test_training_sees_all_speakers_and_validation_others(path):
    data = module(path)
    assert {row.speaker for row in data.source("train").rows} == {s for _, s in TRAIN.values()}
    assert {row.speaker for row in data.source("val").rows} == {"dot"}
    with pytest.raises(ValueError, match="test"):
        data.test_dataloader()


def test_a_path_without_data_is_refused(tmp_path):
    with pytest.raises(ValueError, match="neither prepared clips"):
        module(str(tmp_path)).train_dataloader()


@pytest.mark.parametrize("name", ["frames", "references", "batch_size", "repeats"])
def test_settings_below_one_are_refused_by_name(name):
    bad: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"data.{name} must be at least 1"):
        DataConfig(path="x", kind="joint", **bad)
