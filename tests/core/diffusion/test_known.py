import numpy as np
import pytest
import torch
from torch import Tensor

from viseme_core import Draws
from viseme_core.diffusion import DiffusionConfig, SamplerConfig, keep_known, sample

CONFIG = DiffusionConfig()
SAMPLERS = [
    SamplerConfig(solver="ddpm", num_steps=10),
    SamplerConfig(solver="ddim", num_steps=10),
    SamplerConfig(solver="ddim", num_steps=10, eta=1.0),
    SamplerConfig(solver="dpm++", num_steps=7),
]


def names(config: SamplerConfig) -> str:
    return f"{config.solver}-{config.eta}"


def shrinking_denoiser(noisy: Tensor, step_B: Tensor, **condition: Tensor) -> Tensor:
    """Predict a clean signal frame by frame."""
    return 0.7 * noisy.tanh()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("sampler", SAMPLERS, ids=names)
def test_known_frames_come_out_exactly_as_given(sampler, dtype):
    draws = Draws(0, 0, [4, 5])
    noise = draws.normal("sampling/start", 6, 3)
    known = torch.randn(2, 6, 3) * 30
    is_known = torch.tensor([True, True, False, False, False, True])[:, None]
    constrain = keep_known(known, is_known, noise, CONFIG)
    result = sample(
        shrinking_denoiser, (2, 6, 3), CONFIG, sampler, draws, constrain=constrain, dtype=dtype
    )
    free = sample(shrinking_denoiser, (2, 6, 3), CONFIG, sampler, draws, dtype=dtype)
    frames = is_known[:, 0]
    assert torch.equal(result[:, frames], known[:, frames].to(dtype))
    # This network works frame by frame: what is known of some frames says nothing of the others.
    assert torch.equal(result[:, ~frames], free[:, ~frames])


@pytest.mark.parametrize("sampler", SAMPLERS, ids=names)
def test_the_network_sees_known_frames_at_the_noise_level_of_its_step(sampler):
    draws = Draws(0, 0, [0])
    noise, known = draws.normal("sampling/start", 4, 3), torch.randn(1, 4, 3)
    is_known = torch.tensor([[[True], [True], [False], [False]]])
    seen: list[tuple[int, np.ndarray]] = []

    def spy(noisy: Tensor, step_B: Tensor, **condition: Tensor) -> Tensor:
        seen.append((int(step_B), noisy[:, :2].numpy()))
        return 0 * noisy

    constrain = keep_known(known, is_known, noise, CONFIG)
    sample(spy, (1, 4, 3), CONFIG, sampler, draws, constrain=constrain)
    assert len(seen) == sampler.num_steps
    abar = np.cumprod(1 - np.linspace(CONFIG.beta_start, CONFIG.beta_end, CONFIG.num_steps))
    for step, frames in seen:
        expected = np.sqrt(abar[step]) * known + np.sqrt(1 - abar[step]) * noise
        np.testing.assert_allclose(frames, expected[:, :2], atol=5e-5)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_unknown_frames_move_towards_what_the_known_ones_say_about_them(eta):
    """Two frames of N(0, [[1, r], [r, 1]]), the first known to be 2.

    The best network for them is linear, so the mean of the samples follows the solver's own steps.
    """
    abar = np.cumprod(1 - np.linspace(CONFIG.beta_start, CONFIG.beta_end, CONFIG.num_steps))
    covariance = np.array([[1, 0.9], [0.9, 1]])

    def gain(step: int) -> np.ndarray:
        noisy_covariance = abar[step] * covariance + (1 - abar[step]) * np.eye(2)
        return np.sqrt(abar[step]) * covariance @ np.linalg.inv(noisy_covariance)

    def posterior_mean(noisy: Tensor, step_B: Tensor, **condition: Tensor) -> Tensor:
        return noisy @ torch.tensor(gain(int(step_B[0])).T).float()

    draws = Draws(0, 0, range(500))
    known, is_known = torch.tensor([2.0, 0.0]).expand(500, 2), torch.tensor([True, False])
    constrain = keep_known(known, is_known, draws.normal("sampling/start", 2), CONFIG)
    sampler = SamplerConfig(num_steps=50, eta=eta)
    result = sample(posterior_mean, (500, 2), CONFIG, sampler, draws, constrain=constrain)

    mean = np.zeros(2)
    for t in range(999, -1, -20):
        mean[0] = 2 * np.sqrt(abar[t])
        past = abar[t - 20] if t >= 20 else 1.0
        sigma = eta * np.sqrt((1 - past) / (1 - abar[t]) * (1 - abar[t] / past))
        clean = gain(t) @ mean
        direction = (mean - np.sqrt(abar[t]) * clean) / np.sqrt(1 - abar[t])
        mean = np.sqrt(past) * clean + np.sqrt(1 - past - sigma**2) * direction
    assert 0.8 < mean[1] < 1.8  # 0 without the known frame, 2 r = 1.8 in truth
    # The mean of 500 samples of deviation 0.7 is known to 0.03.
    assert abs(result[:, 1].mean().item() - mean[1]) < 0.12


@pytest.mark.parametrize("sampler", SAMPLERS, ids=names)
def test_a_start_that_is_given_does_what_the_same_start_does_when_drawn(sampler):
    draws = Draws(3, 0, [0, 1])
    start = draws.normal("sampling/start", 4, 2)
    given = sample(shrinking_denoiser, (2, 4, 2), CONFIG, sampler, draws, start=start)
    drawn = sample(shrinking_denoiser, (2, 4, 2), CONFIG, sampler, draws)
    other = sample(shrinking_denoiser, (2, 4, 2), CONFIG, sampler, draws, start=-start)
    assert torch.equal(given, drawn)
    assert not torch.allclose(given, other)


@pytest.mark.parametrize("sampler", [SAMPLERS[1], SAMPLERS[3]], ids=names)
def test_windows_of_one_long_noise_agree_where_they_overlap(sampler):
    long = Draws(0, 0, [0]).normal("sampling/start", 16, 3)
    whole = sample(shrinking_denoiser, (1, 16, 3), CONFIG, sampler, Draws(0, 0, [0]), start=long)
    for first in (0, 6):
        window = sample(
            shrinking_denoiser, (1, 10, 3), CONFIG, sampler, Draws(9, 9, [first]),
            start=long[:, first : first + 10],
        )  # fmt: skip
        torch.testing.assert_close(window, whole[:, first : first + 10])


def test_a_start_of_another_shape_is_refused():
    with pytest.raises(
        ValueError, match=r"start must have the samples' shape \(1, 4\), got \(4,\)"
    ):
        sample(
            shrinking_denoiser, (1, 4), CONFIG, SAMPLERS[1], Draws(0, 0, [0]), start=torch.zeros(4)
        )


@pytest.mark.parametrize(
    ("is_known", "noise", "message"),
    [
        (torch.ones(2, 3), torch.zeros(2, 3), r"must be boolean .* got torch\.float32"),
        (torch.ones(2, 2, 3).bool(), torch.zeros(2, 3), r"broadcast to \(2, 3\), .*\(2, 2, 3\)"),
        (torch.ones(4).bool(), torch.zeros(2, 3), r"broadcast to \(2, 3\), .*\(4,\)"),
        (torch.ones(3).bool(), torch.zeros(3), r"noise must have the shape of known \(2, 3\)"),
    ],
)
def test_what_does_not_fit_the_known_values_is_refused(is_known, noise, message):
    with pytest.raises(ValueError, match=message):
        keep_known(torch.zeros(2, 3), is_known, noise, CONFIG)
