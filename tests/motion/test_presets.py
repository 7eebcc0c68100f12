"""Presets: what they promise, and that every one of them samples every system."""

import pytest

from tests.motion.small import SYSTEMS
from tests.motion.voices import make_loaded
from viseme_core.diffusion.sampling import build_scheduler
from viseme_motion.presets import POSE_ALONE, PRESETS, Preset, find_preset, without_guidance
from viseme_motion.windows import WindowConfig

both = pytest.mark.parametrize("system", SYSTEMS)


def passes(preset: Preset) -> int:
    return preset.sampler.num_steps * (1 if preset.sampler.guidance_scale == 1 else 2)


@both
def test_each_preset_runs_the_network_oftener_than_the_one_before(system):
    costs = [passes(find_preset(name, system)) for name in ("fast", "balanced", "paper")]
    assert costs == sorted(set(costs))


@both
@pytest.mark.parametrize("name", ["fast", "balanced", "paper"])
def test_a_preset_goes_with_the_schedule_of_its_paper(system, name):
    model = make_loaded(system)[0]
    sampler = find_preset(name, system).sampler
    scheduler, _ = build_scheduler(model.config.diffusion, sampler)
    assert len(scheduler.timesteps) == sampler.num_steps


def test_fd2talks_paper_preset_is_fifty_steps_of_equation_5():
    sampler = PRESETS["fd2talk"]["paper"].sampler
    assert (sampler.solver, sampler.num_steps) == ("ddim", 50)


def test_fewer_known_frames_make_longer_steps_and_the_first_answer_as_early():
    trained = WindowConfig(length=25, hop=8, first=7, ahead=4)
    preset = Preset(sampler=PRESETS["fd2talk"]["fast"].sampler, known=5)
    assert preset.windows(trained) == WindowConfig(length=25, hop=16, first=7, ahead=4)
    assert preset.windows(trained).known == 5


def test_a_plan_that_already_has_fewer_known_frames_stays_as_it_is():
    trained = WindowConfig(length=12, hop=8, first=4, ahead=2)
    preset = Preset(sampler=PRESETS["fd2talk"]["fast"].sampler, known=5)
    assert preset.windows(trained) is trained


def test_guidance_is_taken_off_and_nothing_else():
    guided = PRESETS["disenttalk"]["paper"]
    plain = without_guidance(guided)
    assert plain.sampler.guidance_scale == 1.0
    assert (plain.sampler.solver, plain.sampler.num_steps) == ("ddim", 50)


def test_an_unknown_preset_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'fast', 'balanced', 'paper'.*'best'"):
        find_preset("best", "fd2talk")


def test_a_head_beside_one_step_of_lips_takes_more_and_no_other_preset_less():
    assert find_preset("direct", POSE_ALONE).sampler.num_steps == 10
    for name, preset in PRESETS["fd2talk"].items():
        assert passes(find_preset(name, POSE_ALONE)) >= passes(preset)
