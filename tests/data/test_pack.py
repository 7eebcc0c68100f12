import json
from pathlib import Path

import pytest
import torch

from tests.data.prepared import PLAN, TRAIN, VAL, Prepared
from viseme_data.items import Item, item_bytes
from viseme_data.pack import PackConfig, item_order, pack
from viseme_data.pictures import CropVideo
from viseme_data.shards import Shards
from viseme_data.sources import ClipFolder


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def config(prepared: Prepared, out: Path, **options) -> PackConfig:
    return PackConfig(
        data=str(prepared.path), out=str(out), segment=40, window=8, chunk_mb=1, **options
    )


def test_packing_again_gives_the_same_bytes(prepared, packed, tmp_path):
    (tmp_path / "again.partial").mkdir()
    (tmp_path / "again.partial" / "left").write_text("over from a run that was killed")
    pack(config(prepared, tmp_path / "again", extras=True))
    first, second = files_of(packed), files_of(tmp_path / "again")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert sum(name.endswith(".bin") for name in first) > 3


def test_the_report_counts_what_is_stored_twice(prepared, tmp_path):
    report = pack(config(prepared, tmp_path / "shards"))
    assert report.segments == {"train": 8, "val": 2}
    assert report.bytes == sum(
        len(b) for n, b in files_of(tmp_path / "shards").items() if "bin" in n
    )
    folder = ClipFolder(prepared.path, "train", PLAN)
    stored = 0
    # A key frame in five: a piece begins and ends at a multiple of five.
    for segment in folder.segments:
        num = folder.rows[segment.clip].num_frames
        pictures = PLAN.pictures(segment, num)
        stored += min(num, -(-pictures.stop // 5) * 5) - pictures.start // 5 * 5
    stored += sum(num for num, _ in VAL.values())
    own = sum(num for num, _ in [*TRAIN.values(), *VAL.values()])
    assert report.overhead == pytest.approx(stored / own - 1)


def test_chunks_stay_below_their_size_and_mix_clips(packed):
    index = json.loads((packed / "train" / "index.json").read_text())
    assert max(chunk["chunk_bytes"] for chunk in index["chunks"]) <= 1 << 20
    assert sorted(item_order(1000)) == list(range(1000))
    assert max(abs(item_order(1000)[:20] - range(20))) > 100


def test_shards_without_pictures_are_small_and_say_so(prepared, packed, tmp_path):
    pack(config(prepared, tmp_path / "shards", pictures=False))
    piece = Shards(str(tmp_path / "shards"), "train").open(0)
    assert piece.read(["pose"], 0, 30)["pose"].shape == (30, 6)
    with pytest.raises(ValueError, match="packed without pictures"):
        piece.pictures([0])
    with pytest.raises(ValueError, match=r"holds audio, .*there is no 'extras.phoneme_T'"):
        piece.read(["extras.phoneme_T"], 0, 30)
    assert Shards(str(packed), "train").open(0).read(["extras.phoneme_T"], 3, 6)[
        "extras.phoneme_T"
    ].tolist() == [3, 4, 5]


def test_an_existing_folder_is_refused_and_left_alone(prepared, packed):
    before = files_of(packed)
    with pytest.raises(ValueError, match=r"packed' exists; delete it or give another"):
        pack(config(prepared, packed))
    assert files_of(packed) == before


def test_a_damaged_video_stops_the_pack_and_leaves_nothing(prepared, tmp_path, monkeypatch):
    def cut(self, wanted):
        raise ValueError("the pictures cannot be read")

    monkeypatch.setattr(CropVideo, "cut", cut)
    with pytest.raises(ValueError, match="cannot be read"):
        pack(config(prepared, tmp_path / "shards"))
    assert not (tmp_path / "shards").exists()


def test_items_give_back_slices_of_every_type():
    tensors = {
        "float": torch.randn(5, 3),
        "bool": torch.tensor([True, False, True]),
        "short": torch.arange(4, dtype=torch.int16),
        "scalar": torch.tensor(2.5),
    }
    item = Item(item_bytes(tensors, {"a": "b"}), where="here")
    assert item.facts["a"] == "b"
    for name, values in tensors.items():
        assert torch.equal(item.read(name), values)
        assert item.read(name).dtype == values.dtype
    assert torch.equal(item.read("float", 1, 4), tensors["float"][1:4])


def test_items_are_safetensors_files():
    from safetensors.torch import load

    tensors = {"b": torch.randn(5, 3), "a": torch.arange(3)}
    loaded = load(item_bytes(tensors, {}))
    assert all(torch.equal(loaded[name], values) for name, values in tensors.items())


def test_an_item_refuses_types_that_it_cannot_hold():
    with pytest.raises(ValueError, match="'x' is complex64; shards hold BOOL"):
        item_bytes({"x": torch.zeros(2, dtype=torch.complex64)}, {})
