from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from tests.face.models import random_model, random_truth
from viseme_core.types import Motion
from viseme_face.convert import convert
from viseme_face.fitting import fit_clip
from viseme_face.morphable import MorphableModel
from viseme_face.parts import FaceParts
from viseme_face.pose import pose_vertices


def motion_of(model: MorphableModel, num_frames: int = 6) -> Motion:
    identity, expression, pose = random_truth(model, num_frames)
    return Motion(
        expression=expression, pose=pose, identity=identity, face_model=model.name, fps=30
    )


def landmarks_of(model: MorphableModel, motion: Motion) -> torch.Tensor:
    points = model.landmarks(motion.identity, motion.expression, "dlib68")
    return pose_vertices(points, motion.pose)


def twin_of(model: MorphableModel, layouts: tuple[str, ...] = ("mp478",)) -> MorphableModel:
    """The same space of faces with other directions: mixed by a rotation and rescaled."""
    draw = torch.Generator().manual_seed(5)

    def mixed(basis: torch.Tensor) -> torch.Tensor:
        rotation = torch.linalg.qr(torch.randn(len(basis), len(basis), generator=draw))[0]
        return 2.5 * torch.einsum("ij,jvc->ivc", rotation, basis)

    return MorphableModel(
        FaceParts(
            family="twin",
            mean_V3=model.mean_V3,
            identity_basis_IV3=mixed(model.identity_basis_IV3),
            expression_basis_EV3=mixed(model.expression_basis_EV3),
            identity_std_I=model.identity_std_I / 2.5,
            expression_std_E=model.expression_std_E / 2.5,
            triangles_P3=model.triangles_P3,
            landmarks={layout: model.landmark_ids(layout) for layout in layouts},  # type: ignore[arg-type, misc]
        )
    )


def test_a_model_to_itself_changes_nothing() -> None:
    model = random_model()
    motion = motion_of(model)
    assert convert(motion, model, model) is motion


def test_a_model_to_a_copy_under_another_name_keeps_the_coefficients() -> None:
    model, copy = random_model(), random_model()
    copy.name = "copy@00000000"
    converted = convert(motion_of(model), model, copy)
    expected = motion_of(model)
    assert converted.face_model == copy.name
    assert converted.fps == 30
    assert_close(converted.expression, expected.expression, atol=1e-3, rtol=0)
    assert_close(converted.identity, expected.identity, atol=1e-3, rtol=0)
    assert_close(converted.pose, expected.pose, atol=1e-4, rtol=0)


@pytest.mark.parametrize("builtin", [False, True])
def test_to_a_twin_and_back_returns_landmarks_and_coefficients(builtin: bool) -> None:
    model = MorphableModel.builtin() if builtin else random_model()
    twin, motion = twin_of(model), motion_of(model)
    there = convert(motion, model, twin)
    assert not torch.allclose(there.expression, motion.expression, atol=0.1)
    assert_close(landmarks_of(twin, there), landmarks_of(model, motion), atol=1e-4, rtol=0)
    back = convert(there, twin, model)
    assert_close(landmarks_of(model, back), landmarks_of(model, motion), atol=1e-4, rtol=0)
    assert_close(back.expression, motion.expression, atol=2e-2, rtol=0)


def test_models_that_share_only_68_points_meet_there() -> None:
    model = MorphableModel.builtin()
    small, motion = twin_of(model, ("dlib68",)), motion_of(model)
    there = convert(motion, model, small)
    assert_close(landmarks_of(small, there), landmarks_of(model, motion), atol=1e-3, rtol=0)


def test_motion_of_another_model_is_refused() -> None:
    model, other = random_model(), random_model(seed=1)
    with pytest.raises(ValueError, match=r"belongs to face model 'random@.*as its source"):
        convert(motion_of(model), other, model)


def test_models_without_common_landmarks_are_refused() -> None:
    model = random_model()
    bare = twin_of(model, ())
    with pytest.raises(ValueError, match="share none"):
        convert(motion_of(model), model, bare)


def test_a_fit_and_its_conversion_describe_the_same_face() -> None:
    model = MorphableModel.builtin()
    motion = motion_of(model)
    fit = fit_clip(model, landmarks_of(model, motion), "dlib68").to_motion()
    assert_close(landmarks_of(model, fit), landmarks_of(model, motion), atol=1e-3, rtol=0)
    assert replace(fit, fps=30).face_model == motion.face_model
