"""Samples against plain slicing of the tensors that the clips were made of."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.data.prepared import PLAN, TRAIN, Prepared, number_in
from viseme_core.audio import MEL_WINDOW, Wav2LipMelConfig, build_encoder
from viseme_core.batches import MotionBatch
from viseme_core.draws import Draws
from viseme_core.train.loader import Visit
from viseme_data.datasets import (
    JointDataset,
    LandmarkDataset,
    MotionDataset,
    PairDataset,
    RenderDataset,
)
from viseme_data.sources import ClipFolder
from viseme_face.layouts import TALK131

pytestmark = pytest.mark.usefixtures("_one_thread")


@pytest.fixture
def train(prepared: Prepared) -> ClipFolder:
    return ClipFolder(prepared.path, "train", PLAN)


def edge(values: Tensor, start: int, frames: int) -> np.ndarray:
    """A window by padding with numpy first and slicing then."""
    padded = np.pad(values.numpy(), ((20, 20), *[(0, 0)] * (values.ndim - 1)), mode="edge")
    return padded[start + 20 : start + 20 + frames]


def find(values: Tensor, row: Tensor) -> int:
    """Which frame a row of random numbers is."""
    (hits,) = torch.where((values == row).flatten(1).all(1))
    return int(hits)


def clip_of(dataset: Any, index: int) -> int:
    return int(dataset.source.rows[dataset.source.segments[index].clip].clip_id, 16)


def same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    return all(same(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_motion_windows_are_slices_of_the_clip(train, prepared, epoch):
    dataset = MotionDataset(train, frames=8, seed=5)
    for index in range(len(dataset)):
        sample = dataset[Visit(index, epoch)]
        clip = prepared.clips[clip_of(dataset, index)]
        start = find(clip.motion.expression, sample.expression_BTC[0])
        segment = train.segments[index]
        assert segment.start <= start < segment.stop
        assert np.array_equal(sample.expression_BTC, edge(clip.motion.expression, start, 8))
        assert np.array_equal(sample.pose_BT6, edge(clip.motion.pose, start, 8))
        assert np.array_equal(sample.audio_BTA, edge(clip.features["logmel"], start, 8))
        assert torch.equal(sample.identity_BI, clip.motion.identity)
        assert sample.mask_BT.sum() == min(8, clip.num_frames)
        assert sample.index_B == index


def test_a_clip_shorter_than_the_window_is_padded_and_masked(train, prepared):
    (index,) = [i for i, s in enumerate(train.segments) if train.rows[s.clip].num_frames == 5]
    sample = MotionDataset(train, frames=8)[index]
    assert sample.mask_BT.tolist() == [True] * 5 + [False] * 3
    assert torch.equal(sample.pose_BT6[:5], prepared.clips[2].motion.pose)
    assert torch.equal(sample.pose_BT6[5:], prepared.clips[2].motion.pose[4:].expand(3, 6))


def test_windows_begin_anywhere_and_each_epoch_elsewhere(train):
    dataset = MotionDataset(train, frames=8, seed=1)
    expression = train.open(0).read(["expression"], 0, 90)["expression"]
    starts = [find(expression, dataset[Visit(0, e)].expression_BTC[0]) for e in range(300)]
    # The first of three segments of 30 frames; a start is missed with probability 30 (29/30)^300.
    assert set(starts) == set(range(30))
    assert same(dataset[Visit(0, 7)], dataset[Visit(0, 7)])
    other = MotionDataset(train, frames=8, seed=2)
    assert starts != [find(expression, other[Visit(0, e)].expression_BTC[0]) for e in range(300)]


def test_repeats_visit_a_segment_with_several_windows(train):
    dataset = MotionDataset(train, frames=8, repeats=3)
    assert len(dataset) == 3 * len(train.segments)
    of_one = [dataset[Visit(i, 0)] for i in range(3)]
    assert all(torch.equal(s.identity_BI, of_one[0].identity_BI) for s in of_one)
    assert len({float(s.expression_BTC[0, 0]) for s in of_one}) > 1


def test_landmark_windows_are_slices_in_the_order_of_the_layout(train, prepared):
    dataset = LandmarkDataset(train, frames=5, references=4, seed=3)
    for index in range(len(dataset)):
        sample = dataset[Visit(index, 0)]
        clip = prepared.clips[clip_of(dataset, index)]
        points = clip.landmarks_TK3[:, list(TALK131), :2]
        start = find(points[:, :57], sample.target_BTK2[0])
        assert np.array_equal(sample.target_BTK2, edge(points[:, :57], start, 5))
        assert np.array_equal(sample.pose_BTK2, edge(points[:, 57:], start, 5))
        references = [find(points, row) for row in sample.reference_BNK2]
        assert len(set(references)) == 4
        outside = set(references) - set(range(start, start + 5))
        assert outside == set(references) or clip.num_frames == 5
        allowed = PLAN.pictures(train.segments[index], clip.num_frames)
        assert set(references) <= set(allowed)


def test_mel_windows_are_those_of_the_whole_clip(train, prepared):
    dataset = LandmarkDataset(train, frames=5, seed=3)
    for index in range(len(dataset)):
        sample = dataset[Visit(index, 0)]
        clip = prepared.clips[clip_of(dataset, index)]
        points = clip.landmarks_TK3[:, list(TALK131[:57]), :2]
        start = find(points, sample.target_BTK2[0])
        whole = build_encoder(Wav2LipMelConfig()).encode(clip.audio_S).unflatten(-1, MEL_WINDOW)
        # The encoder's own bound between two ways of cutting the same sound.
        assert np.allclose(sample.mel_BTMW, edge(whole, start, 5), atol=1e-5)


def test_render_windows_show_their_frames_and_what_drives_them(train, prepared):
    dataset = RenderDataset(train, frames=6, seed=4)
    for index in range(len(dataset)):
        sample = dataset[Visit(index, 0)]
        clip = prepared.clips[clip_of(dataset, index)]
        last = clip.num_frames - 1
        points = clip.landmarks_TK3[:, list(TALK131), :2]
        start = find(points, sample.landmarks_BTK2[0])
        shown = [number_in(picture) for picture in sample.frames_BT3HW]
        assert shown == [min(start + i, last) for i in range(6)]
        assert [number_in(p) for p in sample.previous_B23HW] == [
            max(0, start - 2),
            max(0, start - 1),
        ]
        reference = number_in(sample.reference_B3HW)
        assert reference not in shown or clip.num_frames <= 6
        crop = clip.crop
        numbers = [256 / crop.side, crop.cx / crop.side, crop.cy / crop.side]
        rows = torch.cat(
            [
                clip.motion.expression,
                clip.motion.pose,
                torch.tensor(numbers).expand(clip.num_frames, 3),
            ],
            1,
        )
        for i in range(6):
            window = edge(rows, min(start + i, last) - 13, 27)
            assert np.array_equal(sample.motion_window_BTWC[i], window)


def test_joint_samples_are_the_two_samples_of_one_window(train):
    joint = JointDataset(train, frames=5, references=3, seed=6)
    landmark = LandmarkDataset(train, frames=5, references=3, seed=6)
    render = RenderDataset(train, frames=5, seed=6)
    for index in range(len(joint)):
        visit = Visit(index, 2)
        assert same(joint[visit], (landmark[visit], render[visit]))
        both = torch.cat([joint[visit].landmark.target_BTK2, joint[visit].landmark.pose_BTK2], 1)
        assert torch.equal(both, joint[visit].render.landmarks_BTK2)


def test_pairs_hold_one_speaker_twice_and_another_once(train, prepared):
    dataset = PairDataset(train, frames=4, seed=7)
    number_of = {float(clip.motion.identity[0]): n for n, clip in prepared.clips.items()}
    negatives = set()
    for epoch in range(20):
        for index in range(len(dataset)):
            sample = dataset[Visit(index, epoch)]
            anchor, positive, negative = (number_of[float(m.identity_BI[0])] for m in sample)
            assert TRAIN[positive][1] == TRAIN[anchor][1] != TRAIN[negative][1]
            # The only speaker with one clip has no other to offer.
            assert positive != anchor or TRAIN[anchor][1] == "cid"
            negatives.add((TRAIN[anchor][1], negative))
    assert negatives == {
        (speaker, n)
        for speaker in ("ann", "bob", "cid")
        for n, (_, other) in TRAIN.items()
        if other != speaker
    }


def test_pairs_of_a_split_with_one_speaker_are_refused(prepared):
    with pytest.raises(ValueError, match="one speaker in the split 'val'"):
        PairDataset(ClipFolder(prepared.path, "val", PLAN), frames=4)


def test_tiles_show_every_number_in_every_clip(train, prepared):
    dataset = MotionDataset(train, frames=8, is_tiled=True)
    seen: dict[int, set[int]] = {}
    for index in range(len(dataset)):
        sample = dataset[index]
        clip = clip_of(dataset, dataset.place(index, Draws(0, 0, [0]))[0])
        rows = sample.expression_BTC[sample.mask_BT]
        seen.setdefault(clip, set()).update(
            find(prepared.clips[clip].motion.expression, row) for row in rows
        )
    assert seen == {n: set(range(num)) for n, (num, _) in TRAIN.items()}


@pytest.mark.parametrize("is_tiled", [False, True])
def test_clips_without_sound_teach_pictures_only(train, prepared, is_tiled):
    train.rows = [replace(row, has_audio=row.speaker != "bob") for row in train.rows]
    deaf = RenderDataset(train, frames=8, is_tiled=is_tiled)
    assert {number_of(prepared, sample) for sample in every(deaf)} == {0, 1, 2, 3, 4}
    for kind in (MotionDataset, LandmarkDataset, JointDataset):
        heard = kind(train, frames=8, is_tiled=is_tiled)
        assert {number_of(prepared, sample) for sample in every(heard)} == {0, 1, 4}
    train.rows = [replace(row, has_audio=False) for row in train.rows]
    with pytest.raises(ValueError, match="no clip with sound"):
        MotionDataset(train, frames=8)


def every(dataset: Any) -> list[Any]:
    return [dataset[index] for index in range(len(dataset))]


def number_of(prepared: Prepared, sample: Any) -> int:
    """The clip that a sample's first landmark or expression is from."""
    landmark = getattr(sample, "landmark", sample)
    for number, clip in prepared.clips.items():
        if isinstance(landmark, MotionBatch):
            hits = (clip.motion.expression == landmark.expression_BTC[0]).all(1)
        else:
            name = "landmarks_BTK2" if hasattr(landmark, "landmarks_BTK2") else "target_BTK2"
            first_D = getattr(landmark, name)[0, 0]
            hits = (clip.landmarks_TK3[:, TALK131[0], :2] == first_D).all(1)
        if hits.any():
            return number
    raise AssertionError("of no clip")


def test_a_feature_that_was_not_prepared_is_refused(train):
    with pytest.raises(ValueError, match=r"'hubert' is not in .*, which has logmel"):
        MotionDataset(train, frames=8, audio="hubert")
    with pytest.raises(ValueError, match="frames is 9"):
        RenderDataset(train, frames=9)


def test_folders_without_clips_are_refused(tmp_path, prepared):
    with pytest.raises(ValueError, match="no clip in the split 'test'"):
        ClipFolder(prepared.path, "test")
    with pytest.raises(ValueError, match="there is no manifest"):
        ClipFolder(tmp_path, "train")
