"""The offset of sound and picture is found, on sound and mouths that are made to differ by it."""

import numpy as np
import pytest
import torch
from torch import Tensor

from viseme_data.sync import (
    MAX_LAG,
    estimate_offset,
    judge,
    lag_correlation,
    mouth_measures,
    shift_audio,
    shipped_predictor,
    sound_features,
)
from viseme_data.sync_learning import learn

FRAME = 640


def talking(seconds: float, seed: int, *, late: int = 0) -> tuple[Tensor, Tensor]:
    """Return noise that comes and goes like syllables, and a mouth that opens with it."""
    rng = np.random.default_rng(seed)
    num, spare = round(seconds * 25), 30
    knots = np.clip(rng.normal(0.3, 0.5, (num + 2 * spare) // 4 + 2), 0, 1)
    level_T = np.interp(np.arange(num + 2 * spare) / 4, np.arange(len(knots)), knots)
    samples = np.interp(np.arange(num * FRAME) / FRAME, np.arange(num) + 0.5, level_T[spare:-spare])
    audio = samples**2 * rng.normal(0, 0.2, num * FRAME)
    mouth_T = level_T[spare - late : spare - late + num]
    points_TK3 = np.zeros((num, 478, 3))
    points_TK3[:, 33, 0], points_TK3[:, 263, 0] = -0.2, 0.2
    points_TK3[:, 78, 0], points_TK3[:, 308, 0] = -0.1, 0.1
    points_TK3[:, 14, 1] = 0.1 * mouth_T
    points_TK3[:, 152, 1] = 0.5 + 0.05 * mouth_T
    points_TK3 += rng.normal(0, 1e-3, points_TK3.shape)
    return torch.from_numpy(audio).float(), torch.from_numpy(points_TK3).float()


@pytest.mark.parametrize("late", [-9, -5, 0, 3, 11])
def test_a_mouth_that_is_late_by_so_many_frames_is_found_so(late):
    estimate = estimate_offset(*talking(8, seed=1, late=late))
    at_rest = estimate_offset(*talking(8, seed=1))
    # The made-up mouth may lead its noise by another constant than people's do.
    assert estimate.offset_frames - at_rest.offset_frames == pytest.approx(late, abs=0.6)
    assert abs(at_rest.offset_frames) < 2.5
    assert estimate.confidence > 0.9


def test_shifting_the_sound_by_the_estimate_brings_it_into_time():
    audio, points = talking(8, seed=2, late=6)
    estimate = estimate_offset(audio, points)
    assert abs(estimate.offset_frames) > 3
    again = estimate_offset(shift_audio(audio, estimate.offset_frames), points)
    assert abs(again.offset_frames) < 0.3


def test_a_mouth_that_moves_to_something_else_leaves_the_estimate_unsure():
    confidences = [
        estimate_offset(talking(6, seed=seed)[0], talking(6, seed=100 + seed)[1]).confidence
        for seed in range(6)
    ]
    assert np.median(confidences) < 0.6


@pytest.mark.parametrize("silent", [torch.zeros(16000 * 4), torch.zeros(1)])
def test_silence_gives_no_offset_and_no_confidence(silent):
    estimate = estimate_offset(silent, talking(4, seed=3)[1])
    assert (estimate.offset_frames, estimate.confidence) == (0.0, 0.0)


def test_a_face_that_never_moves_gives_no_confidence():
    audio, points = talking(6, seed=4)
    estimate = estimate_offset(audio, points[:1].expand(len(points), -1, -1))
    assert estimate.confidence < 0.5


def test_a_late_mouth_is_met_by_later_sound():
    sound = torch.arange(1.0, 3201.0)
    assert torch.equal(shift_audio(sound, 2.0)[1280:], sound[:1920])
    assert not shift_audio(sound, 2.0)[:1280].any()
    assert torch.equal(shift_audio(sound, -0.5)[:2880], sound[320:])
    assert not shift_audio(sound, 9.0).any()


def test_lag_correlation_agrees_with_numpy_at_every_lag():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(60, 2)), rng.normal(size=(60, 2))
    curve = lag_correlation(a, b)
    for lag in (-MAX_LAG, -1, 0, 4):
        pairs = [(a[t], b[t + lag]) for t in range(60) if 0 <= t + lag < 60]
        one, other = (np.array(side) for side in zip(*pairs, strict=True))
        expected = [np.corrcoef(one[:, m], other[:, m])[0, 1] for m in range(2)]
        np.testing.assert_allclose(curve[lag + MAX_LAG], expected, atol=1e-9)


def test_the_confidence_is_the_chance_of_a_gaussian_peak():
    # One peak of r at lag 2, nothing elsewhere: the two-hypothesis odds worked out by hand.
    curve = np.zeros((2 * MAX_LAG + 1, 3))
    curve[MAX_LAG + 2] = 0.4
    estimate = judge(curve, 150)
    lags = np.arange(-MAX_LAG, MAX_LAG + 1)
    weight = np.exp(-abs(lags) / 4.0)
    weight[MAX_LAG + 2] *= (1 - 0.16) ** (-3 * (150 - 2) / 8)
    chance = weight / weight.sum()
    assert estimate.confidence == pytest.approx(chance[MAX_LAG + 1 : MAX_LAG + 4].sum())
    assert estimate.offset_frames == pytest.approx(2.0, abs=0.05)


def test_an_opposite_mouth_is_no_evidence():
    curve = np.zeros((2 * MAX_LAG + 1, 3))
    curve[MAX_LAG + 7] = -0.9
    assert judge(curve, 500).offset_frames == pytest.approx(0.0, abs=0.05)


def test_measures_do_not_change_with_size_and_place():
    _, points = talking(4, seed=6)
    np.testing.assert_allclose(mouth_measures(points * 250 + 31), mouth_measures(points), atol=1e-3)


def test_learning_finds_the_offsets_that_clips_were_given():
    given = [0, 0, 3, 0, -4, 0, 0, 7]
    clips = [talking(8, seed=20 + i, late=late) for i, late in enumerate(given)]
    weights, offsets = learn(clips)
    assert offsets.tolist() == given
    assert weights.shape == shipped_predictor().shape
    audio, points = talking(8, seed=50)
    curve = lag_correlation(sound_features(audio) @ weights, mouth_measures(points))
    assert curve[:, 0].argmax() == MAX_LAG


def test_one_clip_is_too_few_to_learn_from():
    with pytest.raises(ValueError, match="several clips, got 1"):
        learn([talking(4, seed=7)])
