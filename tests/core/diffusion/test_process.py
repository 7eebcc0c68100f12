import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from viseme_core import Draws
from viseme_core.diffusion import DiffusionConfig, DiffusionProcess
from viseme_core.diffusion.process import Target

TARGETS: tuple[Target, ...] = ("clean", "noise", "velocity")


def numpy_alpha_bar(config: DiffusionConfig) -> np.ndarray:
    """Cumulative products written from the schedules' definitions."""
    if config.schedule == "linear":
        beta = np.linspace(config.beta_start, config.beta_end, config.num_steps)
    elif config.schedule == "scaled_linear":
        beta = np.linspace(config.beta_start**0.5, config.beta_end**0.5, config.num_steps) ** 2
    else:
        edge = np.cos(
            (np.arange(config.num_steps + 1) / config.num_steps + 0.008) / 1.008 * np.pi / 2
        )
        beta = np.minimum(1 - (edge[1:] / edge[:-1]) ** 2, 0.999)
    return np.cumprod(1 - beta)


@pytest.mark.parametrize("schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("num_steps", [1000, 400])
def test_noisy_signal_follows_the_closed_form_of_the_forward_process(schedule, num_steps):
    config = DiffusionConfig(num_steps=num_steps, schedule=schedule)
    process = DiffusionProcess(config)
    clean, noise = torch.randn(4, 5, 3), torch.randn(4, 5, 3)
    steps = torch.tensor([0, 7, num_steps // 2, num_steps - 1])
    abar = numpy_alpha_bar(config)[steps.numpy()][:, None, None]
    expected = np.sqrt(abar) * clean.numpy() + np.sqrt(1 - abar) * noise.numpy()
    # float32 cumulative products of 1000 factors differ from float64 ones by about 1e-5.
    np.testing.assert_allclose(process.add_noise(clean, noise, steps), expected, atol=5e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_keeps_the_small_noise_of_the_first_steps(dtype):
    process = DiffusionProcess(DiffusionConfig())
    steps = torch.tensor([0, 1, 5, 999])
    nothing, unit = torch.zeros(4, 2, dtype=dtype), torch.ones(4, 2, dtype=dtype)
    abar = numpy_alpha_bar(process.config)[steps.numpy()][:, None].repeat(2, axis=1)
    # Each scale is rounded once: to half the spacing of the type.
    rtol = torch.finfo(dtype).eps / 2 + 1e-4
    noise_only = process.add_noise(nothing, unit, steps)
    assert noise_only.dtype == dtype
    np.testing.assert_allclose(noise_only.float(), np.sqrt(1 - abar), rtol=rtol)
    np.testing.assert_allclose(
        process.add_noise(unit, nothing, steps).float(), abar**0.5, rtol=rtol
    )


@pytest.mark.parametrize("target", TARGETS)
def test_prediction_of_the_target_gives_back_clean_signal_and_noise(target):
    process = DiffusionProcess(DiffusionConfig(target=target))
    clean, noise = torch.randn(6, 9, dtype=torch.float64), torch.randn(6, 9, dtype=torch.float64)
    steps = torch.tensor([0, 1, 100, 500, 800, 999])
    noisy = process.add_noise(clean, noise, steps)
    prediction = process.target_of(clean, noise, steps)
    torch.testing.assert_close(process.clean_of(prediction, noisy, steps), clean)
    torch.testing.assert_close(process.noise_of(prediction, noisy, steps), noise)


@pytest.mark.parametrize("target", TARGETS)
def test_clean_estimate_agrees_with_that_of_the_diffusers_solver(target):
    config = DiffusionConfig(target=target)
    process = DiffusionProcess(config)
    solver = DDIMScheduler(**config.scheduler_arguments(), clip_sample=False)
    solver.set_timesteps(1000)
    noisy, prediction = torch.randn(2, 8), torch.randn(2, 8)
    for step in (0, 10, 400, 900):
        theirs = solver.step(prediction, step, noisy, return_dict=False)[1]
        ours = process.clean_of(prediction, noisy, torch.full((2,), step))
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_velocity_is_noise_at_no_noise_and_minus_clean_at_full_noise():
    process = DiffusionProcess(DiffusionConfig(target="velocity", schedule="squaredcos_cap_v2"))
    clean, noise = torch.randn(2, 30), torch.randn(2, 30)
    velocity = process.target_of(clean, noise, torch.tensor([0, 999]))
    assert torch.allclose(velocity[0], noise[0], atol=0.05)
    assert torch.allclose(velocity[1], -clean[1], atol=0.01)


def test_training_draw_does_not_depend_on_how_samples_are_grouped():
    process = DiffusionProcess(DiffusionConfig())
    clean = torch.randn(8, 5, 3)
    whole = process.draw(clean, Draws(3, 17, range(8)))
    halves = [process.draw(clean[rank::2], Draws(3, 17, range(rank, 8, 2))) for rank in (0, 1)]
    for rank, half in enumerate(halves):
        for ours, alone in zip(whole, half, strict=True):
            assert torch.equal(ours[rank::2], alone)


def test_drawn_steps_cover_the_range_evenly():
    process = DiffusionProcess(DiffusionConfig(num_steps=10))
    draw = process.draw(torch.zeros(4000, 1), Draws(0, 0, range(4000)))
    counts = torch.bincount(draw.step_B, minlength=10)
    assert counts.shape == (10,)
    assert counts.min() > 320  # 400 expected, standard deviation 19
    assert counts.max() < 480


def test_draws_for_another_number_of_samples_are_refused():
    with pytest.raises(ValueError, match="draws are for 3 samples, the batch has 2"):
        DiffusionProcess(DiffusionConfig()).draw(torch.zeros(2, 1), Draws(0, 0, range(3)))


@pytest.mark.parametrize(
    ("field", "message"),
    [({"num_steps": 0}, "num_steps must be at least 1"), ({"beta_end": 1.5}, "beta_start <=")],
)
def test_impossible_schedules_are_refused(field, message):
    with pytest.raises(ValueError, match=message):
        DiffusionConfig(**field)
