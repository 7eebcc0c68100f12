"""Properties of the shipped model that hold for any model that may take its place."""

import pytest
import torch
from torch import Tensor

from viseme_core.types import NUM_EXPRESSION, NUM_IDENTITY, Motion
from viseme_face.layouts import (
    LEFT_EYE,
    LEFT_IRIS,
    LIP_INNER,
    LIP_RINGS,
    RIGHT_EYE,
    RIGHT_IRIS,
    RIGHT_LID_PAIRS,
    eye_aspect_ratio,
    lip_opening,
)
from viseme_face.morphable import MorphableModel
from viseme_face.parts import BUILTIN_FILE
from viseme_face.pose import project
from viseme_face.regions import close_eyes, close_lips, refit

RIGHT_LIDS = torch.tensor(RIGHT_LID_PAIRS)


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


def test_directions_are_orthogonal_at_one_deviation_each_and_stand_by_size() -> None:
    model = MorphableModel.builtin()
    for basis, std in (
        (model.identity_basis_IV3, model.identity_std_I),
        (model.expression_basis_EV3, model.expression_std_E),
    ):
        assert torch.equal(std, torch.ones_like(std))
        flat = basis.flatten(1).double()
        size = flat.norm(dim=1)
        # As far as eleven bits keep right angles.
        cosines = flat @ flat.T / (size[:, None] * size) - torch.eye(len(size))
        assert cosines.abs().max() < 2e-3
        assert (size.diff() < 1e-6 * size[0]).all()
        assert size[0] / size[-1] < 500


def test_lips_and_lids_of_anybody_close_whatever_they_did(closed: Tensor) -> None:
    assert lip_opening(closed).quantile(0.9) < 0.02
    assert lip_opening(closed).max() < 0.04
    assert eye_aspect_ratio(closed).median() < 0.03
    assert eye_aspect_ratio(closed).max() < 0.08


@pytest.fixture(scope="module")
def closed() -> Tensor:
    """Forty random people at half a deviation of expression, then asked to close lips and eyes."""
    model = MorphableModel.builtin()
    draw = torch.Generator().manual_seed(0)
    identity_PI = torch.randn(40, 80, generator=draw) * model.identity_std_I
    expression_PE = 0.5 * torch.randn(40, 64, generator=draw) * model.expression_std_E
    faces = []
    for identity_I, expression_E in zip(identity_PI, expression_PE, strict=True):
        motion = Motion(
            expression=expression_E[None],
            pose=torch.zeros(1, 6),
            identity=identity_I,
            face_model=model.name,
        )
        motion = refit(model, motion, lambda points: close_eyes(close_lips(points)))
        faces.append(model(identity_I, motion.expression)[0])
    return torch.stack(faces)


def test_the_mouth_opens_wide_and_each_eye_shuts_alone() -> None:
    model = MorphableModel.builtin()
    mean = model.mean_V3
    wanted = mean.clone()
    wanted[mean[:, 1] < mean[17, 1] - 1e-3, 1] -= 0.3
    for ring in LIP_RINGS:
        wanted[list(ring[11:]), 1] -= 0.3
    assert lip_opening(nearest(model, wanted)) > 0.3
    wanted = mean.clone()
    wanted[RIGHT_LIDS[:, 0]] = mean[RIGHT_LIDS[:, 1]]
    ratios = eye_aspect_ratio(nearest(model, wanted))
    assert ratios[0] < 0.06
    assert ratios[1] > 0.15


def nearest(model: MorphableModel, wanted_V3: Tensor) -> Tensor:
    """The expression of the mean face that lies nearest to some points, lips and lids foremost."""
    weights_V1 = torch.ones(478, 1, dtype=torch.float64)
    weights_V1[[*LIP_INNER, *RIGHT_EYE, *LEFT_EYE]] = 5
    rows = (model.expression_basis_EV3.double() * weights_V1).flatten(1)
    away = ((wanted_V3 - model.mean_V3).double() * weights_V1).flatten()
    found = torch.linalg.lstsq(rows.T, away).solution
    return model(torch.zeros(80), found.float())


def test_eyes_look_about_with_the_lids_where_they_are() -> None:
    model = MorphableModel.builtin()
    wanted = model.mean_V3.clone()
    wanted[[*RIGHT_IRIS, *LEFT_IRIS], 0] += 0.05
    found = nearest(model, wanted) - model.mean_V3
    assert found[[*RIGHT_IRIS, *LEFT_IRIS], 0].min() > 0.045
    assert found[[*RIGHT_EYE, *LEFT_EYE]].norm(dim=-1).max() < 0.005


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
