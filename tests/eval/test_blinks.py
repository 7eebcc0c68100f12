import math

import pytest
import torch
from torch import Tensor

from viseme_core.types import Landmarks
from viseme_eval.functional.blinks import blink_rate, detect_blinks
from viseme_eval.metrics.blinks import BlinkRate

OPEN = 0.3


def blink(num_frames: int, at_sec: float, *, depth: float = 0.85, fps: float = 25) -> Tensor:
    """Return how much lower a lid is in each frame: down in 80 ms, shut for 40, up in 170."""
    times = (torch.arange(num_frames, dtype=torch.float64) + 0.5) / fps
    down = ((times - at_sec) / 0.08).clamp(0, 1)
    up = ((times - at_sec - 0.12) / 0.17).clamp(0, 1)
    return depth * torch.minimum(down, 1 - up)


def eye(num_frames: int, *at_sec: float, depth: float = 0.85, fps: float = 25) -> Tensor:
    shut = torch.zeros(num_frames, dtype=torch.float64)
    for start in at_sec:
        shut = torch.maximum(shut, blink(num_frames, start, depth=depth, fps=fps))
    return OPEN * (1 - shut)


def noise(num_frames: int, deviation: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return deviation * torch.randn(num_frames, generator=generator, dtype=torch.float64)


TIMES = (0.37, 1.5, 2.02, 4.81, 6.66, 8.13, 8.9)


@pytest.mark.parametrize("count", [0, 1, 4, 7])
@pytest.mark.parametrize("deviation", [0.0, 0.005, 0.015])
def test_k_blinks_count_k_whatever_the_noise(count: int, deviation: float) -> None:
    for seed in range(10):
        curve = eye(250, *TIMES[:count]) + noise(250, deviation, seed)
        frames = detect_blinks(curve)
        assert len(frames) == count
        # Shut from 0.08 to 0.12 s after the beginning; noise moves the deepest frame by one.
        for frame, start in zip(frames.tolist(), TIMES, strict=False):
            assert abs((frame + 0.5) / 25 - (start + 0.1)) <= 0.06


def test_noise_alone_does_not_blink() -> None:
    for deviation in (0.01, 0.03, 0.06):
        assert len(detect_blinks(OPEN + noise(10_000, deviation))) == 0


def test_lids_that_follow_the_gaze_or_squint_do_not_blink() -> None:
    time = torch.arange(500, dtype=torch.float64) / 25
    glance = torch.where((time % 5 > 2) & (time % 5 < 3.2), 0.6, 1.0)  # looks down for 1.2 s
    flick = torch.where((time % 5 > 4) & (time % 5 < 4.4), 0.75, 1.0)  # and briefly, a little
    squint = 1 - 0.4 * torch.sin(2 * math.pi * time / 10).clamp_min(0)
    curve = OPEN * glance * flick * squint + noise(500, 0.004)
    assert len(detect_blinks(curve)) == 0


def test_blinks_while_looking_down_count() -> None:
    time = torch.arange(250, dtype=torch.float64) / 25
    lowered = torch.where(time > 4, 0.6, 1.0)
    assert len(detect_blinks(eye(250, 2.0, 6.0, 8.0) * lowered + noise(250, 0.004))) == 3


def test_closed_eyes_and_slips_of_one_frame_are_no_blinks() -> None:
    curve = eye(250) + noise(250, 0.003)
    curve[50:80] = 0.05
    curve[120] = 0.02
    assert len(detect_blinks(curve)) == 0


def test_two_blinks_in_a_row_are_two() -> None:
    assert len(detect_blinks(eye(100, 1.0, 1.36))) == 2


def test_half_a_blink_counts_if_it_is_deep_enough() -> None:
    assert len(detect_blinks(eye(100, 1.0, depth=0.55))) == 1
    assert len(detect_blinks(eye(100, 1.0, depth=0.25))) == 0
    assert len(detect_blinks(eye(100, 1.0, depth=0.25), min_depth=0.15)) == 1


@pytest.mark.parametrize("fps", [25, 30, 50, 60])
def test_blinks_are_found_at_other_rates(fps: float) -> None:
    num = int(10 * fps)
    frames = detect_blinks(eye(num, *TIMES, fps=fps) + noise(num, 0.004), fps=fps)
    assert len(frames) == len(TIMES)
    # Half a second from open to open.
    slow = eye(num, 1.0, 1.08, 1.16, 1.21, fps=fps)
    assert len(detect_blinks(slow, fps=fps)) == 1


def test_a_clip_cut_in_two_has_each_blink_once() -> None:
    curve = eye(250, *TIMES)
    for cut in range(30, 220, 3):
        parts = len(detect_blinks(curve[:cut])) + len(detect_blinks(curve[cut:]))
        # Where the lid is shut for two frames, the cut between them takes the deepest from both.
        assert len(TIMES) - 1 <= parts <= len(TIMES)


def test_short_gaps_are_bridged_and_long_ones_take_their_time_with_them() -> None:
    curve = eye(250, 1.0, 5.0, 8.0)
    curve[26] = curve[205:208] = torch.nan
    assert len(detect_blinks(curve)) == 3
    curve[115:140] = torch.nan  # the second blink and more, a second in all
    frames = detect_blinks(curve)
    assert len(frames) == 2
    assert int(frames[1]) == pytest.approx(202, abs=2)
    assert float(blink_rate(curve)) == pytest.approx(2 / (221 / 25))


def test_both_eyes_are_read_together_and_one_does_where_the_other_is_hidden() -> None:
    both = torch.stack([eye(250, *TIMES), 0.9 * eye(250, *TIMES)], -1)
    hidden = both.clone()
    hidden[:, 1] = torch.nan
    assert detect_blinks(both).tolist() == detect_blinks(hidden).tolist()
    assert len(detect_blinks(both)) == len(TIMES)


def test_rate_is_blinks_over_seconds_and_unknown_below_one() -> None:
    assert float(blink_rate(eye(250, *TIMES))) == pytest.approx(0.7)
    assert float(blink_rate(eye(500, *TIMES, fps=50), fps=50)) == pytest.approx(0.7)
    assert float(blink_rate(eye(250))) == 0
    assert blink_rate(eye(24)).isnan()
    assert blink_rate(eye(0)).isnan()
    assert float(blink_rate(torch.zeros(100))) == 0


def test_class_is_the_mean_over_clips() -> None:
    def clip(curve: Tensor) -> Landmarks:
        points = torch.zeros(len(curve), 68, 2, dtype=torch.float64)
        for first in (36, 42):
            points[:, first + 3, 0] = 1
            points[:, first + 1, 1] = points[:, first + 2, 1] = curve
        return Landmarks(points, "dlib68")

    metric = BlinkRate()
    metric.update(clip(eye(250, *TIMES)))
    metric.update(clip(eye(250, 1.0)))
    metric.update(clip(eye(10)))
    assert float(metric.compute()) == pytest.approx((0.7 + 0.1) / 2)
    assert int(metric.skipped) == 1


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(T, 2\)"):
        detect_blinks(torch.zeros(10, 3))
