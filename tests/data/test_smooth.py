"""Smoothing: less noise, no delay, blinks and lip closures as deep as before."""

import math

import pytest
import torch
from torch import Tensor

from tests.data.faces import talking_points
from viseme_data.smooth import noise_of, smooth, smooth_landmarks
from viseme_face import MorphableModel, eye_aspect_ratio, lip_opening
from viseme_face.regions import close_eyes, close_lips


@pytest.fixture(scope="module")
def talking() -> Tensor:
    return talking_points(MorphableModel.builtin(), 80)


def jittered(points_TKD: Tensor, sigma: float) -> Tensor:
    return points_TKD + sigma * torch.randn(
        points_TKD.shape, generator=torch.Generator().manual_seed(3)
    )


def test_white_jitter_falls_by_more_than_forty_per_cent() -> None:
    noise = torch.randn(400, 50, generator=torch.Generator().manual_seed(0))
    assert smooth(noise).std() < 0.6 * noise.std()


@pytest.mark.parametrize(("is_talking", "left"), [(False, 0.6), (True, 0.65)])
def test_landmark_jitter_falls_by_forty_per_cent_or_nearly(
    talking: Tensor, is_talking: bool, left: float
) -> None:
    truth = talking if is_talking else talking[:1].repeat(250, 1, 1)
    noisy = jittered(truth, 0.6)
    after_KD, before_KD = ((p - truth).std(0) for p in (smooth_landmarks(noisy), noisy))
    # Lips and lids, a fifth of the points, are smoothed less; the median is of the others.
    assert after_KD.median() < left * before_KD.median()


@pytest.mark.parametrize("shape", [(1.0, 1.0, 1.0), (0.5, 1.0, 0.5)])
def test_a_blink_of_three_frames_keeps_most_of_its_depth(
    talking: Tensor, shape: tuple[float, ...]
) -> None:
    closed = close_eyes(talking)
    blinking = talking.clone()
    for i, share in enumerate(shape):
        blinking[39 + i] = torch.lerp(talking[39 + i], closed[39 + i], share)
    noisy = jittered(blinking, 0.4)

    def depth(points_TK3: Tensor) -> Tensor:
        open_T = eye_aspect_ratio(talking[..., :2]).mean(-1)
        return (open_T - eye_aspect_ratio(points_TK3[..., :2]).mean(-1))[40]

    assert depth(smooth_landmarks(noisy)) > 0.8 * depth(blinking)


def test_a_lip_closure_of_two_frames_stays_closed(talking: Tensor) -> None:
    spoken = talking.clone()
    spoken[40:42] = close_lips(talking[40:42])
    opening = lip_opening(smooth_landmarks(jittered(spoken, 0.4))[..., :2])
    before = lip_opening(talking[..., :2])
    assert (opening[40:42] < 0.25 * before[40:42]).all()


def test_nothing_is_shifted_in_time() -> None:
    time = torch.arange(200) / 25
    clean = torch.sin(2 * torch.pi * 1.7 * time) + 0.5 * torch.sin(2 * torch.pi * 4.1 * time)
    noisy = clean + 0.2 * torch.randn(200, generator=torch.Generator().manual_seed(1))
    done = smooth(noisy[:, None])[:, 0]

    def match(lag: int) -> float:
        return float((done[10 + lag : 190 + lag] * clean[10:190]).sum())

    assert max(range(-5, 6), key=match) == 0


def test_smoothing_runs_alike_in_both_directions() -> None:
    values = torch.randn(50, 3, generator=torch.Generator().manual_seed(2)).double()
    torch.testing.assert_close(smooth(values.flip(0)).flip(0), smooth(values))


def test_speech_without_noise_is_left_as_it_is(talking: Tensor) -> None:
    change = (smooth_landmarks(talking) - talking)[..., :2].abs().max()
    assert change < 0.1  # pixels of 640


def test_a_quartic_is_left_as_it_is_up_to_the_ends() -> None:
    time = torch.linspace(-1, 1, 30, dtype=torch.float64)[:, None]
    values = time**4 - 2 * time**3 + 3 * time**2 - time + 2
    torch.testing.assert_close(smooth(values, noise=torch.tensor(9.0)), values)


def test_noise_is_measured_under_movement() -> None:
    time = torch.arange(2000) / 25
    values = 20 * torch.sin(2 * torch.pi * 0.5 * time)
    values = values + 0.3 * torch.randn(2000, generator=torch.Generator().manual_seed(0))
    assert math.isclose(float(noise_of(values[:, None])), 0.3, rel_tol=0.1)


def test_a_frame_in_which_the_face_jumps_away_and_back_is_replaced(talking: Tensor) -> None:
    noisy = jittered(talking, 0.3)
    noisy[25, :, 0] += 60
    assert (smooth_landmarks(noisy)[25] - talking[25]).norm(dim=-1).median() < 2


def test_a_quick_nod_is_no_slip(talking: Tensor) -> None:
    moved = talking.clone()
    ramp = torch.tensor([10.0, 30.0, 45.0, 45.0, 30.0, 10.0])
    moved[20:26, :, 1] += ramp[:, None]
    assert (smooth_landmarks(jittered(moved, 0.3))[20:26] - moved[20:26]).abs().median() < 1


@pytest.mark.parametrize("num_frames", [1, 2, 3, 4, 7])
def test_short_clips_come_out_whole(talking: Tensor, num_frames: int) -> None:
    done = smooth_landmarks(talking[:num_frames])
    assert done.shape == talking[:num_frames].shape
    assert (done - talking[:num_frames]).abs().max() < 5


def test_strength_zero_changes_nothing(talking: Tensor) -> None:
    noisy = jittered(talking, 1.0)
    assert torch.equal(smooth_landmarks(noisy, strength=0), noisy)
    assert torch.equal(smooth(noisy, strength=0), noisy)


def test_missing_frames_are_refused_with_a_remedy() -> None:
    with pytest.raises(ValueError, match="interpolate"):
        smooth(torch.full((20, 2), torch.nan))
