"""The sampling loop over diffusers' solvers.

Noise is drawn per sample on the CPU (`viseme_core.draws`), so that the same seed gives the same
result alone or in a batch, on every device. Nothing is ever clipped: coefficients and latents do
not end at +-1, where diffusers' samplers cut by default.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from viseme_core.diffusion.guidance import Denoiser, predict_guided
from viseme_core.diffusion.known import Constraint
from viseme_core.diffusion.process import DiffusionConfig
from viseme_core.draws import Draws

Solver = Literal["ddpm", "ddim", "dpm++"]


@dataclass(frozen=True, kw_only=True)
class SamplerConfig:
    """How a trained diffusion model is sampled."""

    solver: Solver = "ddim"
    """`ddpm` ancestral, `ddim` (FD2Talk Eq. 5, with `eta`), `dpm++` DPM-Solver++ of order 2."""
    num_steps: int = 50
    """Network evaluations; must divide the training steps, except for `dpm++`."""
    eta: float = 0.0
    """Fresh noise in `ddim`: 0 is deterministic, 1 has the variance of `ddpm`."""
    guidance_scale: float = 1.0
    """Classifier-free guidance s of DisentTalk Eq. 9; 1 is off and costs one pass a step."""

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise ValueError(f"sampler.num_steps must be at least 1, got {self.num_steps}")
        if not 0 <= self.eta <= 1:
            raise ValueError(f"sampler.eta must lie in [0, 1], got {self.eta}")
        if self.eta and self.solver != "ddim":
            raise ValueError(f"sampler.eta belongs to 'ddim', the solver is {self.solver!r}")


def sample(
    denoiser: Denoiser,
    shape: tuple[int, ...],
    process: DiffusionConfig,
    sampler: SamplerConfig,
    draws: Draws,
    *,
    condition: Mapping[str, Tensor] | None = None,
    null: Mapping[str, Tensor] | None = None,
    start: Tensor | None = None,
    constrain: Constraint | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return samples of the given shape (B, ...), denoised from pure noise.

    Gradients flow through every call of the network, so that a loss on samples can train it. To
    generate, call this under `torch.no_grad()`: without, memory grows with the number of steps.

    Args:
        denoiser: Network that predicts `process.target`; called as
            `denoiser(noisy, step_B, **condition)`.
        shape: Shape of the result; its first entry is the number of samples.
        process: Schedule and target that the network was trained with.
        sampler: Solver, steps, guidance.
        draws: Noise, one stream per sample.
        condition: Conditions, each (B, ...).
        null: Null conditions for guidance, see `predict_guided`.
        start: Standard normal noise of the given shape to begin from; None draws it as
            `draws.normal("sampling/start", *shape[1:])`. Windows that are cut from one long noise
            begin alike where they overlap.
        constrain: Called on every sample before the network sees it and on the result;
            `keep_known` makes one that holds frames or a region fixed.
        device: Where the network is.
        dtype: Type of the samples.
    """
    if len(draws) != shape[0]:
        raise ValueError(f"draws are for {len(draws)} samples, shape asks for {shape[0]}")
    scheduler, arguments = build_scheduler(process, sampler)
    if sampler.solver != "dpm++":
        arguments["generator"] = draws.generators("sampling/fresh")
    if start is None:
        start = draws.normal("sampling/start", *shape[1:])
    if start.shape != torch.Size(shape):
        raise ValueError(f"start must have the samples' shape {shape}, got {tuple(start.shape)}")
    current = start.to(device=device, dtype=dtype) * scheduler.init_noise_sigma
    for step in scheduler.timesteps.tolist():
        step_B = torch.full((shape[0],), step, device=current.device, dtype=torch.long)
        if constrain is not None:
            current = constrain(current, step_B)
        prediction = predict_guided(
            denoiser, current, step_B, condition or {}, null or {}, sampler.guidance_scale
        )
        current = scheduler.step(prediction, step, current, return_dict=False, **arguments)[0]
    return current if constrain is None else constrain(current, None)


def build_scheduler(process: DiffusionConfig, sampler: SamplerConfig) -> tuple[Any, dict[str, Any]]:
    """Return a diffusers scheduler with its steps set, and what its `step` wants besides.

    All solvers begin at the noisiest step and end at the clean signal ("trailing" spacing).
    """
    shared: dict[str, Any] = {**process.scheduler_arguments(), "timestep_spacing": "trailing"}
    arguments: dict[str, Any] = {}
    if sampler.solver == "dpm++":
        scheduler: Any = DPMSolverMultistepScheduler(
            **shared, algorithm_type="dpmsolver++", solver_order=2, final_sigmas_type="zero"
        )
    else:
        _check_divides(process.num_steps, sampler.num_steps)
        if sampler.solver == "ddim":
            scheduler = DDIMScheduler(**shared, clip_sample=False, set_alpha_to_one=True)
            arguments["eta"] = sampler.eta
        else:
            scheduler = DDPMScheduler(**shared, clip_sample=False)
    if sampler.num_steps > process.num_steps:
        raise ValueError(
            f"sampler.num_steps must be at most diffusion.num_steps = {process.num_steps}, "
            f"got {sampler.num_steps}"
        )
    scheduler.set_timesteps(sampler.num_steps)
    return scheduler, arguments


def _check_divides(trained: int, wanted: int) -> None:
    # diffusers steps back by trained // wanted: with a remainder it would neither follow its own
    # list of steps nor reach the clean signal.
    if trained % wanted:
        near = sorted(
            (n for n in range(1, trained + 1) if trained % n == 0), key=lambda n: abs(n - wanted)
        )
        raise ValueError(
            f"sampler.num_steps must divide diffusion.num_steps = {trained} for 'ddim' and 'ddpm', "
            f"got {wanted}; the nearest are {sorted(near[:3])}, and 'dpm++' takes any number"
        )
