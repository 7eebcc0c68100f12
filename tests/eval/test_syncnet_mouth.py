"""What the sync network sees of a face."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from tests.eval.syncnet_toys import face
from viseme_core.types import Landmarks
from viseme_eval.syncnet.mouth import NUM_POINTS, MouthShape, turn_onto
from viseme_face.layouts import JAW, LIP, TALK131, select


@pytest.fixture(scope="module")
def mouth():
    return MouthShape()


def talk131(points):
    return select(Landmarks(points, "mp478"), "talk131").points_TKD


def test_pose_scale_and_place_of_a_head_change_nothing(mouth):
    points = talk131(face(6))
    turn = torch.tensor(
        Rotation.from_euler("xyz", [[0.3 * i, 0.5, -0.2 * i] for i in range(6)]).as_matrix()
    ).float()
    size = torch.linspace(0.5, 2, 6)[:, None, None]
    moved = size * points @ turn + torch.randn(6, 1, 3)

    torch.testing.assert_close(mouth(moved), mouth(points), atol=2e-4, rtol=0)


def test_a_lower_lip_that_sinks_sinks_by_as_much_in_the_shape(mouth):
    points = talk131(face(1))
    lower = TALK131.index(14)
    opened = points.clone()
    opened[:, lower, 1] += 0.01
    change_K3 = (mouth(opened) - mouth(points)).unflatten(-1, (NUM_POINTS, 3))[0]

    assert (change_K3.abs().amax(1) > 1e-4).nonzero().flatten().tolist() == [lower]
    # Upright, so straight down; one crop is 1 / 0.3 units of the model.
    rigid = points[0, [TALK131.index(i) for i in (33, 263)]]
    unit = mouth.template_R3[-4] - mouth.template_R3[-2]
    scale = float(unit.norm() / (rigid[0] - rigid[1]).norm())
    # The eyes' corners tremble by 1 %.
    assert float(change_K3[lower, 1]) == pytest.approx(-0.01 * scale * 20, rel=0.05)
    assert float(change_K3[lower, [0, 2]].abs().max()) < 0.1 * float(change_K3[lower].norm())


def test_shapes_are_the_lips_and_the_jaw_in_the_order_of_the_layout(mouth):
    points = talk131(face(1))
    for row, _ in enumerate((*LIP, *JAW)):
        moved = points.clone()
        moved[0, row] += 0.01
        change = (mouth(moved) - mouth(points)).unflatten(-1, (NUM_POINTS, 3))[0].abs().amax(1)
        assert (change > 1e-4).nonzero().flatten().tolist() == [row]


def test_brows_and_lids_do_not_move_a_mouth(mouth):
    points = talk131(face(2))
    moved = points.clone()
    moved[:, [TALK131.index(i) for i in (105, 334, 159, 145, 386, 374)]] += 0.02

    torch.testing.assert_close(mouth(moved), mouth(points))


def test_the_turn_is_scipys():
    generator = np.random.default_rng(0)
    target = generator.normal(size=(20, 3))
    points = generator.normal(size=(3, 20, 3))
    rotation, scale = turn_onto(torch.tensor(points), torch.tensor(target))

    for i in range(3):
        wanted = Rotation.align_vectors(target, points[i])[0]
        np.testing.assert_allclose(rotation[i], wanted.as_matrix(), atol=1e-9)
        turned = points[i] @ wanted.as_matrix().T
        best = (turned * target).sum() / (turned * turned).sum()
        assert float(scale[i]) == pytest.approx(best)


def test_a_mirrored_face_is_turned_and_not_mirrored_back():
    target = torch.randn(20, 3, dtype=torch.float64)
    mirrored = target * torch.tensor([-1.0, 1, 1], dtype=torch.float64)
    rotation, _ = turn_onto(mirrored[None], target)

    assert float(torch.linalg.det(rotation)) == pytest.approx(1)
