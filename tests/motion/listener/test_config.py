import pytest

from viseme_core.audio import LogMelConfig
from viseme_motion.config import MotionConfig
from viseme_motion.listener.config import ListenerConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("members", 0),
        ("dim", 0),
        ("num_blocks", 0),
        ("kernel", 4),
        ("linear_kernel", 4),
        ("dropout", 1.0),
        ("linear_dropout", -0.1),
        ("linear_share", 1.0),
    ],
)
def test_what_no_listener_can_be_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"listener.{field}"):
        ListenerConfig(**{field: value})


def test_sound_is_log_mel_unless_it_is_said():
    assert ListenerConfig().audio == LogMelConfig()


def test_a_listener_and_convolutions_over_the_sound_exclude_each_other():
    with pytest.raises(ValueError, match=r"context_dim is for sound .* 'file'"):
        MotionConfig(system="disenttalk", context_dim=8, listener="file")
