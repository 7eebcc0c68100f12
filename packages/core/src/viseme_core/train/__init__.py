"""Training plumbing on Lightning; needs the `train` extra."""

from viseme_core.train.cli import StageCLI
from viseme_core.train.expert import ExpertModule
from viseme_core.train.loader import EpochSampler, EvaluationSampler, ResumableLoader, Visit
from viseme_core.train.module import StageModule
from viseme_core.train.optim import OptimConfig

__all__ = [
    "EpochSampler",
    "EvaluationSampler",
    "ExpertModule",
    "OptimConfig",
    "ResumableLoader",
    "StageCLI",
    "StageModule",
    "Visit",
]
