"""Looks: functions of a seed, plausible, and of every kind."""

from dataclasses import fields

import pytest
import torch

from viseme_data.synthetic.look import FaceLook, paint_backdrop

pytestmark = pytest.mark.usefixtures("_one_thread")

SEEDS = range(60)


@pytest.fixture(scope="module")
def looks() -> list[FaceLook]:
    return [FaceLook.from_seed(seed) for seed in SEEDS]


def test_a_seed_gives_the_same_look(looks: list[FaceLook]):
    assert FaceLook.from_seed(17) == looks[17]


def test_hair_beard_and_make_up_go_with_the_voice(looks: list[FaceLook]):
    women = [FaceLook.from_seed(seed, sex="female") for seed in SEEDS]
    men = [FaceLook.from_seed(seed, sex="male") for seed in SEEDS]
    assert {look.stubble for look in women} == {0}
    assert {look.shadow for look in men} == {0}
    assert {look.hair_style for look in men} == {"bald", "short", "full"}
    assert {look.hair_style for look in women} == {"short", "full", "bob", "long"}
    # What has nothing to do with it stays.
    for look, woman, man in zip(looks, women, men, strict=True):
        assert look.skin == woman.skin == man.skin
        assert look in (woman, man)


def test_two_seeds_give_two_looks(looks: list[FaceLook]):
    assert len({look.skin for look in looks}) == len(looks)
    assert len({look.clothes for look in looks}) == len(looks)


def test_colours_are_colours(looks: list[FaceLook]):
    for look in looks:
        for field in fields(look):
            value = getattr(look, field.name)
            if isinstance(value, tuple) and field.name != "lamp_direction":
                assert len(value) == 3
                assert all(0 <= part <= 1 for part in value), field.name


def test_skin_runs_from_dark_to_light_and_is_redder_than_blue(looks: list[FaceLook]):
    red, green, blue = torch.tensor([look.skin for look in looks]).T
    assert red.min() < 0.42
    assert red.max() > 0.9
    assert ((red > green) & (green > blue * 0.95)).all()


def test_every_kind_of_hair_and_background_comes_up(looks: list[FaceLook]):
    assert {look.hair_style for look in looks} == {"bald", "short", "full", "bob", "long"}
    assert {look.backdrop for look in looks} == {"gradient", "wall", "blobs", "room"}
    assert {look.glasses for look in looks} == {True, False}
    for mark in ("freckles", "stubble", "shadow"):
        amounts = [getattr(look, mark) for look in looks]
        assert min(amounts) == 0 < max(amounts)


def test_lips_stand_out_from_the_skin(looks: list[FaceLook]):
    for look in looks:
        gap = (torch.tensor(look.lips) - torch.tensor(look.skin)).norm()
        assert gap > 0.06, look.seed


def test_the_lamp_shines_from_the_front(looks: list[FaceLook]):
    for look in looks:
        assert look.lamp_direction[2] > 0.4
        assert look.lamp_direction[1] > 0


def test_styles_of_one_look_are_alike(looks: list[FaceLook]):
    first, again = looks[5].style(64), FaceLook.from_seed(5).style(64)
    assert torch.equal(first.atlas_3hw, again.atlas_3hw)
    assert torch.equal(first.background_3HW, again.background_3HW)
    assert first.background_3HW.shape == (3, 64, 64)


def test_a_backdrop_is_the_same_scene_at_any_size(looks: list[FaceLook]):
    for look in looks[:8]:
        small, large = paint_backdrop(look, 64), paint_backdrop(look, 128)
        assert small.isfinite().all()
        reduced = torch.nn.functional.avg_pool2d(large, 2)
        if look.backdrop != "wall":
            # A wall's grain belongs to the picture, not to the scene.
            assert (small - reduced).abs().mean() < 0.02
