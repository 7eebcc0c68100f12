"""Measures that need networks, with small ones whose answers are known."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import nn

from viseme_eval.functional.motion import motion_diversity
from viseme_eval.functional.sync import cosine_offset, syncnet_scores
from viseme_eval.run.measure import Chunk, ClipFacts, SkippedError, View
from viseme_eval.run.measures.eyes import Eyes
from viseme_eval.run.measures.frechet import FrechetLite0
from viseme_eval.run.measures.identity import Csim, Emotion
from viseme_eval.run.measures.landmark import landmarks_of
from viseme_eval.run.measures.motion import Hopenet, filled
from viseme_eval.run.measures.perceptual import ConsecutiveLite0, Lite0Distance
from viseme_eval.run.measures.registry import MEASURES, fill_slots
from viseme_eval.run.measures.sync import LandmarkSync, StableSyncNet, SyncNet, Wav2LipExpert
from viseme_eval.syncnet.config import NAME as OWN_SYNC

NUM = 30


@pytest.fixture
def clip(tmp_path):
    return ClipFacts(name="clip", num_frames=NUM, size=(32, 32), work=tmp_path)


def view_of(start, stop, seed=0, *, seen=None):
    """Frames of noise and landmarks whose first number is the frame's."""
    draw = torch.Generator().manual_seed(seed)
    frames = torch.rand(NUM, 3, 32, 32, generator=draw) * 2 - 1
    points = torch.rand(NUM, 478, 3, generator=draw)
    points[:, 0, 0] = torch.arange(NUM)
    sound = torch.randn(NUM * 640, generator=draw)
    found = torch.ones(NUM, dtype=torch.bool) if seen is None else torch.tensor(seen)
    return View(
        start=start,
        frames_T3HW=frames[start:stop],
        landmarks_TK3=points[start:stop],
        seen_T=found[start:stop],
        pose_T6=None,
        audio_S=sound[start * 640 : stop * 640],
    )


def run_video(measure, clip, batch, **how):
    measure.start(clip)
    for start in range(0, NUM, batch):
        measure.update(view_of(start, min(start + batch, NUM), **how))
    return measure.finish()


def run_pair(measure, clip, batch, other=1, **how):
    measure.start(clip)
    for start in range(0, NUM, batch):
        stop = min(start + batch, NUM)
        measure.update(Chunk(view_of(start, stop, **how), view_of(start, stop, other)))
    return measure.finish()


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


def test_identity_is_compared_where_both_faces_are_seen(clip):
    def network(frames, points):
        # The second frame would spoil the mean if it were looked at.
        assert not (points[:, 0, 0] == 1).any()
        return frames.flatten(1)

    seen = [True, False] + [True] * (NUM - 2)
    found = run_pair(Csim(network), clip, 7, seen=seen)
    one, other = (view_of(0, NUM, seed).frames_T3HW.flatten(1).double() for seed in (0, 1))
    kept = [0, *range(2, NUM)]
    expected = nn.functional.cosine_similarity(one, other)[kept].mean()
    assert found["csim"] == pytest.approx(float(expected), rel=1e-6)
    assert math.isnan(run_pair(Csim(network), clip, 7, seen=[False] * NUM)["csim"])


class FakeEmotion:
    """Features are means of frames; red says happy, green sad."""

    device = torch.device("cpu")

    def __call__(self, frames, _):
        return frames.mean((2, 3))

    def classify(self, features):
        return (features.mean(0) * 100).softmax(0)


def test_emotions_agree_if_the_network_sees_the_same_one(clip):
    same = run_pair(Emotion(FakeEmotion()), clip, 7, other=0)
    assert same == {
        "emotion_similarity": pytest.approx(1),
        "emotion_accuracy": 1.0,
    }
    assert run_pair(Emotion(FakeEmotion()), clip, 7, seen=[False] * NUM) == {}


class FakeFeatures(nn.Module):
    """Four maps' worth of features by a fixed convolution."""

    def __init__(self, width):
        super().__init__()
        self.net = nn.Conv2d(3, width, 4, 4)
        torch.manual_seed(3)
        nn.init.normal_(self.net.weight)

    def forward(self, frames):
        return [self.net(frames)]

    def pooled(self, frames_T3HW):
        return self.net(frames_T3HW).mean((2, 3))


@pytest.mark.parametrize("batch", [1, 9, 30])
def test_perceptual_distances_do_not_depend_on_the_batch(clip, batch):
    network = FakeFeatures(6)
    whole = run_pair(Lite0Distance(network), clip, NUM)
    assert run_pair(Lite0Distance(network), clip, batch) == pytest.approx(whole, rel=1e-6)
    assert run_pair(Lite0Distance(network), clip, batch, other=0) == pytest.approx(
        dict.fromkeys(whole, 0), abs=1e-9
    )
    measure = ConsecutiveLite0(network)
    found = run_video(measure, clip, batch)
    (curve,) = measure.curves().values()
    frames = view_of(0, NUM).frames_T3HW
    maps = nn.functional.normalize(network(frames)[0].double(), dim=1)
    expected = (maps[1:] - maps[:-1]).square().sum(1).mean((1, 2))
    assert math.isnan(curve[0])
    assert curve[1:] == pytest.approx(expected.tolist(), rel=1e-4)
    assert found["lite0_consecutive"] == pytest.approx(float(expected.mean()), rel=1e-5)


class Small(FrechetLite0):
    """The stand-in's distance with fewer features than frames."""

    num_features = 5


def test_the_frechet_distance_of_clips_is_that_of_all_their_frames(tmp_path):
    network, works, rows = FakeFeatures(5), [], ([], [])
    for seed in (0, 10):
        work = tmp_path / str(seed)
        work.mkdir()
        facts = ClipFacts(name="clip", num_frames=NUM, size=(32, 32), work=work)
        assert run_pair(Small(network), facts, 8, seed=seed, other=seed + 1) == {}
        works.append(work)
        for side, draw in zip(rows, (seed, seed + 1), strict=True):
            side.append(network.pooled(view_of(0, NUM, draw).frames_T3HW).detach().numpy())
    a, b = (np.concatenate(side).astype(float) for side in rows)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.real(linalg.sqrtm(cov_a @ cov_b))
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert Small(network).combine(works)["frechet_lite0"] == pytest.approx(expected, rel=1e-5)


def test_too_few_frames_for_a_frechet_distance_are_no_number(clip):
    network = FakeFeatures(1280)
    measure = FrechetLite0(network)
    run_pair(measure, clip, 30)
    with pytest.raises(SkippedError, match="30 frames are too few for 1280 features"):
        measure.combine([clip.work])


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
