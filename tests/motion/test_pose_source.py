"""Pose besides a model's own."""

from typing import cast

import pytest
import torch

from tests.motion.voices import make_loaded, make_motion
from viseme_core.diffusion import SamplerConfig
from viseme_motion.fd2talk.config import FD2TalkConfig
from viseme_motion.fd2talk.model import FD2TalkModel
from viseme_motion.generation import MotionStream
from viseme_motion.pose_source import PoseModel, looped, mirror_loop, pose_of


def test_a_loop_runs_back_and_forth():
    assert mirror_loop(4, 0, 11).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2]
    assert mirror_loop(4, 5, 8).tolist() == [1, 0, 1]
    assert mirror_loop(2, 0, 5).tolist() == [0, 1, 0, 1, 0]
    assert mirror_loop(1, 3, 6).tolist() == [0, 0, 0]


def test_a_loop_never_jumps_and_a_longer_clip_is_cut():
    places = mirror_loop(7, 0, 1000)
    assert places.diff().abs().max() == 1
    assert set(places.tolist()) == set(range(7))
    assert torch.equal(mirror_loop(50, 0, 20), torch.arange(20))


def test_a_clip_without_frames_cannot_be_looped():
    with pytest.raises(ValueError, match="at least one frame"):
        mirror_loop(0, 0, 5)


def test_a_looped_clip_keeps_whose_it_is():
    clip = make_motion(3)
    found = looped(clip, 1, 6)
    rows = [1, 2, 1, 0, 1]
    assert torch.equal(found.expression, clip.expression[rows])
    assert torch.equal(found.pose, clip.pose[rows])
    assert torch.equal(found.identity, clip.identity)


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(
    "sampler",
    [
        SamplerConfig(solver="ddim", num_steps=5, eta=1.0),
        SamplerConfig(solver="dpm++", num_steps=3),
    ],
)
def test_the_pose_transformer_alone_gives_the_pose_of_the_whole_model(single, sampler):
    config = FD2TalkConfig(num_layers=1, dim=16, num_heads=2, single_transformer=single)
    model = make_loaded("fd2talk", fd2talk=config)[0]
    audio_BTA = torch.randn(2, 40, 320, generator=torch.Generator().manual_seed(0))
    poses = []
    for each in (model, PoseModel(cast(FD2TalkModel, model))):
        stream = MotionStream(each, sampler, seed=4, voices=[0, 3])
        made_BTC = torch.cat([stream.push(audio_BTA), stream.finish()], 1)
        poses.append(torch.stack([pose_of(made_TC) for made_TC in made_BTC]))
    assert poses[0].shape == (2, 40, 6)
    assert torch.equal(*poses)
