"""Diffusion over diffusers' schedules and solvers: training draw, guidance, sampling."""

from viseme_core.diffusion.guidance import Denoiser, predict_guided
from viseme_core.diffusion.known import Constraint, keep_known
from viseme_core.diffusion.process import DiffusionConfig, DiffusionProcess, NoisySample
from viseme_core.diffusion.sampling import SamplerConfig, sample

__all__ = [
    "Constraint",
    "Denoiser",
    "DiffusionConfig",
    "DiffusionProcess",
    "NoisySample",
    "SamplerConfig",
    "keep_known",
    "predict_guided",
    "sample",
]
