import numpy as np
import pytest
import torch
from scipy.fft import dct

from viseme_eval.networks.mfcc import MFCCStream, mfcc


def written_out(samples: np.ndarray) -> np.ndarray:
    """Return the coefficients of python_speech_features, window by window in numpy and scipy."""
    emphasised = np.append(samples[0], samples[1:] - 0.97 * samples[:-1])

    def to_mel(hertz: float) -> float:
        return 2595 * np.log10(1 + hertz / 700)

    corners = [
        int(np.floor(513 * 700 * (10 ** (mel / 2595) - 1) / 16000))
        for mel in np.linspace(to_mel(0), to_mel(8000), 28)
    ]
    bank = np.zeros((26, 257))
    for band in range(26):
        low, middle, high = corners[band : band + 3]
        for k in range(low, middle):
            bank[band, k] = (k - low) / (middle - low)
        for k in range(middle, high):
            bank[band, k] = (high - k) / (high - middle)
    rows = []
    for start in range(0, len(samples) - 400 + 1, 160):
        power = np.abs(np.fft.rfft(emphasised[start : start + 400], 512)) ** 2 / 512
        energy = power.sum() or np.finfo(float).eps
        bands = bank @ power
        bands[bands == 0] = np.finfo(float).eps
        row = np.asarray(dct(np.log(bands), type=2, norm="ortho"))[:13]
        row *= 1 + 11 * np.sin(np.pi * np.arange(13) / 22)
        row[0] = np.log(energy)
        rows.append(row)
    return np.array(rows)


@pytest.fixture
def sound() -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    noise = torch.rand(16_123, generator=generator) * 2 - 1
    tone = torch.sin(torch.arange(16_123) * 0.07)
    sound = 0.3 * tone + 0.2 * noise * torch.linspace(0, 1, 16_123)
    sound[5000:7000] = 0
    return sound


def test_coefficients_are_those_of_python_speech_features(sound: torch.Tensor) -> None:
    whole = (sound.double().numpy() * 32768).round()
    # Float32 results of float64 sums.
    np.testing.assert_allclose(mfcc(sound).numpy(), written_out(whole), atol=1e-4)


def test_silence_has_the_packages_smallest_number() -> None:
    rows = mfcc(torch.zeros(1600))
    np.testing.assert_allclose(rows.numpy(), written_out(np.zeros(1600)), atol=1e-4)
    assert rows.isfinite().all()


def test_pieces_of_any_size_give_the_same(sound: torch.Tensor) -> None:
    stream = MFCCStream()
    pieces = [stream.push(piece) for piece in sound.split([1, 0, 399, 1, 160, 5, 9000, 6557])]
    assert torch.equal(torch.cat(pieces), mfcc(sound))


def test_only_whole_windows_count() -> None:
    assert mfcc(torch.ones(399) / 2).shape == (0, 13)
    assert mfcc(torch.ones(400) / 2).shape == (1, 13)
    # A second has 98 whole windows, and SyncNet's 20 columns fit 20 times at four apart.
    assert mfcc(torch.zeros(16_000)).shape == (98, 13)
