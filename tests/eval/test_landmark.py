import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from viseme_core.types import Landmarks
from viseme_eval.functional.landmark import (
    Alignment,
    eye_aspect_ratio_curve,
    landmark_distance,
    landmark_distance_curve,
    landmark_velocity_error,
    lip_opening_curve,
)
from viseme_eval.metrics.landmark import (
    LMD,
    LandmarkVelocityError,
    LipOpeningCorrelation,
    LipOpeningLag,
    LipOpeningSpread,
)
from viseme_face.layouts import DLIB68, lip_opening, select


def random_face(num_frames: int = 6, seed: int = 0) -> Landmarks:
    generator = torch.Generator().manual_seed(seed)
    rest = torch.rand(478, 3, generator=generator)
    return Landmarks(rest + 0.02 * torch.randn(num_frames, 478, 3, generator=generator), "mp478")


def moved(landmarks: Landmarks, change: Tensor) -> Landmarks:
    return Landmarks(landmarks.points_TKD + change, landmarks.layout)


def turned(landmarks: Landmarks) -> Landmarks:
    """Return the same face, tilted, smaller and elsewhere, by another amount in every frame."""
    points = landmarks.points_TKD[..., :2].double()
    for t in range(len(points)):
        angle, scale = 0.1 * t - 0.2, 1 - 0.05 * t
        cos, sin = math.cos(angle), math.sin(angle)
        points[t] = scale * points[t] @ torch.tensor([[cos, sin], [-sin, cos]]).double() + 0.1 * t
    return Landmarks(points, landmarks.layout)


def talking(opening_T: Tensor) -> Landmarks:
    """Return dlib points whose inner lips open by the curve, in parts of the mouth's width."""
    points = torch.zeros(len(opening_T), 68, 2, dtype=torch.float64)
    points[:, 60, 0], points[:, 64, 0] = 0.4, 0.6
    for upper, lower, x in ((61, 67, 0.45), (62, 66, 0.5), (63, 65, 0.55)):
        points[:, upper, 0] = points[:, lower, 0] = x
        points[:, lower, 1] = 0.2 * opening_T
    return Landmarks(points, "dlib68")


def test_default_is_atvgnets_mouth_distance_in_pixels() -> None:
    generated, reference = random_face(seed=1), random_face(seed=2)
    total, count = 0.0, 0
    for g, r in zip(generated.points_TKD.numpy(), reference.points_TKD.numpy(), strict=True):
        mouths = [x[list(DLIB68[48:])][:, :2].astype(np.float64) * 256 for x in (g, r)]
        g_mouth, r_mouth = (mouth - mouth.sum(0) / 20 for mouth in mouths)
        total += np.sqrt(((g_mouth - r_mouth) ** 2).sum(1)).sum()
        count += 20
    assert float(landmark_distance(generated, reference)) == pytest.approx(total / count, rel=1e-12)


def test_identical_faces_have_no_distance() -> None:
    face = random_face()
    assert float(landmark_distance(face, face, region="face", align="none")) == 0
    assert float(landmark_velocity_error(face, face)) == 0


def test_a_moved_face_is_as_far_as_it_moved_unless_aligned() -> None:
    face = random_face()
    other = moved(face, torch.tensor([0.03, 0.04, 7.0]))
    distance = landmark_distance(other, face, region="face", align="none", crop_px=100)
    assert float(distance) == pytest.approx(5, rel=1e-5)  # positions are float32
    for align in ("centroid", "upper_face"):
        assert float(landmark_distance(other, face, align=align)) == pytest.approx(0, abs=1e-4)


def test_upper_face_alignment_takes_head_motion_out_and_leaves_the_mouths_own() -> None:
    face = random_face()
    assert float(landmark_distance(turned(face), face, align="upper_face")) < 1e-4
    assert float(landmark_distance(turned(face), face, align="centroid")) > 1
    lips = torch.zeros(478, 3)
    lips[list(DLIB68[48:]), 1] = 0.05
    other = moved(face, lips)
    distance = landmark_distance(turned(other), face, align="upper_face", crop_px=100)
    assert float(distance) == pytest.approx(5, rel=1e-5)


def test_normalised_distances_do_not_depend_on_the_size_of_the_picture() -> None:
    generated, reference = random_face(seed=1), random_face(seed=2)
    half = [Landmarks(x.points_TKD / 2, "mp478") for x in (generated, reference)]
    points = select(reference, "dlib68").points_TKD[..., :2].double().numpy()
    pixels = landmark_distance_curve(generated, reference, crop_px=1).numpy()
    sizes = {
        "face": np.sqrt(np.prod(points.max(1) - points.min(1), axis=1)),
        "eyes": np.linalg.norm(points[:, 36] - points[:, 45], axis=1),
    }
    for normalise in ("face", "eyes"):
        value = landmark_distance(generated, reference, normalise=normalise, crop_px=999)
        assert float(value) == pytest.approx((pixels / sizes[normalise]).mean(), rel=1e-12)
        assert_close(landmark_distance(*half, normalise=normalise), value)


@pytest.mark.parametrize("align", ["none", "centroid", "upper_face"])
def test_frames_without_a_face_are_left_out(align: Alignment) -> None:
    generated, reference = random_face(seed=1), random_face(seed=2)
    whole = landmark_distance_curve(generated, reference, align=align)
    generated.points_TKD[1] = torch.nan
    reference.points_TKD[4] = torch.nan
    curve = landmark_distance_curve(generated, reference, align=align)
    assert curve.isnan().tolist() == [False, True, False, False, True, False]
    expected = whole[[0, 2, 3, 5]].mean()
    assert_close(landmark_distance(generated, reference, align=align), expected)
    assert not landmark_velocity_error(generated, reference, align=align).isnan()


def test_velocity_error_sees_motion_and_not_place() -> None:
    reference = random_face(5)
    drift = torch.arange(5.0)[:, None, None] * torch.tensor([0.03, 0.04, 0.0])
    other = moved(reference, drift + 0.3)
    error = landmark_velocity_error(other, reference, align="none", crop_px=100)
    assert float(error) == pytest.approx(5, rel=1e-4)
    assert landmark_velocity_error(random_face(1), random_face(1)).isnan()


def test_no_frames_and_no_face_give_nan() -> None:
    missing = Landmarks(torch.full((3, 478, 2), torch.nan), "mp478")
    empty = Landmarks(torch.zeros(0, 478, 2), "mp478")
    for face in (missing, empty):
        assert landmark_distance(face, face).isnan()
        assert landmark_velocity_error(face, face).isnan()


def test_clips_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="cut both"):
        landmark_distance(random_face(4), random_face(5))


def test_eye_aspect_ratio_is_that_of_the_six_points() -> None:
    points = torch.zeros(2, 68, 2)
    eye = torch.tensor([[0.0, 0], [1, 0.3], [2, 0.5], [3, 0], [2, -0.4], [1, -0.6]])
    points[:, 36:42] = eye
    points[:, 42:48] = eye * 0.1
    points[1, 42:48] = 0
    ratios = eye_aspect_ratio_curve(Landmarks(points, "dlib68"))
    expected = (0.9 + 0.9) / (2 * 3)
    assert_close(ratios[0], torch.full((2,), expected, dtype=torch.float64), rtol=1e-6, atol=0)
    assert float(ratios[1, 0]) == pytest.approx(expected)
    assert ratios[1, 1].isnan()


def test_dlibs_eyes_are_the_same_in_mediapipes_layout() -> None:
    face = random_face()
    assert_close(eye_aspect_ratio_curve(face), eye_aspect_ratio_curve(select(face, "dlib68")))


def test_lip_opening_is_the_faces_own_or_that_of_dlibs_three_pairs() -> None:
    face = random_face()
    assert_close(
        lip_opening_curve(face), lip_opening(face.points_TKD[..., :2]).double(), rtol=1e-5, atol=0
    )
    curve = torch.tensor([0.0, 0.2, 0.5], dtype=torch.float64)
    assert_close(lip_opening_curve(talking(curve)), curve)


def test_classes_give_the_mean_of_the_functions() -> None:
    clips = [(random_face(4 + i, i), random_face(4 + i, i + 9)) for i in range(3)]
    for metric, function in (
        (LMD(region="face", normalise="eyes"), landmark_distance),
        (LandmarkVelocityError(region="face", normalise="eyes"), landmark_velocity_error),
    ):
        for clip in clips:
            metric.update(*clip)
        values = [function(*clip, region="face", normalise="eyes") for clip in clips]
        assert_close(metric.compute(), torch.stack(values).mean())


def test_lips_that_follow_late_and_timidly_are_measured_so() -> None:
    speech = torch.rand(90, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    reference, generated = talking(speech[5:]), talking(0.1 + 0.5 * speech[2:-3])
    zero, best = LipOpeningCorrelation(), LipOpeningCorrelation(at="best")
    lag, spread = LipOpeningLag(), LipOpeningSpread()
    for metric in (zero, best, lag, spread):
        metric.update(generated, reference)
    assert abs(float(zero.compute())) < 0.4
    assert float(best.compute()) == pytest.approx(1)
    assert float(lag.compute()) == 3
    assert float(spread.compute()) == pytest.approx(0.5, rel=0.05)  # other 85 of the 90 frames
    early = LipOpeningLag(absolute=True)
    early.update(reference, generated)
    assert float(early.compute()) == 3


def test_openings_of_two_layouts_are_not_compared() -> None:
    with pytest.raises(ValueError, match="one detector"):
        LipOpeningSpread().update(random_face(), select(random_face(), "dlib68"))


@pytest.mark.parametrize("wrong", [{"region": "lips"}, {"align": "eyes"}, {"normalise": "mouth"}])
def test_settings_that_do_not_exist_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must be one of"):
        landmark_distance(random_face(), random_face(), **wrong)  # type: ignore
    with pytest.raises(ValueError, match="at must be one of"):
        LipOpeningCorrelation(at="peak")  # type: ignore
