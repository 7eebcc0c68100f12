import math

import pytest
import torch

from viseme_core.types import CropBox
from viseme_face.driving import coefficients
from viseme_face.pose import euler_to_matrix, pose_vertices, project
from viseme_render.pirender.coefficients import driving_rows, from_deep3d, to_deep3d

CROP = CropBox(cx=300, cy=200, side=180)


def motion(frames: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    expression = torch.randn(frames, 64, generator=generator, dtype=torch.float64)
    pose = 0.1 * torch.randn(frames, 6, generator=generator, dtype=torch.float64)
    pose[:, 5] -= 4.2
    return expression, pose


def seen_by_deep3d(points: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """Pixels of a 256 px picture, x right and y down, of model points under a public row.

    Deep3D: v R^T + t, 1015 px focal length and centre 112 of a picture of 224, camera at 10, y up;
    its cut-out is the picture scaled by s about (t0, t1), which are counted from below.
    """
    rx, ry, rz = row[64:67].tolist()
    about_x = [[1, 0, 0], [0, math.cos(rx), -math.sin(rx)], [0, math.sin(rx), math.cos(rx)]]
    about_y = [[math.cos(ry), 0, math.sin(ry)], [0, 1, 0], [-math.sin(ry), 0, math.cos(ry)]]
    about_z = [[math.cos(rz), -math.sin(rz), 0], [math.sin(rz), math.cos(rz), 0], [0, 0, 1]]
    turn = torch.eye(3, dtype=torch.float64)
    for matrix in (about_z, about_y, about_x):
        turn = turn @ torch.tensor(matrix, dtype=torch.float64)
    placed = points @ turn.T + row[67:70]
    cut = 112 + 1015 * placed[:, :2] / (10 - placed[:, 2:])
    scale, middle = row[70], row[71:73]
    x, y = (middle + (cut - 112) / scale).unbind(-1)
    return torch.stack([x, 256 - y], -1)


def test_rows_are_expression_angles_translation_and_crop_in_this_order():
    expression, pose = motion()
    rows = to_deep3d(expression, pose)
    assert rows.shape == (6, 73)
    assert torch.equal(rows[:, :64], expression)
    assert torch.equal(rows[:, 64:67], pose[:, :3])
    assert not rows[:, 67:70].any()
    ours = driving_rows(expression, pose, CROP, "viseme")
    assert torch.equal(ours, coefficients(expression, pose, CROP))
    assert torch.equal(driving_rows(expression, pose, CROP, "deep3d"), rows)


def test_public_rows_put_the_head_where_it_is_drawn():
    expression, pose = motion()
    rows = to_deep3d(expression, pose)
    generator = torch.Generator().manual_seed(1)
    head = torch.rand(200, 3, generator=generator, dtype=torch.float64) * 1.6 - 0.8
    for row, pose_6 in zip(rows, pose, strict=True):
        ours = 256 * project(pose_vertices(head, pose_6))
        theirs = seen_by_deep3d(head, row)
        middle = 256 * project(pose_6[None, 3:])
        origin = seen_by_deep3d(torch.zeros(1, 3, dtype=torch.float64), row)
        torch.testing.assert_close(origin, middle)
        # The camera is at 14 units in one and at 10 in the other: a point 0.8 nearer than the
        # origin is drawn larger by 6 and by 9 per cent.
        assert float((ours - theirs).norm(dim=-1).max()) < 0.04 * 256 * 0.6


def test_a_face_that_was_fitted_in_the_drawn_picture_needs_no_perspective():
    # At Deep3D's own distance both see the same, wherever the head is in the picture.
    expression, pose = motion()
    pose[:, 3:] = 0
    head = torch.rand(50, 3, dtype=torch.float64) - 0.5
    for row, pose_6 in zip(to_deep3d(expression, pose), pose, strict=True):
        ours = 256 * project(pose_vertices(head, pose_6))
        torch.testing.assert_close(seen_by_deep3d(head, row), ours)
        assert float(row[70]) == pytest.approx(224 / 256)
        assert row[71:].tolist() == [128, 128]


def test_rows_go_to_the_public_convention_and_back():
    expression, pose = motion()
    found_expression, found_pose = from_deep3d(to_deep3d(expression, pose))
    assert torch.equal(found_expression, expression)
    torch.testing.assert_close(found_pose, pose)


def test_translations_of_public_rows_are_taken_into_account():
    expression, pose = motion()
    rows = to_deep3d(expression, pose)
    generator = torch.Generator().manual_seed(2)
    rows[:, 67:70] = 0.3 * torch.randn(6, 3, generator=generator, dtype=torch.float64)
    _, found = from_deep3d(rows)
    for row, pose_6 in zip(rows, found, strict=True):
        origin = seen_by_deep3d(torch.zeros(1, 3, dtype=torch.float64), row)
        torch.testing.assert_close(256 * project(pose_6[None, 3:]), origin)
        # As large as it was.
        drawn = 256 * (1015 / 224) / (10 - pose_6[5])
        assert float(drawn) == pytest.approx(float(1015 / (10 - row[69]) / row[70]))


def test_angles_mean_the_same_in_both():
    angles = torch.tensor([0.3, -0.5, 0.2], dtype=torch.float64)
    row = torch.cat([torch.zeros(64), angles, torch.zeros(3), torch.tensor([1.0, 112, 112])])
    point = torch.tensor([[0.1, 0.2, 0.3]], dtype=torch.float64)
    turned = point @ euler_to_matrix(angles).T
    expected = 112 + 1015 * turned[0, :2] / (10 - turned[0, 2])
    found = seen_by_deep3d(point, row.double())[0]
    torch.testing.assert_close(torch.stack([found[0], 256 - found[1]]), expected)


def test_rows_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"rows must have shape \(T, 73\), got \(4, 70\)"):
        from_deep3d(torch.zeros(4, 70))
    with pytest.raises(ValueError, match="crop of scale 0 in column 70; it must be positive"):
        from_deep3d(torch.zeros(4, 73))
