"""Faces moved onto each other and into boxes, against NumPy's least squares and by hand."""

import numpy as np
import torch

from viseme_landmarks.geometry import boxes_around, carry, carry_references


def moved(points: torch.Tensor, angle: float, scale: float, shift: tuple) -> torch.Tensor:
    turn = torch.tensor(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=points.dtype
    )
    return scale * points @ turn.T + torch.tensor(shift, dtype=points.dtype)


def test_points_that_turn_grow_and_shift_are_followed_exactly():
    torch.manual_seed(0)
    upper, lower = torch.rand(9, 2).double(), torch.rand(4, 2).double()
    there = moved(upper, 0.3, 1.2, (0.1, -0.2))
    found = carry(upper, there, lower)
    torch.testing.assert_close(found, moved(lower, 0.3, 1.2, (0.1, -0.2)), rtol=0, atol=1e-12)


def test_carrying_is_least_squares_where_no_motion_fits_exactly():
    torch.manual_seed(1)
    source, target, lower = torch.rand(9, 2).double(), torch.rand(9, 2).double(), torch.rand(3, 2)
    lower = lower.double()
    # x' = c x - s y + p, y' = s x + c y + q, linear in c, s, p, q.
    rows = [row for x, y in source.tolist() for row in ([x, -y, 1, 0], [y, x, 0, 1])]
    c, s, p, q = np.linalg.lstsq(np.array(rows), target.numpy().ravel(), rcond=None)[0]
    expected = [[c * x - s * y + p, s * x + c * y + q] for x, y in lower.tolist()]
    found = carry(source, target, lower)
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-12)


def test_references_of_one_face_in_other_poses_give_that_face():
    torch.manual_seed(2)
    upper, lower = torch.rand(1, 9, 2).double(), torch.rand(1, 4, 2).double()
    poses = [(0.1, 1.0, (0.0, 0.1)), (-0.4, 0.9, (0.2, 0.0)), (0.0, 1.3, (0.0, 0.0))]
    references = torch.stack([moved(lower, *pose) for pose in poses], 1)
    reference_pose = torch.stack([moved(upper, *pose) for pose in poses], 1)
    frames = torch.stack([moved(upper, *pose) for pose in (poses[1], (0.7, 0.5, (1.0, 1.0)))], 1)
    found = carry_references(references, reference_pose, frames)
    expected = torch.stack([moved(lower, *p) for p in (poses[1], (0.7, 0.5, (1.0, 1.0)))], 1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_points_on_one_spot_are_only_shifted():
    spot = torch.full((5, 2), 0.5)
    found = carry(spot, spot + 0.1, torch.rand(3, 2))
    assert torch.isfinite(found).all()


def test_a_box_holds_its_points_with_room_around_them():
    points = torch.tensor([[[0.2, 0.4], [0.6, 0.5], [0.3, 0.8]]])
    boxes = boxes_around(points, 0.25)
    expected = torch.tensor([[[1 / 6, 1 / 6], [5 / 6, 1 / 3], [1 / 3, 5 / 6]]])
    torch.testing.assert_close(boxes.to_box(points), expected)
    torch.testing.assert_close(boxes.from_box(boxes.to_box(points)), points)
