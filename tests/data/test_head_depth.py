from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.data.faces import portrait
from tests.face.portraits import sitter, turned
from viseme_core.types import CropBox
from viseme_data.facemesh import FaceNets
from viseme_data.head_depth import head_depth, turn_seen
from viseme_data.reference import ReferenceConfig, make_reference
from viseme_face import MorphableModel, pose_vertices, project


class _Sees(FaceNets):
    """Nets that see a sitter turned by a share of what they are turned, another in each look."""

    def __init__(self, *shares: float | None) -> None:
        self.shares = shares
        self.pictures: list[np.ndarray] = []

    def landmarks(self, frame_HW3: np.ndarray, square: CropBox) -> np.ndarray | None:
        look, picture = divmod(len(self.pictures), 3)
        person, share = sitter(0), self.shares[look]
        self.pictures.append(frame_HW3)
        if share is None:
            return None
        pose_6 = turned(person.reference.pose, yaw=share * (0, -15, 15)[picture])
        camera_K3 = pose_vertices(
            person.model.landmarks(person.reference.identity, person.reference.expression, "mp478"),
            pose_6,
        )
        points_K2 = len(frame_HW3) * project(camera_K3)
        centre_2 = points_K2[:468].mean(0)
        assert abs(square.cx - float(centre_2[0])) < 0.1 * square.side
        assert abs(square.cy - float(centre_2[1])) < 0.1 * square.side
        return np.concatenate([points_K2.numpy(), np.zeros((478, 1))], 1).astype(np.float32)


def _depth(*shares: float | None) -> float:
    person = sitter(0)
    return head_depth(person.reference, person.model, _Sees(*shares))


@pytest.mark.parametrize("shares", [(1.0, 1.0), (0.9, 1.0), (1.1, 1.0), (0.95, 0.97)])
def test_a_head_that_is_seen_to_turn_less_is_made_as_much_deeper(shares):
    assert _depth(*shares) == pytest.approx(1 / (shares[0] * shares[1]), rel=0.02)


def test_in_the_second_look_the_head_is_as_deep_as_the_first_said():
    looks = []
    for share in (1.0, 0.9):
        nets = _Sees(share, 1.0)
        head_depth(sitter(0).reference, sitter(0).model, nets)
        looks.append([(nets.pictures[i], nets.pictures[i + 1]) for i in (1, 4)])
    (first, second), (again, deeper) = np.array(looks, dtype=float)
    assert (first == again).all()
    # What is seen whole is seen so but for rounding.
    assert np.abs(first - second).mean() < 0.01
    assert np.abs(second - deeper).mean() > 0.1


def test_what_is_known_of_the_depth_already_does_not_count():
    shown = []
    for depth in (1.0, 1.2):
        nets = _Sees(0.9, 1.0)
        head_depth(replace(sitter(0).reference, depth=depth), sitter(0).model, nets)
        shown.append(np.stack(nets.pictures))
    assert (shown[0] == shown[1]).all()


def test_a_head_never_gets_deeper_or_flatter_than_heads_are():
    assert (_depth(0.5, 0.9), _depth(2.0, 1.1)) == (1.25, 0.8)


@pytest.mark.parametrize("shares", [(None,), (-1.0,), (0.3,), (0.9, None)])
def test_a_face_that_is_lost_or_turns_the_wrong_way_is_as_deep_as_fitted(shares):
    assert _depth(*shares) == 1.0


def test_the_nets_are_shown_the_portrait_as_it_is_and_turned_to_either_side():
    nets, person = _Sees(1.0, 1.0), sitter(0, size=384)
    head_depth(person.reference, person.model, nets)
    rest, left, right = (torch.from_numpy(picture).float() for picture in nets.pictures[:3])
    assert rest.shape == (256, 256, 3)
    shrunk = torch.nn.functional.interpolate(
        person.reference.frame_3HW[None], 256, mode="bilinear", antialias=True
    )[0].permute(1, 2, 0)
    assert (rest / 127.5 - 1 - shrunk).abs().mean() < 0.01
    own_1E, pose_6 = person.reference.expression[None], person.reference.pose
    truth = [person.truth(own_1E, turned(pose_6, yaw=yaw)[None]) for yaw in (-15, 15)]
    truth = [torch.nn.functional.interpolate(one, 256)[0].permute(1, 2, 0) for one in truth]
    for picture, right_one, wrong_one in ((left, *truth), (right, *truth[::-1])):
        face = slice(90, 166)
        shown = (picture / 127.5 - 1)[face, face]
        right_error = (shown - right_one[face, face]).abs().mean()
        assert right_error < 0.7 * (shown - wrong_one[face, face]).abs().mean()


def test_facemesh_sees_a_head_turn_by_what_it_turns_once_it_is_as_deep_as_said():
    model = MorphableModel.builtin()
    fitted = make_reference(portrait(), ReferenceConfig(measure_depth=False), model=model)
    assert fitted.depth == 1
    depth = make_reference(portrait(), model=model).depth
    with FaceNets() as nets:
        assert head_depth(fitted, model, nets) == depth
        flat, deep, measured = (
            turn_seen(replace(fitted, depth=one), model, nets) for one in (0.8, 1.2, depth)
        )
    assert flat < 0.95 < 1.05 < deep
    assert measured == pytest.approx(1, abs=0.05)
