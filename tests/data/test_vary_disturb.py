"""Disturbances of sound against what is known of them: sines, clicks, powers."""

import numpy as np
import pytest
import torch

from viseme_data.vary.disturb import (
    at_level,
    at_speed,
    equalised,
    in_room,
    noise,
    room,
    with_noise,
)

pytestmark = pytest.mark.usefixtures("_one_thread")

RATE = 16_000


def sine(hertz: float, num: int = RATE) -> torch.Tensor:
    return torch.sin(2 * torch.pi * hertz * torch.arange(num, dtype=torch.float64) / RATE).float()


def loudest_hertz(samples_S: torch.Tensor) -> float:
    """The peak of the spectrum, by numpy."""
    spectrum = np.abs(np.fft.rfft(samples_S.numpy() * np.hanning(len(samples_S))))
    return float(spectrum.argmax() * RATE / len(samples_S))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("speed", [0.8625, 1.0, 1.1, 1.15625])
def test_pitch_and_length_go_with_the_speed(speed):
    played = at_speed(sine(1000), speed)
    assert len(played) == np.ceil(RATE / speed)
    # A bin is about a hertz wide.
    assert loudest_hertz(played) == pytest.approx(1000 * speed, abs=1.5)
    assert played.abs().max() == pytest.approx(1, abs=0.05)


def test_at_its_own_speed_a_sound_is_itself():
    samples = torch.rand(RATE, generator=seeded())
    assert torch.equal(at_speed(samples, 1.0), samples)


def test_a_speed_between_the_steps_is_refused():
    with pytest.raises(ValueError, match=r"speed must be a multiple of 100/16000, got 1\.001"):
        at_speed(sine(100), 1.001)


def test_an_equaliser_has_its_gains_at_its_knots_and_straight_lines_between():
    gains = torch.tensor([-6.0, 3.0, 9.0, -9.0, 0.0, 5.0, -2.0, 4.0])
    knots = np.linspace(0, RATE / 2, len(gains))
    # Between the ends, where a sine has power.
    for hertz in [*knots[1:-1], *(knots[1:-2] + knots[2:-1]) / 2]:
        before = sine(float(hertz))
        inside = slice(RATE // 4, -RATE // 4)
        after = equalised(before, gains)[inside]
        found = 20 * np.log10(float(after.std() / before[inside].std()))
        assert found == pytest.approx(np.interp(hertz, knots, gains.numpy()), abs=0.05)


def test_an_equaliser_moves_nothing_in_time_nor_round_the_end():
    gains = torch.tensor([0.0, 8.0, -8.0, 8.0, -8.0, 8.0, -8.0, 0.0])
    click = torch.zeros(RATE)
    click[5000] = 1
    heard = equalised(click, gains)
    assert heard.argmax() == 5000
    # Alike on both sides.
    torch.testing.assert_close(heard[4900:5000], heard[5001:5101].flip(0), atol=1e-5, rtol=0)
    late = torch.zeros(RATE)
    late[-1] = 1
    assert equalised(late, gains)[: RATE // 2].abs().max() < 1e-3
    # No gain, no change.
    samples = torch.randn(RATE, generator=seeded())
    torch.testing.assert_close(equalised(samples, torch.zeros(8)), samples, atol=1e-5, rtol=0)


@pytest.mark.parametrize("decay_sec", [0.2, 0.5])
def test_a_room_falls_by_60_db_in_its_time(decay_sec):
    # Schroeder's integral of many rooms, and the slope of its first half.
    energy = sum(
        room(decay_sec, seeded(k))[1:].double().square().flip(0).cumsum(0).flip(0)
        for k in range(20)
    )
    level = 10 * torch.log10(torch.as_tensor(energy)).numpy()
    half = len(level) // 2
    slope = np.polyfit(np.arange(half) / RATE, level[:half], 1)[0]
    assert -60 / slope == pytest.approx(decay_sec, rel=0.05)


def test_a_room_adds_its_response_after_each_click_and_leaves_the_click_in_place():
    response = room(0.15, seeded())
    clicks = torch.zeros(RATE)
    clicks[[1000, 9000]] = torch.tensor([1.0, -0.5])
    expected = np.convolve(clicks.numpy(), response.numpy())[:RATE]
    np.testing.assert_allclose(in_room(clicks, response).numpy(), expected, atol=1e-5)
    # What comes straight is heard as it was, and nothing before it.
    assert response[0] == 1
    assert in_room(clicks, response)[:1000].abs().max() < 1e-5


def test_noise_is_as_much_softer_as_it_is_told():
    voice = 0.1 * sine(440)
    for snr_db in (0.0, 12.0):
        noisy = with_noise(voice, noise(RATE, seeded()), snr_db)
        added = (noisy - voice).numpy()
        found = 10 * np.log10(float(voice.square().mean()) / np.mean(added**2))
        assert found == pytest.approx(snr_db, abs=0.01)


def test_silence_stays_silent():
    silence = torch.zeros(RATE)
    assert torch.equal(with_noise(silence, noise(RATE, seeded()), 5.0), silence)
    assert torch.equal(at_level(silence, 6.0), silence)


def test_low_noise_falls_as_a_butterworth_filter_of_second_order_does():
    def power(hertz: int, cutoff_hz: float | None) -> float:
        band = slice(hertz - 40, hertz + 40)
        spectra = [
            np.abs(np.fft.rfft(noise(RATE, seeded(k), cutoff_hz=cutoff_hz).numpy()))[band]
            for k in range(20)
        ]
        return float(np.mean(np.square(spectra)))

    for hertz in (200, 800, 1600, 3200):
        found = 10 * np.log10(power(hertz, 800.0) / power(hertz, None))
        # Half a decibel: bands have a width.
        assert found == pytest.approx(-10 * np.log10(1 + (hertz / 800) ** 4), abs=0.5)


def test_a_level_is_changed_by_its_decibels_but_not_above_full_scale():
    voice = 0.25 * sine(440)
    assert at_level(voice, -20).abs().max() == pytest.approx(0.025, rel=1e-3)
    assert at_level(voice, 6).abs().max() == pytest.approx(0.25 * 10**0.3, rel=1e-3)
    loudest = at_level(voice, 30)
    assert loudest.abs().max() == 1
    # Smaller, not clipped.
    torch.testing.assert_close(loudest, voice / voice.abs().max())
