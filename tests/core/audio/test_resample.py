import math
from itertools import pairwise

import pytest
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st

from viseme_core.audio import Resampler, resample, to_mono
from viseme_core.types import AudioClip


def in_pieces(samples, rate_hz, bounds):
    resampler = Resampler(rate_hz)
    pieces = [resampler.push(samples[a:b]) for a, b in pairwise(bounds)]
    return torch.cat([*pieces, resampler.finish()])


@pytest.mark.parametrize("rate_hz", [8000, 11025, 22050, 44100, 48000])
@pytest.mark.parametrize("num_samples", [1, 439, 30001])
def test_resampling_in_blocks_equals_torchaudio_on_the_whole(rate_hz, num_samples):
    samples = torch.rand(num_samples) * 2 - 1
    ours = resample(AudioClip(samples, rate_hz)).samples_S
    whole = torchaudio.functional.resample(samples.double(), rate_hz, 16000)
    assert ours.shape[0] == math.ceil(num_samples * 16000 / rate_hz)
    # Both filter in float64; ours is rounded to float32 afterwards.
    torch.testing.assert_close(ours.double(), whole, atol=1e-7, rtol=0)


@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000])
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 25000), max_size=30))
def test_any_chunking_resamples_to_the_same_bits(rate_hz, cuts):
    generator = torch.Generator().manual_seed(1)
    samples = torch.rand(25000, generator=generator) * 2 - 1
    whole = in_pieces(samples, rate_hz, [0, 25000])
    assert torch.equal(in_pieces(samples, rate_hz, sorted([0, *cuts, 25000])), whole)


def test_single_samples_resample_like_the_whole():
    samples = torch.rand(9000) * 2 - 1
    whole = in_pieces(samples, 48000, [0, 9000])
    assert torch.equal(in_pieces(samples, 48000, list(range(9001))), whole)


@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000])
def test_a_tone_keeps_its_pitch_and_loudness(rate_hz):
    def tone(rate):
        return 0.5 * torch.sin(2 * math.pi * 1000 * torch.arange(rate // 2).double() / rate).float()

    got = resample(AudioClip(tone(rate_hz), rate_hz)).samples_S
    # Away from the ends, where the tone starts abruptly; the filter's ripple is below 0.3 %.
    torch.testing.assert_close(got[500:-500], tone(16000)[500:-500], atol=2e-3, rtol=0)


def test_sound_at_16_khz_passes_untouched():
    samples = torch.rand(1000)
    assert torch.equal(resample(AudioClip(samples)).samples_S, samples)


def test_a_rate_whose_filters_would_fill_gigabytes_is_refused():
    with pytest.raises(
        ValueError, match="rate_hz must share a larger divisor with 16000, got 48001"
    ):
        Resampler(48001)


def test_a_rate_of_zero_is_refused():
    with pytest.raises(ValueError, match="rate_hz must be positive, got 0"):
        Resampler(0)


def test_stereo_becomes_the_mean_of_its_channels():
    left, right = torch.rand(10), torch.rand(10)
    torch.testing.assert_close(to_mono(torch.stack([left, right])), (left + right) / 2)
    assert torch.equal(to_mono(left), left)


def test_sound_with_channels_last_is_refused():
    with pytest.raises(ValueError, match=r"shape \(channels, samples\).*got \(48000, 2\)"):
        to_mono(torch.zeros(48000, 2))


def test_integer_stereo_is_refused():
    with pytest.raises(ValueError, match="floating point"):
        to_mono(torch.zeros(2, 10, dtype=torch.int16))
