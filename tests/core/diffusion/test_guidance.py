import pytest
import torch
from torch import Tensor

from viseme_core.diffusion import DiffusionConfig, DiffusionProcess, predict_guided


class CountingDenoiser:
    """Returns x + audio + 10 * identity and remembers the batch size of every call."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, noisy: Tensor, step_B: Tensor, **condition: Tensor) -> Tensor:
        self.batches.append(noisy.shape[0])
        assert step_B.shape[0] == noisy.shape[0]
        return noisy + condition["audio"] + 10 * condition["identity"]


def guided(scale: float) -> tuple[Tensor, list[int]]:
    net = CountingDenoiser()
    condition = {"audio": torch.full((3, 2), 2.0), "identity": torch.full((3, 2), 5.0)}
    null = {"audio": torch.full((3, 2), -1.0)}
    steps = torch.zeros(3, dtype=torch.long)
    return predict_guided(net, torch.ones(3, 2), steps, condition, null, scale), net.batches


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 1.5, 4.0])
def test_guidance_is_the_weighted_sum_of_both_predictions(scale):
    prediction, _ = guided(scale)
    expected = scale * (1 + 2 + 50) + (1 - scale) * (1 - 1 + 50)
    assert torch.allclose(prediction, torch.full((3, 2), expected))


def test_scale_one_skips_the_unconditional_pass():
    assert guided(1.0)[1] == [3]


def test_scale_zero_skips_the_conditional_pass():
    assert guided(0.0)[1] == [3]


def test_both_predictions_come_from_one_batched_pass():
    assert guided(2.0)[1] == [6]


def test_guiding_clean_predictions_equals_guiding_noise_predictions():
    process = DiffusionProcess(DiffusionConfig(target="noise"))
    noisy, with_audio, without = torch.randn(3, 4, 5, dtype=torch.float64).unbind(0)
    steps = torch.tensor([3, 50, 400, 900])
    by_noise = process.clean_of(2.5 * with_audio - 1.5 * without, noisy, steps)
    clean = [process.clean_of(noise, noisy, steps) for noise in (with_audio, without)]
    torch.testing.assert_close(by_noise, 2.5 * clean[0] - 1.5 * clean[1])


def test_guidance_without_a_null_condition_is_refused():
    with pytest.raises(ValueError, match=r"guidance_scale 2\.0 needs a null"):
        predict_guided(CountingDenoiser(), torch.ones(1, 2), torch.zeros(1), {}, {}, 2.0)


def test_null_of_a_condition_that_does_not_exist_is_refused():
    null = {"sound": torch.ones(1, 2)}
    with pytest.raises(ValueError, match="'sound'"):
        predict_guided(CountingDenoiser(), torch.ones(1, 2), torch.zeros(1), {}, null, 2.0)
