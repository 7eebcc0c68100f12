"""What disturbed copies get, and that chance depends on the copy alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from viseme_core.draws import Draws
from viseme_data.vary.config import VaryConfig
from viseme_data.vary.disturb import at_level, at_speed
from viseme_data.vary.recipe import Recipe, disturbed, draw_recipe

CONFIG = VaryConfig()
STILL = Recipe(speed=1.0, gains_K=None, decay_sec=None, snr_db=None, is_low=False, gain_db=0.0)


def drawn(config: VaryConfig = CONFIG, num: int = 400) -> list[Recipe]:
    return [draw_recipe(config, Draws(config.seed, copy, [7])) for copy in range(num)]


def voice(num: int = 16_000) -> torch.Tensor:
    return 0.2 * torch.randn(num, generator=torch.Generator().manual_seed(1)).clamp(-3, 3)


def test_every_number_stays_within_its_bounds_and_goes_through_them():
    recipes = drawn()
    bounds = {"speed": (0.86, 1.16), "gain_db": (-14, 6), "decay_sec": (0.15, 0.5)}
    for name, (low, high) in {**bounds, "snr_db": (5, 20)}.items():
        found = [getattr(recipe, name) for recipe in recipes if getattr(recipe, name) is not None]
        assert low <= min(found) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < max(found) <= high
        # As often below the middle as above; three deviations of a fair coin.
        share = np.mean(np.array(found) < (low + high) / 2)
        assert abs(share - 0.5) < 1.5 / np.sqrt(len(found))


def test_disturbances_come_as_often_as_they_are_told():
    recipes = drawn()
    for name, chance in (("gains_K", 0.7), ("decay_sec", 0.4), ("snr_db", 0.6)):
        share = np.mean([getattr(recipe, name) is not None for recipe in recipes])
        assert abs(share - chance) < 3 * np.sqrt(chance * (1 - chance) / len(recipes))
    # And each by its own chance: no two come together more often than that.
    names = ("gains_K", "decay_sec", "snr_db")
    came = np.array([[getattr(recipe, name) is not None for name in names] for recipe in recipes])
    assert np.abs(np.corrcoef(came.T) - np.eye(3)).max() < 3.5 / np.sqrt(len(recipes))
    gains = torch.stack([recipe.gains_K for recipe in recipes if recipe.gains_K is not None])
    assert gains.shape[1] == 8
    assert gains.std() == pytest.approx(5, rel=0.05)


def test_one_disturbance_less_changes_no_other():
    one, other = drawn(num=40), drawn(replace(CONFIG, room_chance=0.0, equaliser_chance=1.0), 40)
    assert any(recipe.decay_sec for recipe in one)
    for with_room, without in zip(one, other, strict=True):
        assert without.decay_sec is None
        assert without.gains_K is not None
        assert without._replace(gains_K=None) == with_room._replace(gains_K=None, decay_sec=None)


def test_speeds_are_those_between_the_bounds_that_resampling_is_exact_for():
    assert CONFIG.rates == range(13800, 18501, 100)
    # 1.1 * 160 is a hair more than 176.
    assert list(VaryConfig(speed=(1.1, 1.1)).rates) == [17600]


def test_a_recipe_of_nothing_leaves_a_sound_as_it_is():
    samples = voice()
    torch.testing.assert_close(
        disturbed(samples, STILL, Draws(0, 0, [0]), num_samples=len(samples)), samples
    )


def test_steps_come_one_after_the_other():
    samples, draws = voice(), Draws(0, 3, [5])
    fast = STILL._replace(speed=1.1, gain_db=-6.0)
    expected = at_level(at_speed(samples, 1.1)[:14000], -6.0)
    torch.testing.assert_close(disturbed(samples, fast, draws, num_samples=14000), expected)
    # Noise comes from elsewhere than the room: it has no echo, and its power is as told.
    noisy = STILL._replace(decay_sec=0.3, snr_db=5.0)
    added = disturbed(samples, noisy, draws, num_samples=16000)
    roomy = disturbed(samples, noisy._replace(snr_db=None), draws, num_samples=16000)
    # Both were perhaps made softer, to fit.
    scale = float((added * roomy).sum() / roomy.square().sum())
    rest = added - scale * roomy
    ratio = 10 * np.log10(float((scale * roomy).square().mean() / rest.square().mean()))
    assert ratio == pytest.approx(5, abs=0.2)
    spectrum = np.fft.rfft(rest.numpy())
    echo = np.fft.irfft(np.abs(spectrum) ** 2)[200:4000]
    assert np.abs(echo).max() < 0.05 * float(rest.square().sum())


def test_an_end_that_is_missing_is_silent():
    longer = disturbed(voice(1000), STILL, Draws(0, 0, [0]), num_samples=1280)
    assert len(longer) == 1280
    assert (longer[1000:] == 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"copies": 0}, "copies must be at least 1"),
        ({"speed": (1.1, 0.9)}, "speed must be a lower and an upper bound, got 1.1 and 0.9"),
        ({"speed": (0.2, 1.0)}, "speed must be between 0.5 and 2"),
        ({"speed": (1.001, 1.002)}, "room for a multiple of 100/16000"),
        ({"noise_chance": 1.5}, "noise_chance must be between 0 and 1, got 1.5"),
        ({"room_sec": (0.0, 0.3)}, "room_sec above 0"),
        ({"equaliser_db": -1.0}, "equaliser_db must be at least 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        VaryConfig(**settings)
