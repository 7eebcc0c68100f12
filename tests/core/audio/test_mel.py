import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import get_window, lfilter

from viseme_core.audio import (
    MEL_WINDOW,
    LogMelConfig,
    Wav2LipMelConfig,
    build_encoder,
    resample,
    to_mono,
)
from viseme_core.types import AudioClip


def slaney_filters(num_bands, n_fft, f_min, f_max):
    """Slaney's Auditory Toolbox bands: linear to 1 kHz, then 27 per factor of 6.4, unit area."""

    def to_mel(hz):
        return hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)

    def to_hz(mel):
        return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))

    edges = to_hz(np.linspace(to_mel(f_min), to_mel(f_max), num_bands + 2))
    bins = np.arange(n_fft // 2 + 1) * 16000 / n_fft
    filters = np.zeros((num_bands, len(bins)))
    for band in range(num_bands):
        low, mid, high = edges[band : band + 3]
        rise, fall = (bins - low) / (mid - low), (high - bins) / (high - mid)
        filters[band] = np.maximum(0, np.minimum(rise, fall)) * 2 / (high - low)
    return filters


def spectrum(signal, centre, span):
    """Magnitudes of `span` Hann-windowed samples around `centre`; zero outside the signal."""
    padded = np.concatenate([np.zeros(4000), signal, np.zeros(8000)])
    start = centre - span // 2 + 4000
    return np.abs(np.fft.rfft(padded[start : start + span] * get_window("hann", span)))


def speech_like(num_samples, seed=0):
    rng = np.random.default_rng(seed)
    loudness = np.abs(np.sin(np.arange(num_samples) / 1500.0))
    return (rng.normal(size=num_samples) * 0.1 * loudness).astype(np.float32)


def test_log_mel_equals_a_written_out_transform():
    signal = speech_like(640 * 7)
    features = build_encoder(LogMelConfig()).encode(torch.from_numpy(signal))
    filters = slaney_filters(80, 400, 0, 8000)
    expected = np.zeros((7, 4, 80))
    for column in range(28):
        energy = filters @ spectrum(signal, 160 * column + 80, 400) ** 2
        expected[column // 4, column % 4] = (np.log10(np.maximum(energy, 1e-10)) + 4) / 4
    # float32 against float64; quiet columns lose most.
    np.testing.assert_allclose(features.reshape(7, 4, 80), expected, atol=2e-4)


@pytest.mark.parametrize("lead", [0, 2])
def test_wav2lip_mel_equals_a_written_out_transform(lead):
    signal = speech_like(640 * 13)
    features = build_encoder(Wav2LipMelConfig(lead=lead, window=5)).encode(torch.from_numpy(signal))
    filters = slaney_filters(80, 800, 55, 7600)
    emphasised = lfilter([1, -0.97], [1], signal)
    for frame in range(13):
        first = int(np.floor(80.0 * (frame - lead) / 25.0))
        for column in range(16):
            magnitude = filters @ spectrum(emphasised, 200 * (first + column), 800)
            decibel = 20 * np.log10(np.maximum(1e-5, magnitude)) - 20
            expected = np.clip(8 * (decibel + 100) / 100 - 4, -4, 4)
            got = features.unflatten(-1, MEL_WINDOW)[frame, :, column]
            np.testing.assert_allclose(got, expected, atol=2e-4)


def test_columns_outside_the_sound_are_silence_in_wav2lip_windows():
    mel = build_encoder(Wav2LipMelConfig()).encode(torch.rand(640)).unflatten(-1, MEL_WINDOW)
    # Columns -7 to 8 of frame 0; column j looks at 200 j - 400 to 200 j + 400.
    reaches_sound = (mel[0] > -4).any(0)
    assert reaches_sound.tolist() == [-2 < column < 6 for column in range(-7, 9)]


@pytest.mark.parametrize("config", [LogMelConfig(window=4), Wav2LipMelConfig(window=10)])
@settings(max_examples=10, deadline=None)
@given(shift=st.integers(1, 30), seed=st.integers(0, 99))
def test_later_sound_gives_later_features(config, shift, seed):
    if config.kind == "wav2lip_mel":
        shift = 5 * (1 + shift // 6)  # Only every fifth frame starts on a column.
    signal = torch.from_numpy(speech_like(640 * 20, seed))
    encoder = build_encoder(config)
    features = encoder.encode(signal)
    shifted = encoder.encode(torch.cat([torch.zeros(640 * shift), signal]))
    torch.testing.assert_close(shifted[shift + 6 :], features[6:], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LogMelConfig(window=3), LogMelConfig(window=50)),
        (Wav2LipMelConfig(window=5), Wav2LipMelConfig(window=50)),
        (Wav2LipMelConfig(window=5, lead=0), Wav2LipMelConfig(window=50, lead=0)),
        (Wav2LipMelConfig(window=5, lead=4), Wav2LipMelConfig(window=50, lead=4)),
    ],
)
def test_window_length_does_not_change_mel_features(one, other):
    signal = torch.from_numpy(speech_like(640 * 50))
    difference = build_encoder(one).encode(signal) - build_encoder(other).encode(signal)
    assert difference.abs().max() < 1e-5


@pytest.mark.parametrize(("config", "level"), [(LogMelConfig(), -1.5), (Wav2LipMelConfig(), -4.0)])
def test_silence_is_the_floor(config, level):
    features = build_encoder(config).encode(torch.zeros(6400))
    torch.testing.assert_close(features, torch.full_like(features, level))


def test_log_mel_of_the_loudest_sound_stays_near_one():
    square = torch.where(torch.arange(16000) % 100 < 50, 1.0, -1.0)
    features = build_encoder(LogMelConfig()).encode(square)
    assert features.min() >= -1.5
    assert 1 < features.max() < 2


@pytest.mark.parametrize("rate_hz", [8000, 48000])
@pytest.mark.parametrize("hertz", [200, 1000, 3000])
def test_a_tone_peaks_in_the_same_band_whatever_the_rate(rate_hz, hertz):
    def peaks(rate):
        tone = 0.5 * torch.sin(2 * torch.pi * hertz * torch.arange(rate).double() / rate).float()
        stereo = torch.stack([1.2 * tone, 0.8 * tone])
        clip = resample(AudioClip(to_mono(stereo), rate))
        features = build_encoder(LogMelConfig()).encode(clip)
        return features.reshape(-1, 80)[2:-2].argmax(-1)

    assert peaks(rate_hz).unique().tolist() == peaks(16000).unique().tolist()


def test_a_wav2lip_window_that_would_not_start_on_a_column_is_refused():
    with pytest.raises(ValueError, match="window must be a multiple of 5 for 'wav2lip_mel', got 7"):
        Wav2LipMelConfig(window=7)


def test_a_lead_beyond_the_window_is_refused():
    with pytest.raises(ValueError, match="lead must be 0 to 4, got 5"):
        Wav2LipMelConfig(lead=5)
