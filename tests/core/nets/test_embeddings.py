import numpy as np
import pytest
import torch
from torch.nn.functional import silu

from viseme_core.nets import StepEmbedding, positions
from viseme_core.nets.embeddings import sinusoids


def test_waves_are_cosines_and_sines_at_geometric_frequencies():
    numbers = torch.tensor([0, 1, 7, 399])
    frequency = 10_000.0 ** -(np.arange(4) / 4)
    phase = numbers.numpy()[:, None] * frequency
    expected = np.concatenate([np.cos(phase), np.sin(phase)], 1)
    # diffusers takes the phase in float32: 399 radians are known to 3e-5.
    np.testing.assert_allclose(sinusoids(numbers, 8).numpy(), expected, atol=5e-5)


def test_places_are_the_waves_of_0_to_t_in_the_type_that_is_asked_for():
    places = positions(5, 8, like=torch.zeros(0, dtype=torch.bfloat16))
    assert places.dtype == torch.bfloat16
    assert torch.equal(places, sinusoids(torch.arange(5), 8).bfloat16())


def test_a_step_is_two_linear_layers_over_its_waves():
    embedding = StepEmbedding(8)
    steps = torch.tensor([0, 3, 999])
    first, second = embedding.mlp.linear_1, embedding.mlp.linear_2
    hidden = silu(sinusoids(steps, 8) @ first.weight.T + first.bias)
    torch.testing.assert_close(embedding(steps), hidden @ second.weight.T + second.bias)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_steps_are_embedded_in_the_type_of_the_weights(dtype):
    assert StepEmbedding(8).to(dtype)(torch.tensor([5])).dtype == dtype
