import math

import numpy as np
import pytest
import torch
from scipy.signal import detrend
from torch.testing import assert_close

from tests.eval.test_beats import ONSETS, nods, syllables
from viseme_eval.functional.beats import audio_beats, beat_align, motion_beats
from viseme_eval.functional.motion import (
    high_frequency_share,
    motion_diversity,
    pose_diversity,
    third_difference,
)
from viseme_eval.metrics.motion import (
    BeatAlign,
    HighFrequencyShare,
    MotionDiversity,
    PoseDiversity,
    ThirdDifference,
)


def wave(hertz: float, seconds: float = 8.0) -> torch.Tensor:
    time = torch.arange(int(seconds * 25), dtype=torch.float64) / 25
    return torch.sin(2 * math.pi * hertz * time + 0.3)[:, None]


def test_diversity_is_numpys_standard_deviation() -> None:
    features = torch.randn(40, 66)
    expected = np.std(features.double().numpy(), axis=0).mean()
    assert float(motion_diversity(features)) == pytest.approx(expected, rel=1e-12)


def test_pose_diversity_is_in_degrees_and_leaves_translation_out() -> None:
    pose = torch.zeros(50, 6, dtype=torch.float64)
    pose[::2, :3] = math.radians(10)
    pose[:, 3:] = torch.randn(50, 3)
    assert float(pose_diversity(pose)) == pytest.approx(5)
    assert float(pose_diversity(pose[:, :3])) == pytest.approx(5)


def test_a_still_head_has_no_diversity_and_one_frame_no_answer() -> None:
    assert float(motion_diversity(torch.ones(10, 3))) == 0
    for num_frames in (0, 1):
        assert motion_diversity(torch.ones(num_frames, 3)).isnan()


def test_high_share_is_that_of_a_tapered_periodogram() -> None:
    curves = torch.randn(101, 5, dtype=torch.float64).cumsum(0)
    tapered = detrend(curves.numpy(), axis=0) * np.hanning(101)[:, None]
    power = (np.abs(np.fft.fft(tapered, axis=0)) ** 2).sum(1)
    hertz = np.abs(np.fft.fftfreq(101, 0.04))
    expected = power[hertz > 8].sum() / power[hertz > 0].sum()
    assert float(high_frequency_share(curves)) == pytest.approx(expected, rel=1e-10)


def test_speech_is_slow_and_jitter_is_fast() -> None:
    assert float(high_frequency_share(wave(3))) < 1e-4
    assert float(high_frequency_share(wave(11))) > 0.9999
    # Equal amplitudes, equal power.
    assert float(high_frequency_share(wave(3) + wave(11))) == pytest.approx(0.5, abs=1e-3)
    noise = torch.randn(5000, 2, dtype=torch.float64)
    assert float(high_frequency_share(noise)) == pytest.approx(4.5 / 12.5, abs=0.03)


def test_drift_and_place_are_no_jitter() -> None:
    moving = wave(2) + 0.05 * wave(10)
    drift = torch.arange(200, dtype=torch.float64)[:, None]
    share = high_frequency_share(moving)
    assert_close(high_frequency_share(moving + 100 + 0.5 * drift), share, rtol=1e-3, atol=0)
    assert high_frequency_share(7 + drift / 3).isnan()
    assert high_frequency_share(torch.full((200, 2), 1 / 3)).isnan()
    assert high_frequency_share(wave(2)[:15]).isnan()


def test_third_difference_is_the_third_derivative_of_a_cubic() -> None:
    time = torch.arange(10, dtype=torch.float64)
    points = torch.stack([time**3 + time**2, 4 - time], -1)[:, None].expand(10, 7, 2)
    assert float(third_difference(points)) == pytest.approx(6)
    assert float(third_difference(points[..., 1:])) == pytest.approx(0, abs=1e-12)
    for num_frames in range(4):
        assert third_difference(points[:num_frames]).isnan()


def test_classes_give_the_mean_of_the_functions() -> None:
    clips = [torch.randn(20 + i, 6) for i in range(3)]
    for metric, function in (
        (MotionDiversity(), motion_diversity),
        (PoseDiversity(), pose_diversity),
        (HighFrequencyShare(cutoff_hz=5), lambda x: high_frequency_share(x, cutoff_hz=5)),
    ):
        for clip in clips:
            metric.update(clip)
        assert_close(metric.compute(), torch.stack([function(clip) for clip in clips]).mean())
    jerk = ThirdDifference()
    jerk.update(clips[0][:, None])
    assert_close(jerk.compute(), third_difference(clips[0][:, None]))


def test_beat_align_class_hears_and_sees_for_itself() -> None:
    sound, motion = syllables(*ONSETS), nods(torch.tensor(ONSETS))
    metric = BeatAlign(smoothing_frames=1, sigma_frames=2)
    metric.update(sound, motion)
    metric.update(sound, torch.ones(125, 3))  # a still head has no beat
    beats = motion_beats(motion, smoothing_frames=1)
    assert_close(metric.compute(), beat_align(audio_beats(sound), beats, sigma_sec=2 / 25))
    assert int(metric.skipped) == 1
