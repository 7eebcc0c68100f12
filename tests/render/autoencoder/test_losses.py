"""Losses against plain formulas and torch.distributions."""

import pytest
import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch.distributions import Normal, kl_divergence

from viseme_render.autoencoder.losses import (
    adversary_weight,
    critic_loss,
    divergence,
    pixel_error,
)


def test_pixels_are_compared_by_size_or_square():
    made, true = torch.rand(2, 2, 3, 4, 4) * 2 - 1
    assert float(pixel_error(made, true, "absolute")) == pytest.approx(
        float((made - true).abs().mean())
    )
    squares = float(((made - true) ** 2).sum() / made.numel())
    assert float(pixel_error(made, true, "squared")) == pytest.approx(squares)


def test_the_divergence_is_that_of_torchs_distributions():
    mean, logvar = torch.randn(2, 3, 4, 5, 5)
    posterior = DiagonalGaussianDistribution(torch.cat([mean, logvar], 1))
    own = Normal(mean, (0.5 * logvar).exp())
    wanted = kl_divergence(own, Normal(0.0, 1.0)).sum((1, 2, 3)).mean() / 1200
    torch.testing.assert_close(divergence(posterior, 1200), wanted)


@pytest.mark.parametrize(
    ("real", "made", "wanted"),
    [(2.0, -3.0, 0.0), (0.0, 0.0, 1.0), (-1.0, -2.0, 1.0), (4.0, 1.0, 1.0), (0.5, -0.5, 0.5)],
)
def test_the_critic_wants_a_margin_of_one_on_both_sides(real, made, wanted):
    shape = (2, 1, 3, 3)
    assert float(critic_loss(torch.full(shape, real), torch.full(shape, made))) == wanted


def test_the_hinge_is_a_mean_over_patches():
    real, made = torch.randn(2, 3, 1, 4, 4)
    wanted = 0.5 * ((1 - real).clamp(min=0).mean() + (1 + made).clamp(min=0).mean())
    torch.testing.assert_close(critic_loss(real, made), wanted)


def test_the_weight_makes_both_gradients_of_the_last_layer_as_long():
    layer = torch.randn(4, 3, requires_grad=True)
    inputs = torch.randn(6, 3)
    made = inputs @ layer.mT
    error, told = (made**2).mean(), 0.01 * made.sin().mean()
    factor = adversary_weight(error, told, layer)
    grads = [torch.autograd.grad(x, layer, retain_graph=True)[0].norm() for x in (error, told)]
    assert float(factor) == pytest.approx(float(grads[0] / (grads[1] + 1e-4)))
    assert not factor.requires_grad
    # Where the critic says nothing, its weight ends at ten thousand.
    assert float(adversary_weight(1e3 * error, 1e-9 * told, layer)) == 1e4
