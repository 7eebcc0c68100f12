"""Landmarks to motion: what a known motion projects to gives that motion back."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.data.faces import talking_points
from viseme_core.types import Landmarks
from viseme_data.coefficients import eye_distance, fit_motion, fitted_points
from viseme_face import MorphableModel, eye_aspect_ratio, lip_opening
from viseme_face.regions import close_lips


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return MorphableModel.builtin()


@pytest.fixture(scope="module")
def talking(model: MorphableModel) -> Landmarks:
    return Landmarks(talking_points(model, 60) / 640, "mp478")


def with_jitter(landmarks: Landmarks, sigma: float) -> Landmarks:
    draw = torch.Generator().manual_seed(0)
    points = landmarks.points_TKD
    return Landmarks(points + sigma * torch.randn(points.shape, generator=draw), "mp478")


def correlation(one: Tensor, other: Tensor) -> float:
    return float(np.corrcoef(one.numpy(), other.numpy())[0, 1])


def test_the_fit_explains_landmarks_of_the_model_itself(
    model: MorphableModel, talking: Landmarks
) -> None:
    fitted = fit_motion(model, with_jitter(talking, 5e-4))
    assert fitted.motion.face_model == model.name
    assert fitted.motion.num_frames == 60
    assert float(fitted.residual_share_T.median()) < 0.01
    seen = fitted_points(model, fitted.motion)
    given = talking.points_TKD[..., :2]
    assert correlation(lip_opening(seen), lip_opening(given)) > 0.97
    assert correlation(eye_aspect_ratio(seen)[:, 0], eye_aspect_ratio(given)[:, 0]) > 0.9


def test_head_turns_come_back(model: MorphableModel, talking: Landmarks) -> None:
    pose = fit_motion(model, with_jitter(talking, 5e-4)).motion.pose
    time = torch.arange(60) / 25
    truth = 0.3 * torch.sin(2 * torch.pi * 0.3 * time)
    # Size and depth trade with the camera's distance; turning to the side hardly does.
    assert correlation(pose[:, 1], truth) > 0.99
    assert float((pose[:, 1] - truth).abs().max()) < 0.06


def test_residual_is_the_distance_to_the_smoothed_landmarks(
    model: MorphableModel, talking: Landmarks
) -> None:
    fitted = fit_motion(model, with_jitter(talking, 2e-3))
    away = fitted_points(model, fitted.motion) - fitted.landmarks.points_TKD[..., :2]
    by_hand = np.sqrt((away.numpy() ** 2).sum(-1).mean(-1))
    assert fitted.residual_T.numpy() == pytest.approx(by_hand, rel=1e-4)
    eyes = talking.points_TKD[:, 33, :2] - talking.points_TKD[:, 263, :2]
    unit = float(np.median(np.linalg.norm(eyes.numpy(), axis=-1)))
    assert fitted.residual_share_T.numpy() == pytest.approx(by_hand / unit, rel=0.02)


def test_eye_distance_leaves_depth_out() -> None:
    points = torch.zeros(2, 478, 3)
    points[:, 263] = torch.tensor([3.0, 4.0, 12.0])
    assert eye_distance(points).tolist() == [5, 5]


def test_smoothing_makes_motion_steadier_and_closes_no_mouth_less(
    model: MorphableModel, talking: Landmarks
) -> None:
    spoken = talking.points_TKD.clone()
    spoken[30:32] = close_lips(spoken[30:32])
    noisy = with_jitter(Landmarks(spoken, "mp478"), 1e-3)
    rough = fit_motion(model, noisy, strength=0)
    steady = fit_motion(model, noisy)

    def unrest(motion: Tensor) -> float:
        return float(motion.diff(n=3, dim=0).square().mean().sqrt())

    assert unrest(steady.motion.pose) < 0.6 * unrest(rough.motion.pose)
    opening = lip_opening(fitted_points(model, steady.motion))
    before = lip_opening(talking.points_TKD[..., :2])
    assert (opening[30:32] < 0.5 * before[30:32]).all()


def test_lips_and_lids_open_as_far_on_a_face_that_the_model_does_not_have(
    model: MorphableModel, talking: Landmarks
) -> None:
    # A wavy mirror: a hundredth of the crop up and down, over about an eye's width.
    bent = talking.points_TKD.clone()
    x, y = bent[..., 0].clone(), bent[..., 1].clone()
    bent[..., 1] += 0.01 * torch.sin(27 * x) * torch.cos(36 * y + 1)
    fitted = fit_motion(model, Landmarks(bent, "mp478"), strength=0)
    seen = fitted_points(model, fitted.motion)
    # Counting lips and lids like all other points leaves 0.0019 and 0.013.
    assert float((lip_opening(seen) - lip_opening(bent[..., :2])).abs().mean()) < 0.0015
    assert float((eye_aspect_ratio(seen) - eye_aspect_ratio(bent[..., :2])).abs().mean()) < 0.006


def test_a_long_clip_is_fitted_in_parts_that_agree(
    model: MorphableModel, talking: Landmarks, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit_motion(model, talking)
    monkeypatch.setattr("viseme_data.coefficients._CHUNK", 25)
    parts = fit_motion(model, talking)
    torch.testing.assert_close(parts.motion.pose, whole.motion.pose, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(parts.residual_T, whole.residual_T, atol=1e-5, rtol=0.02)


def test_one_frame_is_enough(model: MorphableModel, talking: Landmarks) -> None:
    one = fit_motion(model, Landmarks(talking.points_TKD[:1], "mp478"))
    assert one.motion.num_frames == 1
    assert float(one.residual_share_T) < 0.02


def test_another_layout_is_refused(model: MorphableModel) -> None:
    with pytest.raises(ValueError, match="mp478"):
        fit_motion(model, Landmarks(torch.rand(3, 68, 2), "dlib68"))
