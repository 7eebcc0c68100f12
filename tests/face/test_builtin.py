"""Properties of the shipped model that hold for any model that may take its place."""

import torch

from viseme_core.types import NUM_EXPRESSION, NUM_IDENTITY
from viseme_face.layouts import LEFT_IRIS, LIP_INNER, RIGHT_EYE, eye_aspect_ratio, lip_opening
from viseme_face.morphable import MorphableModel
from viseme_face.parts import BUILTIN_FILE
from viseme_face.pose import project


def test_the_file_is_small_and_holds_478_vertices_and_80_and_64_directions() -> None:
    assert BUILTIN_FILE.stat().st_size < 500_000
    model = MorphableModel.builtin()
    assert model.num_vertices == 478
    assert model.identity_basis_IV3.shape == (NUM_IDENTITY, 478, 3)
    assert model.expression_basis_EV3.shape == (NUM_EXPRESSION, 478, 3)
    assert model.triangles_P3.shape == (898, 3)
    assert set(model.layouts) == {"mp478", "talk131", "dlib68"}


def test_the_mean_face_fills_the_crop_upright() -> None:
    mean = MorphableModel.builtin().mean_V3
    assert mean.mean(0).norm() < 1e-3
    image = project(mean)
    assert image.min() > 0.05
    assert image.max() < 0.95
    assert image[10, 1] < image[4, 1] < image[152, 1]
    # Most of a face looks at the camera: its front triangles run counter-clockwise.
    corners = mean[MorphableModel.builtin().triangles_P3]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (normals[:, 2] > 0).float().mean() > 0.9


def test_the_mean_has_lips_closed_and_eyes_open() -> None:
    mean = MorphableModel.builtin().mean_V3
    assert lip_opening(mean) < 0.02
    assert (eye_aspect_ratio(mean) > 0.1).all()


def test_an_iris_lies_between_its_corners() -> None:
    mean = MorphableModel.builtin().mean_V3
    assert mean[362, 0] < mean[LEFT_IRIS[0], 0] < mean[263, 0]
    # Rim points run +x, up, -x, down, as MediaPipe numbers them.
    centre, right, top, left, bottom = mean[list(LEFT_IRIS)]
    assert left[0] < centre[0] < right[0]
    assert bottom[1] < centre[1] < top[1]


def test_directions_are_independent_at_their_deviations() -> None:
    model = MorphableModel.builtin()
    for basis, std in (
        (model.identity_basis_IV3, model.identity_std_I),
        (model.expression_basis_EV3, model.expression_std_E),
    ):
        values = torch.linalg.svdvals((basis * std[:, None, None]).flatten(1).double())
        assert values[0] / values[-1] < 500


def test_some_expression_opens_the_mouth_and_some_closes_the_right_eye() -> None:
    model = MorphableModel.builtin()
    faces = model(torch.zeros(80), torch.eye(64))
    assert lip_opening(faces).max() > 0.3
    assert eye_aspect_ratio(faces)[:, 0].min() < 0.02
    moved = (faces - model.mean_V3)[:, [*LIP_INNER, *RIGHT_EYE]].norm(dim=-1)
    assert moved.amax(1).gt(1e-3).sum() > 20


def test_random_faces_stay_heads() -> None:
    model = MorphableModel.builtin()
    identity = torch.randn(200, 80) * model.identity_std_I
    faces = model(identity, torch.zeros(64))
    width = faces[:, 454, 0] - faces[:, 234, 0]
    height = faces[:, 10, 1] - faces[:, 152, 1]
    assert (width > 1.0).all()
    assert (width < 2.1).all()
    assert (height / width > 0.7).all()
    assert (height / width < 1.8).all()
