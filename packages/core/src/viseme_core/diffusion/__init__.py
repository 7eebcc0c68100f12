"""Diffusion over diffusers' schedules and solvers: training draw, guidance, sampling."""

from viseme_core.diffusion.guidance import Denoiser, predict_guided
from viseme_core.diffusion.process import DiffusionConfig, DiffusionProcess, NoisySample
from viseme_core.diffusion.sampling import SamplerConfig, sample

__all__ = [
    "Denoiser",
    "DiffusionConfig",
    "DiffusionProcess",
    "NoisySample",
    "SamplerConfig",
    "predict_guided",
    "sample",
]
