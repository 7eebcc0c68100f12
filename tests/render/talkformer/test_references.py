import numpy as np
import pytest
import torch

from viseme_core.types import Landmarks
from viseme_face.layouts import POSE_SLICE
from viseme_render.talkformer.references import References, spread


def faces(*places: float, lips: float = 0.0) -> Landmarks:
    """Return faces whose upper parts stand at these places of a line, lips anywhere."""
    points_TK2 = torch.zeros(len(places), 131, 2)
    points_TK2[:, POSE_SLICE, 0] = torch.tensor(places)[:, None]
    points_TK2[:, : POSE_SLICE.start] = lips
    return Landmarks(points_TK2, "talk131")


def several(*places: float) -> References:
    return References(torch.zeros(len(places), 3, 4, 4), faces(*places))


def test_the_nearest_pose_is_that_of_the_least_mean_distance():
    generator = torch.Generator().manual_seed(0)
    one, other = (Landmarks(torch.rand(n, 131, 2, generator=generator), "talk131") for n in (6, 3))
    found = References(torch.zeros(6, 3, 4, 4), one).nearest(other)
    r, t = (clip.points_TKD[:, 57:].numpy() for clip in (one, other))
    apart = np.sqrt(((r[:, None] - t[None]) ** 2).sum(-1)).mean((1, 2))
    assert found == int(apart.argmin())


def test_lips_are_no_pose():
    assert several(0.1, 0.5).nearest(faces(0.45, lips=0.1)) == 1


@pytest.mark.parametrize(("place", "last", "expected"), [(0.6, 0, 0), (0.8, 0, 1), (0.6, None, 1)])
def test_a_reference_is_kept_until_another_is_clearly_nearer(place, last, expected):
    # From 0.6 to 1 is two thirds of the way from 0.6 to 0, from 0.58 more than 0.7 of it.
    place -= 0.02
    assert several(0.0, 1.0).nearest(faces(place), last) == expected


def test_one_picture_needs_no_landmarks_and_several_need_as_many():
    assert References(torch.zeros(1, 3, 4, 4)).nearest(faces(0.3)) == 0
    with pytest.raises(ValueError, match="2 references need landmarks"):
        References(torch.zeros(2, 3, 4, 4))
    with pytest.raises(ValueError, match="2 references, but landmarks of 3"):
        References(torch.zeros(2, 3, 4, 4), faces(0, 1, 2))


def test_spread_frames_are_each_the_farthest_from_those_before():
    line = faces(3.0, 2.5, 0.0, 1.4, 10.0, 6.4)
    assert spread(line, 4) == [0, 4, 5, 2]
    assert spread(line, 1) == [0]
    # 2.0 apart from both: the first of them.
    assert spread(faces(0.0, 2.0, -2.0), 2) == [0, 1]


def test_poses_that_are_there_already_are_not_taken_twice():
    assert spread(faces(1.0, 1.0, 4.0, 1.0), 16) == [0, 2]
