"""The noising process of training: draw, target, and the way back, over diffusers' schedules.

FD2Talk Eq. 2 and DisentTalk Eq. 3 (whose marginal uses the cumulative product):

    x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps,   t in [0, num_steps)

Networks know nothing of this: they are given x_t and t and predict one of three targets.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from diffusers import DDPMScheduler
from einops import rearrange
from torch import Tensor

from viseme_core.draws import Draws

Target = Literal["clean", "noise", "velocity"]
"""What a network predicts: x_0, eps, or v = sqrt(abar) eps - sqrt(1 - abar) x_0."""

_PREDICTION_TYPE: dict[str, str] = {
    "clean": "sample",
    "noise": "epsilon",
    "velocity": "v_prediction",
}


@dataclass(frozen=True, kw_only=True)
class DiffusionConfig:
    """The noise schedule of a diffusion model and what its network predicts."""

    num_steps: int = 1000
    """Number of noise levels in training (T)."""
    schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "linear"
    """How beta grows over the steps, by diffusers' names; `squaredcos_cap_v2` is the cosine one."""
    beta_start: float = 1e-4
    """Beta of the first step; the cosine schedule ignores it."""
    beta_end: float = 0.02
    """Beta of the last step; the cosine schedule ignores it."""
    target: Target = "clean"
    """What the network predicts."""

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise ValueError(f"diffusion.num_steps must be at least 1, got {self.num_steps}")
        if not 0 < self.beta_start <= self.beta_end < 1:
            raise ValueError(
                "diffusion needs 0 < beta_start <= beta_end < 1, got "
                f"{self.beta_start} and {self.beta_end}"
            )

    def scheduler_arguments(self) -> dict[str, Any]:
        """Return the arguments that every diffusers scheduler of this process shares."""
        return {
            "num_train_timesteps": self.num_steps,
            "beta_schedule": self.schedule,
            "beta_start": self.beta_start,
            "beta_end": self.beta_end,
            "prediction_type": _PREDICTION_TYPE[self.target],
        }


class NoisySample(NamedTuple):
    """What one training draw gives."""

    noisy: Tensor
    """x_t, shaped like the clean signal (B, ...)."""
    noise: Tensor
    """eps, shaped like the clean signal."""
    step_B: Tensor
    """t, int64 in [0, num_steps)."""


class DiffusionProcess:
    """Adds noise in training and converts between the three targets.

    Args:
        config: Schedule and target.
    """

    def __init__(self, config: DiffusionConfig) -> None:
        self.config = config
        # clip_sample would cut coefficients and latents at +-1, where they do not end.
        self._scheduler = DDPMScheduler(**config.scheduler_arguments(), clip_sample=False)

    def draw(self, clean: Tensor, draws: Draws, *, name: str = "diffusion") -> NoisySample:
        """Return `clean` (B, ...) at a random noise level per sample.

        Args:
            clean: x_0.
            draws: Source of step and noise, one stream per sample.
            name: Prefix of the draws' names, for models that hold several processes.
        """
        if len(draws) != clean.shape[0]:
            raise ValueError(f"draws are for {len(draws)} samples, the batch has {clean.shape[0]}")
        step_B = draws.integers(f"{name}/step", self.config.num_steps).to(clean.device)
        noise = draws.normal(f"{name}/noise", *clean.shape[1:], like=clean)
        return NoisySample(self.add_noise(clean, noise, step_B), noise, step_B)

    def add_noise(self, clean: Tensor, noise: Tensor, step_B: Tensor) -> Tensor:
        """Return x_t of the clean signal at the given steps."""
        signal, sigma = self._scales(step_B, clean)
        return signal * clean + sigma * noise

    def alpha_bar(self, step_B: Tensor) -> Tensor:
        """Return abar_t in float32: the share of the clean signal's power left at each step."""
        return self._scheduler.alphas_cumprod.to(step_B.device)[step_B]

    def target_of(self, clean: Tensor, noise: Tensor, step_B: Tensor) -> Tensor:
        """Return what the network should have predicted."""
        if self.config.target == "clean":
            return clean
        if self.config.target == "noise":
            return noise
        signal, sigma = self._scales(step_B, clean)
        return signal * noise - sigma * clean

    def clean_of(self, prediction: Tensor, noisy: Tensor, step_B: Tensor) -> Tensor:
        """Return the clean signal that a prediction at x_t implies.

        From predicted noise this divides by sqrt(abar_t): near the last step the result is large
        and rough, so losses on it want a weight such as `alpha_bar`.
        """
        if self.config.target == "clean":
            return prediction
        signal, sigma = self._scales(step_B, noisy)
        if self.config.target == "noise":
            return (noisy - sigma * prediction) / signal
        return signal * noisy - sigma * prediction

    def noise_of(self, prediction: Tensor, noisy: Tensor, step_B: Tensor) -> Tensor:
        """Return the noise that a prediction at x_t implies."""
        if self.config.target == "noise":
            return prediction
        signal, sigma = self._scales(step_B, noisy)
        if self.config.target == "clean":
            return (noisy - signal * prediction) / sigma
        return sigma * noisy + signal * prediction

    def _scales(self, step_B: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return sqrt(abar_t) and sqrt(1 - abar_t), shaped to multiply `like`.

        The roots are taken in float32 at least: in half precision abar_t of the first steps is 1,
        and their noise would be gone.
        """
        pattern = "b -> b " + " ".join("1" * (like.ndim - 1))
        alpha_bar = rearrange(self.alpha_bar(step_B), pattern)
        alpha_bar = alpha_bar.to(torch.promote_types(like.dtype, torch.float32))
        return alpha_bar.sqrt().to(like), (1 - alpha_bar).sqrt().to(like)
