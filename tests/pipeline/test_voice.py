import numpy as np
import pytest
import torch

from tests.pipeline.faces import voice, voice_file
from viseme_core.types import AudioClip
from viseme_pipeline.build_demo import write_flac
from viseme_pipeline.voice import open_voice


def test_a_voice_gives_its_samples_as_often_as_they_are_wanted(tmp_path):
    heard = open_voice(voice_file(tmp_path / "v.flac", 1.3))
    first, second = (np.concatenate(list(heard.pieces())) for _ in range(2))
    assert heard.num_samples == len(first) == round(1.3 * 16_000)
    assert (first == second).all()
    # 16 bits.
    assert np.abs(first - voice(1.3)).max() < 1e-4


def test_a_second_and_a_half_frame_is_rounded_up():
    # 25 * 1.02 = 25.5.
    assert open_voice(AudioClip(torch.rand(16_320))).num_frames == 26
    assert open_voice(AudioClip(torch.rand(16_319))).num_frames == 25


def test_samples_of_another_rate_are_brought_to_16_khz():
    assert open_voice(AudioClip(torch.rand(48_000), 48_000)).num_samples == 16_000


def test_silence_is_known_as_such(tmp_path):
    write_flac(tmp_path / "s.flac", np.zeros(8000))
    assert open_voice(tmp_path / "s.flac").is_silent
    assert not open_voice(voice_file(tmp_path / "v.flac")).is_silent


def test_a_file_without_a_sample_is_refused(tmp_path):
    write_flac(tmp_path / "empty.flac", np.zeros(0))
    with pytest.raises(ValueError, match=r"empty\.flac"):
        open_voice(tmp_path / "empty.flac")
