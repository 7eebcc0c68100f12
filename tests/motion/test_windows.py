import random

import pytest

from viseme_core.types import FPS
from viseme_motion.windows import MotionWindow, WindowConfig, next_window, plan_windows

PLANS = [
    WindowConfig(),
    WindowConfig(length=12, hop=4, first=4, ahead=2),
    WindowConfig(length=9, hop=9, first=2, ahead=0),
    WindowConfig(length=25, hop=1, first=20, ahead=5),
]


@pytest.mark.parametrize("plan", PLANS)
def test_windows_settle_every_frame_once_and_in_order(plan):
    for num_frames in range(120):
        settled = [range(w.settled, w.settles) for w in plan_windows(plan, num_frames)]
        assert [frame for frames in settled for frame in frames] == list(range(num_frames))


@pytest.mark.parametrize("plan", PLANS)
def test_no_window_is_longer_than_the_network_was_trained_for_and_none_lacks_its_past(plan):
    for num_frames in range(1, 120):
        windows = list(plan_windows(plan, num_frames))
        for window in windows:
            assert window.stop - window.start <= plan.length
            assert window.settled - window.start == min(window.settled, plan.known)
        # All but the last hear what follows the frames that they settle.
        assert {w.stop - w.settles for w in windows[:-1]} <= {plan.ahead}
        assert windows[-1].stop == windows[-1].settles == num_frames


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("seed", range(5))
def test_the_plan_does_not_depend_on_how_sound_arrives(plan, seed):
    chance = random.Random(seed)
    num_frames = chance.randrange(1, 200)
    heard, settled, windows = 0, 0, []
    while heard < num_frames:
        heard = min(num_frames, heard + chance.randrange(30))
        while window := next_window(plan, settled, heard, is_end=False):
            windows.append(window)
            settled = window.settles
    while window := next_window(plan, settled, heard, is_end=True):
        windows.append(window)
        settled = window.settles
    assert windows == list(plan_windows(plan, num_frames))


def test_the_first_motion_comes_after_at_most_half_a_second():
    plan = WindowConfig()
    assert next_window(plan, 0, plan.latency - 1, is_end=False) is None
    first = MotionWindow(0, 0, plan.first, plan.first + plan.ahead)
    assert next_window(plan, 0, plan.latency, is_end=False) == first
    # Log-mel features come one frame late.
    assert (plan.latency + 1) / FPS <= 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hop": 0}, "hop >= 1"),
        ({"first": 0}, "first >= 1"),
        ({"ahead": -1}, "ahead >= 0"),
        ({"length": 11, "first": 8, "hop": 8, "ahead": 4}, "at least 12, got 11"),
        ({"length": 25, "hop": 22}, "at least 26, got 25"),
    ],
)
def test_windows_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        WindowConfig(**settings)
