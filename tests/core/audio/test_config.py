import json

import pytest

from viseme_core.audio import (
    AudioConfig,
    LogMelConfig,
    PretrainedConfig,
    Wav2LipMelConfig,
    audio_config_from_plain,
    same_features,
)
from viseme_core.config import to_plain


@pytest.mark.parametrize(
    "config",
    [
        LogMelConfig(window=5),
        Wav2LipMelConfig(lead=0),
        PretrainedConfig(kind="hubert", path="folder", layer=9),
        PretrainedConfig(kind="wav2vec2", path="folder", fingerprint="0123456789abcdef"),
        PretrainedConfig(kind="whisper", path="folder", context=100),
    ],
)
def test_a_config_survives_a_checkpoint(config: AudioConfig):
    assert audio_config_from_plain(json.loads(json.dumps(to_plain(config)))) == config


def test_an_unknown_kind_is_refused_by_name():
    with pytest.raises(ValueError, match=r"audio.kind must be one of logmel.*got 'mfcc'"):
        audio_config_from_plain({"kind": "mfcc"})


def test_a_pretrained_encoder_without_a_path_is_refused():
    with pytest.raises(ValueError, match="audio lacks 'path'"):
        audio_config_from_plain({"kind": "hubert"})


def test_a_whisper_plan_beyond_its_position_table_is_refused():
    with pytest.raises(ValueError, match=r"at most 750 frames for 'whisper'.*got 752"):
        PretrainedConfig(kind="whisper", path="folder", window=652, context=50)
    PretrainedConfig(kind="whisper", path="folder", window=650, context=50)


@pytest.mark.parametrize(("field", "value"), [("window", 0), ("context", -1), ("layer", -1)])
def test_numbers_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"audio.{field} must be at least"):
        PretrainedConfig(kind="hubert", path="folder", **{field: value})


@pytest.mark.parametrize(("changed", "same"), [
    ({}, True),
    ({"path": "elsewhere"}, True),
    ({"fingerprint": "b" * 16}, False),
    ({"fingerprint": None}, True),
    ({"fingerprint": None, "path": "elsewhere"}, False),
    ({"layer": 9}, False),
    ({"window": 50}, False),
    ({"kind": "wav2vec2"}, False),
])  # fmt: skip
def test_the_same_weights_may_lie_anywhere_and_others_nowhere(changed, same):
    one = PretrainedConfig(kind="hubert", path="here", fingerprint="a" * 16)
    other = {**to_plain(one), **changed}
    assert same_features(to_plain(one), other) is same
    assert same_features(other, to_plain(one)) is same
