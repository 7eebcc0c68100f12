"""Measures of who a face is and how it seems, with small networks whose answers are known."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tests.eval.views import NUM, facts_of, run_pair, view_of
from viseme_eval.run.measures.identity import Csim, Emotion, FairFaceSimilarity


@pytest.fixture
def clip(tmp_path):
    return facts_of(tmp_path)


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


class FakeFairFace:
    """Ages and genders by the frames' colours; counts how often it looks."""

    calls = 0

    def __call__(self, frames, _):
        self.calls += 1
        chances = frames.mean((2, 3)).softmax(1)
        return SimpleNamespace(age_TC=chances, male_T=chances[:, 0])


def test_age_and_gender_come_from_one_look(clip):
    network = FakeFairFace()
    found = run_pair(FairFaceSimilarity(network), clip, NUM)
    assert network.calls == 2
    colours = [view_of(0, NUM, seed).frames_T3HW.mean((2, 3)).double() for seed in (0, 1)]
    ages = [rows.softmax(1) for rows in colours]
    genders = [torch.stack([rows[:, 0], 1 - rows[:, 0]], 1) for rows in ages]
    for name, (one, other) in (("age_similarity", ages), ("gender_similarity", genders)):
        expected = nn.functional.cosine_similarity(one, other).mean()
        assert found[name] == pytest.approx(float(expected), rel=1e-6)
