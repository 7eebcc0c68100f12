"""The manifest: rows come back, in one order, and speakers stay in their split."""

import math
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from viseme_data.manifest import (
    ClipRow,
    kept,
    read_manifest,
    row_from_plain,
    row_to_plain,
    split_of,
    write_manifest,
)

KEPT = ClipRow(
    clip_id="0123456789abcdef",
    source="a/b \u5634.mp4",
    source_hash="ff",
    status="kept",
    speaker="a",
    split="train",
    language="cmn",
    emotion="happy",
    emotion_level=3,
    face=1,
    start_frame=100,
    num_frames=50,
    crop_cx=1.25,
    has_audio=True,
    offset_frames=-2.5,
)
REJECTED = ClipRow(
    source="z.mp4", status="rejected", reasons=("too_short", "too_blurred"), detail="12 frames"
)


def test_rows_come_back_as_they_were(tmp_path):
    write_manifest(tmp_path / "manifest.parquet", [KEPT, REJECTED])
    assert read_manifest(tmp_path) == [KEPT, REJECTED]
    assert math.isnan(read_manifest(tmp_path)[1].sharpness)


def test_a_row_comes_back_from_its_plain_form():
    assert row_from_plain(row_to_plain(KEPT)) == KEPT
    assert row_to_plain(REJECTED)["sharpness"] is None


def test_an_empty_manifest_comes_back_empty(tmp_path):
    write_manifest(tmp_path / "m.parquet", [])
    assert read_manifest(tmp_path / "m.parquet") == []


def test_the_order_of_rows_does_not_change_a_byte(tmp_path):
    rows = [replace(KEPT, start_frame=k % 7, face=k // 7, source=f"{k % 3}") for k in range(40)]
    write_manifest(tmp_path / "1", rows)
    write_manifest(tmp_path / "2", rows[::-1])
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    places = [(row.source, row.start_frame, row.face) for row in read_manifest(tmp_path / "1")]
    assert places == sorted(places)


def test_other_tools_can_read_the_table(tmp_path):
    write_manifest(tmp_path / "m.parquet", [KEPT, REJECTED])
    table = pq.read_table(tmp_path / "m.parquet")
    assert table["reasons"].to_pylist() == [[], ["too_short", "too_blurred"]]
    assert table["crop_cx"].to_pylist() == [1.25, None]


def test_another_version_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "m.parquet"
    table = pa.table({"clip_id": ["a"]})
    pq.write_table(table, path)
    with pytest.raises(ValueError, match="is no manifest of viseme"):
        read_manifest(path)
    pq.write_table(table.replace_schema_metadata({"viseme_manifest": "7"}), path)
    with pytest.raises(ValueError, match="is of version 7, this viseme-data reads version 1"):
        read_manifest(path)
    path.write_bytes(b"PAR1 no parquet")
    with pytest.raises(ValueError, match="cannot be read"):
        read_manifest(path)
    with pytest.raises(ValueError, match="there is no manifest"):
        read_manifest(tmp_path)


def test_splits_have_their_shares():
    splits = [split_of(f"speaker {k}") for k in range(5000)]
    shares = [splits.count(split) / 5000 for split in ("train", "val", "test")]
    # Three standard deviations of a share of 5000 draws are at most 0.02.
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.02)


def test_a_speaker_keeps_its_split_and_a_seed_changes_it():
    # Written down: another release must not move anybody either.
    assert [split_of(name) for name in ("a", "b", "c", "d", "e", "f")] == [
        "test",
        "train",
        "train",
        "train",
        "train",
        "train",
    ]
    assert any(split_of(f"{k}") != split_of(f"{k}", seed=1) for k in range(20))
    assert {split_of(f"{k}", shares=(0, 0, 1)) for k in range(20)} == {"test"}


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.5, 0.6, 0.1), (1.2, -0.2, 0)])
def test_shares_that_do_not_add_up_are_refused(shares):
    with pytest.raises(ValueError, match="add up to 1"):
        split_of("a", shares=shares)


def test_kept_rows_are_those_with_clips():
    other = replace(KEPT, split="val")
    assert kept([KEPT, REJECTED, other]) == [KEPT, other]
    assert kept([KEPT, REJECTED, other], "val") == [other]
