from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from tests.face.models import random_model
from viseme_face.layouts import DLIB68, MOUTH
from viseme_face.morphable import MorphableModel, common_layout
from viseme_face.parts import FaceParts


def test_vertices_are_the_mean_plus_the_weighted_directions() -> None:
    model = random_model()
    identity, expression = torch.randn(2, 80), torch.randn(2, 64)
    vertices = model(identity, expression)
    for b in range(2):
        # FD2Talk Eq. 1 written out.
        expected = model.mean_V3.double().numpy().copy()
        for weight, direction in zip(identity[b], model.identity_basis_IV3, strict=True):
            expected += float(weight) * direction.double().numpy()
        for weight, direction in zip(expression[b], model.expression_basis_EV3, strict=True):
            expected += float(weight) * direction.double().numpy()
        np.testing.assert_allclose(vertices[b].numpy(), expected, atol=1e-5)


def test_one_identity_serves_a_clip() -> None:
    model = random_model()
    identity, expression = torch.randn(80), torch.randn(5, 64)
    assert_close(model(identity, expression), model(identity.expand(5, -1), expression))


def test_landmarks_are_rows_of_the_vertices() -> None:
    model = random_model()
    identity, expression = torch.randn(80), torch.randn(5, 64)
    expected = model(identity, expression)[:, list(DLIB68)]
    assert_close(model.landmarks(identity, expression, "dlib68"), expected)


def test_other_numbers_of_coefficients_are_fine() -> None:
    model = random_model(num_identity=3, num_expression=2)
    assert model(torch.randn(3), torch.randn(7, 2)).shape == (7, 478, 3)


def test_the_name_follows_what_coefficients_mean_and_nothing_else() -> None:
    model = random_model()
    assert model.name == random_model().name
    assert model.name != random_model(seed=1).name
    assert model.name.startswith("random@")
    assert len(model.name) == len("random@") + 8
    assert MorphableModel.builtin().double().name == MorphableModel.builtin().name


def test_gradients_reach_coefficients() -> None:
    model = random_model()
    expression = torch.zeros(64, requires_grad=True)
    model(torch.zeros(80), expression).sum().backward()
    assert expression.grad is not None
    assert_close(expression.grad, model.expression_basis_EV3.sum((1, 2)), atol=1e-4, rtol=0)


def test_a_model_puts_nothing_into_checkpoints() -> None:
    assert random_model().state_dict() == {}


def test_mouth_vertices_of_the_mesh_are_the_layouts() -> None:
    assert MorphableModel.builtin().mouth_ids().tolist() == list(MOUTH)


def test_mouth_vertices_without_the_mesh_surround_the_lips() -> None:
    builtin = MorphableModel.builtin()
    parts = FaceParts(
        family="small",
        mean_V3=builtin.mean_V3,
        identity_basis_IV3=builtin.identity_basis_IV3,
        expression_basis_EV3=builtin.expression_basis_EV3,
        identity_std_I=builtin.identity_std_I,
        expression_std_E=builtin.expression_std_E,
        triangles_P3=builtin.triangles_P3,
        landmarks={"dlib68": builtin.landmark_ids("dlib68")},
    )
    found = set(MorphableModel(parts).mouth_ids().tolist())
    assert found >= set(MOUTH[:80])
    assert len(found) < 120


def test_landmarks_that_a_model_lacks_are_refused_by_name() -> None:
    model = random_model()
    with pytest.raises(ValueError, match="not 'ibug5'"):
        model.landmark_ids("ibug5")  # type: ignore[arg-type]


def test_the_common_layout_is_the_richest() -> None:
    assert common_layout(random_model(), random_model(seed=1)) == "mp478"


def small_parts(**changed: Any) -> FaceParts:
    parts: dict[str, Any] = {
        "mean_V3": torch.zeros(5, 3),
        "identity_basis_IV3": torch.zeros(2, 5, 3),
        "expression_basis_EV3": torch.zeros(2, 5, 3),
        "identity_std_I": torch.ones(2),
        "expression_std_E": torch.ones(2),
        "triangles_P3": torch.zeros(0, 3, dtype=torch.int64),
    }
    return FaceParts(family="x", **parts | changed)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("expression_basis_EV3", torch.zeros(2, 6, 3), r"with V = 5, got \(2, 6, 3\)"),
        ("color_V3", torch.zeros(4, 3), r"with V = 5, got \(4, 3\)"),
        ("triangles_P3", torch.tensor([[0, 1, 5]]), r"must hold vertex ids in \[0, 5\)"),
        ("mean_V3", torch.full((5, 3), torch.nan), "holds NaN or infinity"),
        ("identity_std_I", torch.tensor([1.0, 0.0]), "must be above 0"),
        ("expression_std_E", torch.tensor([1.0, -1.0]), "must be above 0"),
    ],
)
def test_unusable_parts_are_refused_by_name(name: str, value: torch.Tensor, message: str) -> None:
    small_parts()
    with pytest.raises(ValueError, match=f"FaceParts.{name} .*{message}"):
        small_parts(**{name: value})
