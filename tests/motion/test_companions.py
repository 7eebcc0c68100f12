"""What goes with a model: its encoder, and a model of pose beside it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.motion.voices import make_loaded
from viseme_core.audio import LogMelConfig, PretrainedConfig, Wav2LipMelConfig, build_encoder
from viseme_motion.companions import check_encoder, checked_poser, encoder_for
from viseme_motion.config import MotionConfig


def test_a_log_mel_encoder_is_set_to_answer_frame_by_frame():
    config = MotionConfig(system="fd2talk", audio=LogMelConfig(window=25))
    assert encoder_for(config).config == LogMelConfig(window=1)


def test_an_encoder_of_another_kind_or_width_is_refused():
    config = MotionConfig(system="fd2talk")
    check_encoder(build_encoder(LogMelConfig(window=10)), config)
    with pytest.raises(ValueError, match="trained on audio LogMelConfig"):
        check_encoder(build_encoder(Wav2LipMelConfig()), config)
    with pytest.raises(ValueError, match=r"features of width 80, the encoder .* gives 320"):
        check_encoder(build_encoder(LogMelConfig()), replace(config, audio_dim=80))


def test_an_encoder_may_lie_elsewhere_but_must_have_the_weights_of_training():
    trained = PretrainedConfig(kind="whisper", path="there", fingerprint="1" * 16)
    config = MotionConfig(system="fd2talk", audio=trained, audio_dim=384)

    def encoder(fingerprint: str, path: str) -> Any:
        found = replace(trained, path=path, fingerprint=fingerprint)
        return SimpleNamespace(config=found, pinned_config=found, audio_dim=384)

    check_encoder(encoder("1" * 16, "here"), config)
    with pytest.raises(ValueError, match=f"weights of fingerprint '{'1' * 16}', this encoder's"):
        check_encoder(encoder("2" * 16, "there"), config)
    elsewhere = encoder_for(config, "here").config
    assert elsewhere == replace(trained, path="here")
    with pytest.raises(ValueError, match=r"audio_path is for speech models, this .* 'logmel'"):
        encoder_for(MotionConfig(system="fd2talk"), "here")


def test_a_model_of_pose_must_hear_and_move_the_same():
    poser, (_, config, face_model) = make_loaded("fd2talk"), make_loaded("disenttalk")
    assert checked_poser(poser, config, face_model) is poser[0]
    with pytest.raises(ValueError, match=r"with face model 'builtin@.*', the model with 'bfm09@"):
        checked_poser(poser, config, "bfm09@11111111")
    other = replace(config, audio=Wav2LipMelConfig(), audio_dim=1280)
    with pytest.raises(ValueError, match="pose_from was trained with audio"):
        checked_poser(poser, other, face_model)
