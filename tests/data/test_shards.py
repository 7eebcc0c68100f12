import shutil
from pathlib import Path

import pytest
import torch

from tests.data.prepared import PLAN
from tests.data.test_datasets import same
from viseme_core.draws import Draws
from viseme_core.train.loader import Visit
from viseme_data.datasets import JointDataset, MotionDataset, PairDataset, WindowDataset
from viseme_data.shards import Shards, chunked_order
from viseme_data.sources import ClipFolder

pytestmark = pytest.mark.usefixtures("_one_thread")


@pytest.mark.parametrize("kind", [MotionDataset, PairDataset, JointDataset])
def test_shards_and_clips_give_the_same_samples(prepared, packed, kind: type[WindowDataset]):
    clips = kind(ClipFolder(prepared.path, "train", PLAN), frames=8, seed=3)
    shards = kind(Shards(str(packed), "train"), frames=8, seed=3)
    assert len(clips) == len(shards)
    for epoch in range(3):
        for index in range(len(clips)):
            visit = Visit(index, epoch)
            assert same(clips[visit], shards[visit])


def test_evaluation_windows_are_the_same_in_shards_and_clips(prepared, packed):
    clips = JointDataset(ClipFolder(prepared.path, "val", PLAN), frames=8, is_tiled=True)
    shards = JointDataset(Shards(str(packed), "val"), frames=8, is_tiled=True)
    assert len(clips) == len(shards) == 3 + 1
    assert all(same(clips[i], shards[i]) for i in range(4))


def test_shards_at_an_address_are_fetched_into_a_cache(packed, tmp_path):
    near = Shards(str(packed), "train")
    far = Shards(f"local:{packed}", "train", cache=str(tmp_path / "cache"))
    assert far.segments == near.segments
    assert far.chunk_of == near.chunk_of
    for index in (5, 0, 7):
        here, there = (s.open(index).read(["landmarks"], *_span(near, index)) for s in (near, far))
        assert torch.equal(here["landmarks"], there["landmarks"])
    assert list((tmp_path / "cache").rglob("*.bin"))


def test_what_lies_beyond_an_item_is_refused(packed):
    piece = Shards(str(packed), "train").open(1)
    with pytest.raises(ValueError, match="item has frames 17 to 80, got 16 to 20"):
        piece.read(["pose"], 16, 20)


def test_a_flipped_bit_is_found_when_it_is_read(packed, tmp_path):
    folder = Path(shutil.copytree(packed, tmp_path / "packed"))
    for chunk in folder.glob("train/*.bin"):
        content = bytearray(chunk.read_bytes())
        # The end of a chunk is the pose or pictures of some segment.
        content[-1000] ^= 4
        chunk.write_bytes(content)
    source = Shards(str(folder), "train")
    errors = []
    for index in range(len(source.segments)):
        piece = source.open(index)
        try:
            piece.read(["seen", "pose"], *_span(source, index))
            piece.pictures([piece.segment.start])
        except ValueError as error:
            errors.append(str(error))
    assert len(errors) == len(list(folder.glob("train/*.bin")))
    assert all("are not those that were packed); copy the shards again" in e for e in errors)


@pytest.mark.parametrize("damage", ["cut off", "missing", "no index", "swapped", "no shards"])
def test_incomplete_shards_are_refused_in_one_sentence(packed, tmp_path, damage):
    folder = Path(shutil.copytree(packed, tmp_path / "packed"))
    chunks = sorted(folder.glob("train/*.bin"))
    if damage == "cut off":
        chunks[1].write_bytes(chunks[1].read_bytes()[:-1])
    elif damage == "missing":
        chunks[1].unlink()
    elif damage == "no index":
        (folder / "train" / "index.json").unlink()
    elif damage == "no shards":
        shutil.rmtree(folder / "train")
        (folder / "train").mkdir()
    else:
        content = bytearray(chunks[0].read_bytes())
        content[40:400] = bytes(360)
        chunks[0].write_bytes(content)
    with pytest.raises(ValueError, match=r"copy the shards again|that `viseme-data pack` finished"):
        Shards(str(folder), "train")


def test_an_epoch_stays_within_a_few_chunks_at_a_time():
    chunk_of = [index % 12 for index in range(240)]
    order = chunked_order(chunk_of, Draws(1, 0, [0]), pool=3)
    assert sorted(order.tolist()) == list(range(240))
    chunks = torch.tensor(chunk_of)[order].unflatten(0, (4, 60))
    assert [len(set(pool.tolist())) for pool in chunks] == [3, 3, 3, 3]
    # Within a pool they are mixed, and each epoch and seed has another order.
    assert all(len(set(pool[:12].tolist())) == 3 for pool in chunks)
    assert torch.equal(order, chunked_order(chunk_of, Draws(1, 0, [0]), pool=3))
    assert not torch.equal(order, chunked_order(chunk_of, Draws(1, 1, [0]), pool=3))
    assert not torch.equal(order, chunked_order(chunk_of, Draws(2, 0, [0]), pool=3))


def test_one_pool_for_all_chunks_is_a_plain_shuffle():
    order = chunked_order([0] * 50 + [1] * 50, Draws(0, 0, [0]), pool=2)
    assert 15 < (order[:50] < 50).sum() < 35


def _span(source: Shards, index: int) -> tuple[int, int]:
    segment = source.segments[index]
    return segment.start, segment.stop
