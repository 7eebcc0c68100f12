"""Losses of autoencoders. Letters: B batch, H W pixels, h w latent, Z latent channels."""

from typing import Literal

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, distributed

_LARGEST_WEIGHT = 1e4
_SMALLEST_NORM = 1e-4


def pixel_error(
    made_B3HW: Tensor, true_B3HW: Tensor, kind: Literal["absolute", "squared"]
) -> Tensor:
    """Return the mean absolute or squared difference, ()."""
    if kind == "squared":
        return F.mse_loss(made_B3HW, true_B3HW)
    return F.l1_loss(made_B3HW, true_B3HW)


def divergence(posterior: DiagonalGaussianDistribution, num_values: int) -> Tensor:
    """Return how far Gaussians are from the standard normal, per number of a picture, ().

    The Kullback-Leibler divergence summed over the latent, a mean over pictures, divided by
    `num_values`: latent-diffusion sums both this and the errors over a picture, here errors are
    means, and both must be divided alike for its weight to mean the same.

    Args:
        posterior: Of B pictures.
        num_values: Numbers in a picture, 3 H W.
    """
    return posterior.kl().mean() / num_values


def critic_loss(real_B1hw: Tensor, made_B1hw: Tensor) -> Tensor:
    """Return the hinge loss of what a critic says of real and of made pictures, ()."""
    return (F.relu(1 - real_B1hw).mean() + F.relu(1 + made_B1hw).mean()) / 2


def adversary_weight(error: Tensor, adversary: Tensor, last_layer: Tensor) -> Tensor:
    """Return the factor that makes the critic's gradient as large as the error's, ().

    Both are looked at where they enter the decoder's last layer (Esser et al. 2021, Eq. 7). With
    several processes they are means over all, so that each uses the factor of the whole batch.

    Args:
        error: Loss of pixels and features, with its graph.
        adversary: Loss that the critic gives the made pictures, with its graph.
        last_layer: Weight of the last layer.
    """
    both = torch.stack(
        [torch.autograd.grad(loss, last_layer, retain_graph=True)[0] for loss in (error, adversary)]
    )
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(both)
        both = both / distributed.get_world_size()
    wanted, given = both.flatten(1).norm(dim=1)
    return (wanted / (given + _SMALLEST_NORM)).clamp(max=_LARGEST_WEIGHT).detach()
