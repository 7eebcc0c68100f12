import pytest
import torch
from torch.testing import assert_close

from tests.face.models import random_model, random_truth
from viseme_core.types import Motion
from viseme_face.layouts import (
    AROUND_LIPS,
    BROWS,
    CHIN,
    LEFT_IRIS,
    LEFT_LID_PAIRS,
    LIP_PAIRS,
    RIGHT_IRIS,
    eye_aspect_ratio,
    lip_opening,
)
from viseme_face.morphable import MorphableModel
from viseme_face.pose import pose_vertices, project
from viseme_face.regions import adjacency, close_eyes, close_lips, harmonic_weights, refit


def open_faces(num_frames: int = 4) -> torch.Tensor:
    """Faces with lips and eyes open, in camera space, without relying on any direction."""
    model = MorphableModel.builtin()
    identity, expression, pose = random_truth(model, num_frames)
    points = model(identity, 0.3 * expression)
    lower = [pair[1] for pair in LIP_PAIRS]
    points[:, lower, 1] -= torch.linspace(0.05, 0.2, num_frames)[:, None]
    return pose_vertices(points, pose)


def faces(dims: int) -> torch.Tensor:
    points = open_faces()
    return points if dims == 3 else project(points)


@pytest.mark.parametrize("dims", [2, 3])
def test_closed_lips_have_no_opening(dims: int) -> None:
    points = faces(dims)
    assert (lip_opening(points) > 0.05).all()
    assert torch.equal(lip_opening(close_lips(points)), torch.zeros(4))


@pytest.mark.parametrize("dims", [2, 3])
def test_closed_eyes_have_no_opening(dims: int) -> None:
    points = faces(dims)
    assert (eye_aspect_ratio(points) > 0.05).all()
    assert torch.equal(eye_aspect_ratio(close_eyes(points)), torch.zeros(4, 2))


def test_closing_the_lips_leaves_everything_above_the_base_of_the_nose() -> None:
    points = faces(2)
    closed = close_lips(points)
    mean = MorphableModel.builtin().mean_V3
    above = mean[:, 1] >= mean[2, 1]
    assert above.sum() > 250
    assert torch.equal(closed[:, above], points[:, above])
    # Chin and skin below the mouth do move.
    assert ((closed - points)[:, [CHIN, *AROUND_LIPS[11:]]].norm(dim=-1) > 1e-4).all()


def test_the_chin_follows_by_less_than_the_lip_and_in_its_direction() -> None:
    points = faces(3)
    shift = close_lips(points) - points
    lip, chin = shift[:, 14], shift[:, CHIN]
    assert ((lip * chin).sum(-1) > 0).all()
    assert (chin.norm(dim=-1) < lip.norm(dim=-1)).all()
    assert (chin.norm(dim=-1) > 0.3 * lip.norm(dim=-1)).all()


def test_closing_the_eyes_leaves_brows_irises_and_the_mouth() -> None:
    points = faces(3)
    closed = close_eyes(points)
    kept = [*BROWS, *RIGHT_IRIS, *LEFT_IRIS, 33, 133, 362, 263, 61, 291, 4, CHIN]
    assert torch.equal(closed[:, kept], points[:, kept])


def test_lids_meet_near_the_lower_lid() -> None:
    points = faces(3)
    closed = close_eyes(points)
    for upper, lower in LEFT_LID_PAIRS:
        gap = points[:, upper] - points[:, lower]
        assert_close(closed[:, upper], points[:, lower] + 0.15 * gap, atol=1e-6, rtol=0)


@pytest.mark.parametrize("edit", [close_lips, close_eyes])
def test_an_edit_done_twice_is_an_edit_done_once(edit: object) -> None:
    once = edit(faces(2))  # type: ignore[operator]
    assert torch.equal(edit(once), once)  # type: ignore[operator]


@pytest.mark.parametrize("edit", [close_lips, close_eyes])
def test_frames_do_not_touch_each_other(edit: object) -> None:
    points = faces(3)
    whole = edit(points)  # type: ignore[operator]
    assert_close(edit(points[2]), whole[2])  # type: ignore[operator]


def test_edits_commute_with_pose() -> None:
    # The weights depend on the mesh alone, so turning the head first or last is the same.
    points = faces(3)
    pose = torch.tensor([0.2, -0.4, 0.1, 0.1, 0.0, -0.5])
    assert_close(
        close_lips(pose_vertices(points, pose)), pose_vertices(close_lips(points), pose), atol=1e-5,
        rtol=0,
    )  # fmt: skip


@pytest.mark.parametrize("edit", [close_lips, close_eyes])
@pytest.mark.parametrize(
    ("points", "message"),
    [
        (torch.zeros(2, 68, 2), r"must have shape \(T, 478, D\), got \(2, 68, 2\)"),
        (torch.zeros(2, 478, 4), "must end in 2 or 3, got 4"),
        (torch.zeros(2, 478, 2).long(), "must be floating point, got torch.int64"),
    ],
)
def test_edits_refuse_other_points(edit: object, points: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=rf"points_TKD \(mp478\) {message}"):
        edit(points)  # type: ignore[operator]


def test_free_vertices_move_as_the_mean_of_their_neighbours() -> None:
    triangles = MorphableModel.builtin().triangles_P3
    known, free = [14, 17], [84, 314, 18, 83, 313, 200]
    moves = torch.randn(2, 3, dtype=torch.float64)
    field = torch.zeros(468, 3, dtype=torch.float64)
    field[known] = moves
    field[free] = harmonic_weights(triangles, known, free) @ moves
    neighbours = adjacency(triangles, 468)
    for i in free:
        assert_close(field[i], field[neighbours[i] > 0].mean(0))


def motion_of(model: MorphableModel) -> Motion:
    identity, expression, pose = random_truth(model, 5)
    return Motion(expression=expression, pose=pose, identity=identity, face_model=model.name)


def test_refit_closes_the_mouth_and_keeps_pose_and_identity() -> None:
    model = MorphableModel.builtin()
    motion = motion_of(model)
    motion.expression[:, :3] += 0.4
    closed = refit(model, motion, close_lips)
    before = lip_opening(model(motion.identity, motion.expression))
    after = lip_opening(model(closed.identity, closed.expression))
    assert (after < 0.35 * before).all()
    assert torch.equal(closed.pose, motion.pose)
    assert torch.equal(closed.identity, motion.identity)


def test_refit_is_the_least_squares_solution() -> None:
    model = random_model()
    motion = motion_of(model)
    closed = refit(model, motion, close_lips, weight=0.0)
    points = model(motion.identity, motion.expression)
    change = (close_lips(points) - points).flatten(1)
    basis = model.expression_basis_EV3.flatten(1)
    expected = torch.linalg.lstsq(basis.T, change.T).solution.T
    assert_close(closed.expression - motion.expression, expected, atol=1e-4, rtol=0)


def test_refit_with_nothing_to_do_changes_nothing() -> None:
    model = MorphableModel.builtin()
    motion = motion_of(model)
    assert torch.equal(refit(model, motion, lambda points: points).expression, motion.expression)


def test_refit_refuses_another_models_motion() -> None:
    with pytest.raises(ValueError, match="convert the motion first"):
        refit(random_model(), motion_of(random_model(seed=1)), close_lips)
