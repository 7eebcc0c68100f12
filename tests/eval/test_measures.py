"""Measures that need networks, with small ones whose answers are known."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tests.eval.views import NUM, facts_of, run_video, view_of
from viseme_eval.functional.beats import audio_beats, beat_align, motion_beats
from viseme_eval.functional.motion import motion_diversity
from viseme_eval.functional.sync import cosine_offset, syncnet_scores
from viseme_eval.run.measure import SkippedError
from viseme_eval.run.measures.eyes import Eyes
from viseme_eval.run.measures.identity import Csim
from viseme_eval.run.measures.landmark import landmarks_of
from viseme_eval.run.measures.motion import BeatAlign, Hopenet, filled
from viseme_eval.run.measures.per_frame import Track
from viseme_eval.run.measures.registry import MEASURES, fill_slots
from viseme_eval.run.measures.sync import LandmarkSync, StableSyncNet, SyncNet, Wav2LipExpert
from viseme_eval.syncnet.config import NAME as OWN_SYNC


@pytest.fixture
def clip(tmp_path):
    return facts_of(tmp_path)


class FakeStream:
    """Rows of a sync network that come two frames late."""

    def __init__(self, seen, heard):
        self.seen, self.heard, self.given, self.sound = seen, heard, 0, 0

    def push(self, frames, points, samples):
        assert len(points) == len(frames)
        self.sound += len(samples)
        return self._upto(max(0, int(points[-1, 0, 0]) - 1))

    def finish(self):
        assert self.sound == NUM * 640
        if not len(self.seen):
            raise ValueError("too short for one row")
        return self._upto(len(self.seen))

    def _upto(self, stop):
        part = slice(self.given, stop)
        self.given = max(stop, self.given)
        return self.seen[part], self.heard[part]


def sync_network(num=NUM - 5, late=0):
    rows = torch.randn(NUM, 16, generator=torch.Generator().manual_seed(5))
    seen, heard = rows[:num], rows.roll(-late, 0)[:num]
    return SimpleNamespace(stream=lambda: FakeStream(seen, heard)), seen, heard


@pytest.mark.parametrize("batch", [1, 7, 25, 30])
def test_sync_scores_are_those_of_the_whole_clip_in_any_batch(clip, batch):
    network, seen, heard = sync_network(late=3)
    found = run_video(SyncNet(network), clip, batch)
    expected = syncnet_scores(seen, heard)
    assert found["lse_c"] == found["syncnet_confidence"] == pytest.approx(expected.confidence)
    assert found["lse_d"] == pytest.approx(expected.distance)
    assert found["syncnet_offset"] == expected.offset == 3


@pytest.mark.parametrize("batch", [4, 30])
def test_experts_with_cosines_read_them_as_they_were_trained(clip, batch):
    network, seen, heard = sync_network(late=1)
    cosine = nn.functional.cosine_similarity(seen.double(), heard.double())
    assert run_video(Wav2LipExpert(network), clip, batch) == {
        "wav2lip_probability": pytest.approx(float(cosine.clamp_min(0).mean()), rel=1e-6)
    }
    assert run_video(StableSyncNet(network), clip, batch) == {
        "stable_syncnet_cosine": pytest.approx(float(cosine.mean()), rel=1e-6)
    }


@pytest.mark.parametrize("batch", [4, 30])
def test_our_own_networks_offset_is_the_lag_of_the_largest_cosine(clip, batch):
    network, seen, heard = sync_network(late=2)
    found = run_video(LandmarkSync(network), clip, batch)
    cosine = nn.functional.cosine_similarity(seen.double(), heard.double())
    assert found["lmsync_cosine"] == pytest.approx(float(cosine.mean()), rel=1e-6)
    assert found["lmsync_offset"] == cosine_offset(seen, heard).offset == 2


def test_a_clip_too_short_for_sync_is_skipped_with_the_networks_own_words(clip):
    with pytest.raises(SkippedError, match="too short for one row"):
        run_video(SyncNet(sync_network(num=0)[0]), clip, 10)


@pytest.mark.parametrize("batch", [1, 8, 30])
def test_diversity_in_pieces_is_that_of_the_whole_clip(clip, batch):
    def network(frames, _):
        # Far from zero, where sums of squares would lose digits.
        features = 1000 + frames.flatten(1)[:, :20] * torch.logspace(-3, 0, 20)
        return features, features[:, :3]

    found = run_video(Hopenet(network), clip, batch)
    features, angles = network(view_of(0, NUM).frames_T3HW, None)
    assert found["diversity"] == pytest.approx(float(motion_diversity(features)), rel=1e-9)
    assert found["diversity_angles"] == pytest.approx(float(motion_diversity(angles)), rel=1e-9)


def test_landmarks_of_frames_that_are_not_square_keep_the_faces_proportions():
    view = view_of(0, 4)
    wide = replace(view, frames_T3HW=torch.zeros(4, 3, 16, 32))
    assert view.landmarks_TK3 is not None
    expected = view.landmarks_TK3 * torch.tensor([1, 0.5, 1])
    torch.testing.assert_close(landmarks_of(wide).points_TKD, expected)
    torch.testing.assert_close(landmarks_of(view).points_TKD, view.landmarks_TK3)


def test_frames_without_a_face_have_no_eyes(clip):
    seen = [True] * 10 + [False] * 20
    measure = Eyes()
    run_video(measure, clip, 7, seen=seen)
    (curve,) = measure.curves().values()
    assert [not math.isnan(value) for value in curve] == seen


def test_gaps_of_curves_are_closed_by_straight_lines():
    nan = [math.nan, math.nan]
    curves = torch.tensor([nan, [0.0, 0.0], nan, [4.0, 2.0], nan])
    assert filled(curves).tolist() == [[0, 0], [0, 0], [2, 1], [4, 2], [4, 2]]


def test_names_of_quantities_are_all_different_and_every_network_is_known():
    from viseme_eval.networks.registry import weight_file

    names = [quantity.name for kind in MEASURES for quantity in kind.quantities]
    assert len(names) == len(set(names))
    for kind in MEASURES:
        for choice in kind.networks:
            for name in choice.split("|"):
                assert name == OWN_SYNC or weight_file(name).name == name


def test_the_first_network_of_several_that_is_there_is_used():
    asked = []

    def load(name):
        asked.append(name)
        if name == "arcface_r50":
            raise ValueError("skipped: weights absent, put A at B")
        return nn.Identity()

    (slot,) = fill_slots(load, kinds=[Csim])
    assert asked == ["arcface_r50", "arcface_r100"]
    assert slot.build is not None

    def refuse(name):
        raise ValueError(f"skipped: weights absent, put {name} at B")

    (slot,) = fill_slots(refuse, kinds=[Csim])
    assert slot.build is None
    assert slot.reason == "skipped: weights absent, put arcface_r50 at B"


def test_beat_align_hears_the_whole_clip_and_leaves_no_file(clip):
    measure = BeatAlign()
    times = torch.arange(NUM) / 25
    sound = torch.zeros(NUM * 640)
    for onset in (3_000, 9_000, 15_000):
        sound[onset : onset + 400] = torch.sin(0.3 * torch.arange(400.0))
    pose = torch.zeros(NUM, 6)
    pose[:, 0] = torch.sin(12 * times)
    whole = beat_align(audio_beats(sound), motion_beats(pose[:, :3].double().rad2deg()))
    for batch in (7, NUM):
        measure.start(clip)
        for start in range(0, NUM, batch):
            part = slice(start, start + batch)
            view = view_of(start, min(start + batch, NUM))
            samples = sound[start * 640 : (start + batch) * 640]
            measure.update(replace(view, pose_T6=pose[part], audio_S=samples))
        assert measure.finish()["beat_align"] == pytest.approx(float(whole), rel=1e-12)
    assert [*clip.work.iterdir()] == []


def test_a_track_is_the_rows_of_all_pieces_in_one_place():
    rows = torch.randn(NUM, 3)
    track = Track(NUM)
    assert len(track) == len(track.rows) == 0
    places = set()
    for piece in rows[:25].split(7):
        track.add(piece)
        places.add(track.rows.data_ptr())
    assert torch.equal(track.rows, rows[:25])
    assert len(track) == 25
    # Memory is taken once, for the whole clip.
    assert len(places) == 1
