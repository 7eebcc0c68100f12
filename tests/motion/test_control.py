"""What a control refuses."""

from typing import Any

import pytest

from tests.motion.voices import make_motion
from viseme_motion.control import Control

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"lip_gain": -0.1}, r"control.lip_gain .* got -0.1"),
    ({"pose_gain": float("nan")}, r"control.pose_gain .* got nan"),
    ({"driven": {"nose": make_motion(2)}}, r"regions .*'lip'.* got \['nose'\]"),
    ({"pose": "film"}, r"control.pose must be one of .*'film'"),
    ({"driven": {"pose": make_motion(2)}, "pose": "still"}, "leave one of them out"),
    ({"blinks_per_sec": 1.5}, r"between 0 and 1.0, got 1.5"),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED)
def test_a_wrong_setting_is_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        Control(**settings)


def test_gains_are_found_by_region():
    control = Control(lip_gain=1.0, eye_gain=2.0, global_gain=3.0, pose_gain=4.0)
    assert [control.gain(r) for r in ("lip", "eye", "global", "pose")] == [1.0, 2.0, 3.0, 4.0]
