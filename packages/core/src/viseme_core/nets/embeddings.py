"""Numbers as vectors: diffusion steps and places in a sequence."""

import torch
from diffusers.models.embeddings import TimestepEmbedding, get_timestep_embedding
from torch import Tensor, nn


class StepEmbedding(nn.Module):
    """Embeds diffusion steps: sines and cosines, then two linear layers.

    Args:
        dim: Width of the embedding; even.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.mlp = TimestepEmbedding(dim, dim)

    def forward(self, step_B: Tensor) -> Tensor:
        """Return the embedding (B, D) of each step."""
        waves_BD = sinusoids(step_B, self.dim)
        return self.mlp(waves_BD.to(self.mlp.linear_1.weight.dtype))


def positions(num_frames: int, dim: int, *, like: Tensor) -> Tensor:
    """Return the embedding (T, D) of places 0 to T - 1, on the device and in the type of `like`."""
    return sinusoids(torch.arange(num_frames, device=like.device), dim).to(like.dtype)


def sinusoids(number_X: Tensor, dim: int) -> Tensor:
    """Return cosines and sines of numbers at geometric frequencies from 1 to 1 / 10,000, (X, D)."""
    return get_timestep_embedding(number_X, dim, flip_sin_to_cos=True, downscale_freq_shift=0)
