import numpy as np
import pytest
import torch
from torch import Tensor

from viseme_core import Draws
from viseme_core.diffusion import DiffusionConfig, DiffusionProcess, SamplerConfig, sample
from viseme_core.diffusion.process import Target

SAMPLERS = [
    SamplerConfig(solver="ddpm", num_steps=50),
    SamplerConfig(solver="ddim", num_steps=50),
    SamplerConfig(solver="ddim", num_steps=20, eta=1.0),
    SamplerConfig(solver="ddim", num_steps=1),
    SamplerConfig(solver="dpm++", num_steps=13),
]
# Far outside [-1, 1]: a solver that clips would cut it.
CLEAN = torch.linspace(-30, 30, 2 * 4 * 3).reshape(2, 4, 3)


def names(config: SamplerConfig) -> str:
    return f"{config.solver}-{config.num_steps}-{config.eta}"


class PerfectDenoiser:
    """Knows the clean signal and answers with whatever the process asks for."""

    def __init__(self, process: DiffusionProcess, clean: Tensor) -> None:
        self.process, self.clean = process, clean
        self.calls = 0

    def __call__(self, noisy: Tensor, step_B: Tensor, **condition: Tensor) -> Tensor:
        self.calls += 1
        abar = self.process.alpha_bar(step_B)[:, None, None]
        noise = (noisy - abar.sqrt() * self.clean) / (1 - abar).sqrt()
        return self.process.target_of(self.clean, noise, step_B)


def shrinking_denoiser(noisy: Tensor, step_B: Tensor, **condition: Tensor) -> Tensor:
    """Predict a clean signal that depends on x, so that the path of the solver matters."""
    return 0.7 * noisy.tanh()


@pytest.mark.parametrize("schedule", ["linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("target", ["clean", "noise", "velocity"])
@pytest.mark.parametrize("sampler", SAMPLERS, ids=names)
def test_perfect_denoiser_returns_the_clean_signal(sampler, target: Target, schedule):
    config = DiffusionConfig(target=target, schedule=schedule)
    net = PerfectDenoiser(DiffusionProcess(config), CLEAN)
    result = sample(net, tuple(CLEAN.shape), config, sampler, Draws(0, 0, [0, 1]))
    # From predicted noise the clean signal is found by dividing by sqrt(abar), which the cosine
    # schedule takes down to 5e-5: float32's rounding of x_t then shows at 6e-8 / 5e-5.
    torch.testing.assert_close(result, CLEAN, rtol=1e-5, atol=5e-3)
    assert net.calls == sampler.num_steps


@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_ddim_walks_equation_5_of_fd2talk(eta):
    """Eq. 5 in numpy, with the root over 1 - abar_{t-1} - sigma_t^2 (a slip in the paper)."""
    config = DiffusionConfig(num_steps=1000)
    sampler = SamplerConfig(num_steps=10, eta=eta)
    draws = Draws(5, 0, [0])
    ours = sample(shrinking_denoiser, (1, 4, 3), config, sampler, draws)

    abar = np.cumprod(1 - np.linspace(config.beta_start, config.beta_end, 1000))
    fresh = draws.generators("sampling/fresh")[0]
    x = draws.normal("sampling/start", 4, 3).double().numpy()
    for t in range(999, -1, -100):
        past = abar[t - 100] if t >= 100 else 1.0
        clean = 0.7 * np.tanh(x)
        sigma = eta * np.sqrt((1 - past) / (1 - abar[t]) * (1 - abar[t] / past))
        noise = torch.randn(1, 4, 3, generator=fresh).double().numpy() if eta else 0.0
        direction = (x - np.sqrt(abar[t]) * clean) / np.sqrt(1 - abar[t])
        x = np.sqrt(past) * clean + np.sqrt(1 - past - sigma**2) * direction + sigma * noise
    np.testing.assert_allclose(ours.numpy(), x, rtol=1e-3, atol=1e-4)


def test_every_solver_turns_gaussian_data_into_its_own_distribution():
    """For data N(2, 0.5^2) the best clean estimate is known: samples must have those moments."""
    config = DiffusionConfig(target="clean")
    process = DiffusionProcess(config)

    def posterior_mean(noisy: Tensor, step_B: Tensor, **condition: Tensor) -> Tensor:
        abar = process.alpha_bar(step_B)[:, None]
        gain = 0.25 * abar.sqrt() / (0.25 * abar + 1 - abar)
        return 2 + gain * (noisy - 2 * abar.sqrt())

    for sampler in (
        SamplerConfig(solver="ddpm", num_steps=200),
        SamplerConfig(solver="ddim", num_steps=100),
        SamplerConfig(solver="dpm++", num_steps=20),
    ):
        result = sample(posterior_mean, (64, 64), config, sampler, Draws(1, 0, range(64)))
        assert abs(result.mean().item() - 2) < 0.03, sampler
        assert abs(result.std().item() - 0.5) < 0.03, sampler


@pytest.mark.parametrize("sampler", SAMPLERS, ids=names)
def test_a_sample_is_the_same_alone_and_in_a_batch(sampler):
    config = DiffusionConfig()
    batch = sample(shrinking_denoiser, (3, 4, 2), config, sampler, Draws(9, 0, [4, 5, 6]))
    alone = sample(shrinking_denoiser, (1, 4, 2), config, sampler, Draws(9, 0, [5]))
    torch.testing.assert_close(batch[1:2], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=names)
def test_the_seed_decides_the_result(sampler):
    config = DiffusionConfig()
    first, again, other = (
        sample(shrinking_denoiser, (2, 4, 2), config, sampler, Draws(seed, 0, [0, 1]))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_guidance_one_evaluates_the_network_on_single_batches():
    config = DiffusionConfig()
    sizes: list[int] = []

    def spy(noisy: Tensor, step_B: Tensor, **condition: Tensor) -> Tensor:
        sizes.append(noisy.shape[0])
        return noisy + condition["audio"]

    condition, null = {"audio": torch.ones(2, 3)}, {"audio": torch.zeros(2, 3)}
    for scale in (1.0, 3.0):
        sampler = SamplerConfig(num_steps=2, guidance_scale=scale)
        draws = Draws(0, 0, [0, 1])
        sample(spy, (2, 3), config, sampler, draws, condition=condition, null=null)
    assert sizes == [2, 2, 4, 4]


def test_step_count_with_a_remainder_is_refused_with_the_nearest_ones():
    with pytest.raises(ValueError, match=r"got 30; the nearest are \[20, 25, 40\]"):
        sample(
            shrinking_denoiser,
            (1, 2),
            DiffusionConfig(),
            SamplerConfig(num_steps=30),
            Draws(0, 0, [0]),
        )


def test_more_steps_than_trained_are_refused():
    sampler = SamplerConfig(solver="dpm++", num_steps=500)
    with pytest.raises(ValueError, match=r"at most diffusion\.num_steps = 400"):
        sample(
            shrinking_denoiser, (1, 2), DiffusionConfig(num_steps=400), sampler, Draws(0, 0, [0])
        )


def test_eta_outside_ddim_is_refused():
    with pytest.raises(ValueError, match="eta belongs to 'ddim'"):
        SamplerConfig(solver="ddpm", eta=0.5)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=names)
def test_the_gradient_of_a_sample_is_that_of_finite_differences(sampler):
    def total(weight: Tensor) -> Tensor:
        def net(noisy: Tensor, step_B: Tensor, **condition: Tensor) -> Tensor:
            return weight * noisy.tanh()

        draws = Draws(0, 0, [0])
        return sample(net, (1, 5), DiffusionConfig(), sampler, draws, dtype=torch.float64).sum()

    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(total(weight), weight)
    with torch.no_grad():
        difference = (total(weight + 1e-3) - total(weight - 1e-3)) / 2e-3
    assert not difference.requires_grad
    # diffusers' DPM-Solver++ goes through float32, whose rounding the quotient magnifies.
    torch.testing.assert_close(slope, difference, rtol=5e-3, atol=1e-5)
