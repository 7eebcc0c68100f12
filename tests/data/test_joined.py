"""Several sources as one: numbers, clips, and what does not belong together."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.data.prepared import PLAN, TRAIN, Prepared, make_prepared
from viseme_core.audio import PretrainedConfig
from viseme_core.config import to_plain
from viseme_data.clips import read_clip, write_clip
from viseme_data.datasets import MotionDataset, PairDataset
from viseme_data.joined import JoinedSource
from viseme_data.segments import SegmentPlan
from viseme_data.shards import Shards
from viseme_data.sources import ClipFolder

pytestmark = pytest.mark.usefixtures("_one_thread")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose clips are those of the first, but that all motion is greater by a hundred."""
    path = tmp_path_factory.mktemp("other") / "prepared"
    for number in make_prepared(path):
        file = path / "clips" / f"{number:016x}.safetensors"
        clip = read_clip(file)
        moved = replace(clip.motion, expression=clip.motion.expression + 100)
        write_clip(file, replace(clip, motion=moved))
    return path


def folder(path: Path) -> ClipFolder:
    return ClipFolder(path, "train", PLAN)


def first_frame(source: Any, index: int) -> torch.Tensor:
    piece = source.open(index)
    start = piece.segment.start
    return piece.read(["expression"], start, start + 1)["expression"][0]


def test_segments_stand_one_source_after_the_other_as_often_as_told(prepared, other):
    one, two = folder(prepared.path), folder(other)
    joined = JoinedSource(one, [two, one], audio="logmel", repeats=3)
    num = len(one.segments)
    assert num == 3 + 1 + 1 + 2 + 1
    assert len(joined.segments) == num * (1 + 3 + 3)
    assert joined.segments[:num] == one.segments
    assert len(joined.rows) == 3 * len(TRAIN)
    for index, segment in enumerate(joined.segments):
        place = index % num
        expected = first_frame(one, place) + (100 if num <= index < 4 * num else 0)
        assert torch.equal(first_frame(joined, index), expected)
        # By the joined numbers too.
        assert (segment.start, segment.stop) == (
            one.segments[place].start,
            one.segments[place].stop,
        )
        assert joined.rows[segment.clip] is joined.open(index).row
    assert joined.where == f"{prepared.path}, {other} and {prepared.path}"


def test_samples_of_the_first_are_those_it_gives_alone(prepared, other):
    alone = MotionDataset(folder(prepared.path), frames=8, seed=2)
    joined = MotionDataset(
        JoinedSource(folder(prepared.path), [folder(other)], audio="logmel"), frames=8, seed=2
    )
    assert len(joined) == 2 * len(alone)
    for index in range(len(alone)):
        for one, two in zip(alone[index], joined[index], strict=True):
            assert torch.equal(one, two)
    assert joined[len(alone)].expression_BTC.mean() > 50


def test_pairs_are_of_people_of_all_sources(prepared, other):
    joined = JoinedSource(folder(prepared.path), [folder(other)], audio="logmel")
    pairs = PairDataset(joined, frames=8)
    negatives = [float(pairs[k].negative.expression_BTC.mean()) for k in range(len(pairs))]
    assert min(negatives) < 50 < max(negatives)


def test_windows_fit_the_source_that_leaves_least_room(prepared, other):
    wide = ClipFolder(prepared.path, "train", SegmentPlan(length=60, window=30))
    joined = JoinedSource(wide, [folder(other)], audio="logmel")
    assert (joined.plan.length, joined.plan.window) == (60, PLAN.window)
    with pytest.raises(ValueError, match="segments leave room for windows of 8"):
        MotionDataset(joined, frames=9)


def test_shards_keep_their_chunks_among_shards_only(prepared: Prepared, packed: Path):
    shards = Shards(str(packed), "train")
    assert shards.chunk_of is not None
    joined = JoinedSource(shards, [Shards(str(packed), "train")], audio="logmel", repeats=2)
    num, chunks = len(shards.segments), max(shards.chunk_of) + 1
    assert joined.chunk_of is not None
    assert joined.chunk_of[:num] == shards.chunk_of
    assert joined.chunk_of[num:] == [chunks + chunk for chunk in shards.chunk_of] * 2
    mixed = JoinedSource(shards, [folder(prepared.path)], audio="logmel")
    assert mixed.chunk_of is None
    assert torch.equal(first_frame(mixed, 0), first_frame(mixed, num))


def heard(fingerprint: str | None, path: str = "here") -> dict[str, Any]:
    return to_plain(PretrainedConfig(kind="whisper", path=path, fingerprint=fingerprint))


def test_features_of_the_same_weights_are_the_same_wherever_these_lie(prepared, other):
    one, two = folder(prepared.path), folder(other)
    one.audio = {"logmel": one.audio["logmel"], "whisper": heard("1" * 16)}
    two.audio = {"whisper": heard("1" * 16, "there"), "hubert": heard("2" * 16)}
    assert set(JoinedSource(one, [two], audio="whisper").audio) == {"whisper"}
    with pytest.raises(
        ValueError, match=r"other\d+/prepared has no audio feature 'logmel', it has"
    ):
        JoinedSource(one, [two], audio="logmel")
    two.audio["whisper"] = heard("3" * 16)
    with pytest.raises(ValueError, match=r"^[^\n]* has 'whisper' from .*; prepare both alike$"):
        JoinedSource(one, [two], audio="whisper")


def test_what_does_not_belong_together_is_refused_by_a_sentence(prepared, other):
    one, two = folder(prepared.path), folder(other)
    two.face_model = "bfm09@89abcdef"
    with pytest.raises(ValueError, match=r"is of face model 'builtin@01234567', .*'bfm09@"):
        JoinedSource(one, [two], audio="logmel")
    with pytest.raises(ValueError, match=r"gives its split 'train', .* 'val'"):
        JoinedSource(one, [ClipFolder(other, "val", PLAN)], audio="logmel")
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        JoinedSource(one, [folder(other)], audio="logmel", repeats=0)
