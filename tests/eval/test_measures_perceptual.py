"""Measures that look at whole pictures, with a small network whose answers are known."""

import math

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import nn

from tests.eval.views import NUM, facts_of, run_pair, run_video, view_of
from viseme_eval.networks.features import EfficientNetLite0Features, PictureFeatures
from viseme_eval.run.measure import Chunk, ClipFacts, SkippedError
from viseme_eval.run.measures.frechet import FrechetLite0
from viseme_eval.run.measures.perceptual import ConsecutiveLite0, Lite0Distance


@pytest.fixture
def clip(tmp_path):
    return facts_of(tmp_path)


class FakeFeatures(EfficientNetLite0Features):
    """Four maps' worth of features by a fixed convolution; counts the frames of whole size."""

    def __init__(self, width):
        net = nn.Conv2d(3, width, 4, 4, bias=False)
        torch.manual_seed(3)
        nn.init.normal_(net.weight)
        super().__init__(net)
        self.num_whole = 0

    def forward(self, frames_T3HW):
        self.num_whole += len(frames_T3HW) * (frames_T3HW.shape[2] == 32)
        return [self.net(frames_T3HW)]

    def pooled(self, frames_T3HW):
        return self(frames_T3HW)[0].mean((2, 3))

    def features(self, frames_T3HW):
        maps = self(frames_T3HW)
        return PictureFeatures(maps, maps[0].mean((2, 3)))


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


def test_a_network_looks_once_at_each_frame_whoever_asks(clip):
    network = FakeFeatures(6)
    pairwise, frechet = Lite0Distance(network), FrechetLite0(network)
    consecutive, other = ConsecutiveLite0(network), ConsecutiveLite0(network)
    for measure in (pairwise, consecutive, other, frechet):
        measure.start(clip)
    for start in range(0, NUM, 8):
        views = [view_of(start, min(start + 8, NUM), seed) for seed in (0, 1)]
        pairwise.update(Chunk(*views))
        frechet.update(Chunk(*views))
        consecutive.update(views[0])
        other.update(views[1])
    assert network.num_whole == 2 * NUM
    # And each gets what it would get by itself.
    alone = run_video(ConsecutiveLite0(FakeFeatures(6)), clip, NUM)
    assert consecutive.finish() == pytest.approx(alone, rel=1e-9)


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
