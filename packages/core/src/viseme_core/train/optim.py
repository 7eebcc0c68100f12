"""Optimizer and learning-rate schedule as plain configuration."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """Optimizer and learning-rate schedule of a run."""

    name: Literal["adam", "adamw"] = "adamw"
    """`adam` or `adamw` (weight decay apart from the gradient)."""
    lr: float = 1e-4
    """Learning rate after warm-up."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the running mean and of the running square."""
    eps: float = 1e-8
    """Added to the root of the running square."""
    weight_decay: float = 0.0
    """Weight decay of matrices and kernels; biases, norms and other vectors get none."""
    group_lr: dict[str, float] = field(default_factory=dict)
    """Factor on `lr` per named parameter group, e.g. `{landmark: 0.1}`; groups left out get 1."""
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    """How the rate falls after warm-up."""
    warmup_steps: int = 0
    """Steps over which the rate rises linearly from 0."""
    decay_steps: int | None = None
    """Step at which the rate has fallen to its end; the run's own length when left out."""
    final_lr_ratio: float = 0.0
    """Rate at the end, as a share of `lr`."""

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ValueError(f"optim.lr must be positive, got {self.lr}")
        if self.warmup_steps < 0:
            raise ValueError(f"optim.warmup_steps must not be negative, got {self.warmup_steps}")
        if not 0 <= self.final_lr_ratio <= 1:
            raise ValueError(f"optim.final_lr_ratio must lie in [0, 1], got {self.final_lr_ratio}")


def build_optimizer(
    groups: Mapping[str, Iterable[nn.Parameter]], config: OptimConfig
) -> torch.optim.Optimizer:
    """Return an optimizer with named parameter groups over the parameters that train.

    Args:
        groups: Parameters by group name; one group per stage in joint training. A group with both
            matrices and vectors becomes two, the second named `<name>/no_decay`.
        config: Optimizer settings.
    """
    unknown = sorted(set(config.group_lr) - set(groups))
    if unknown:
        raise ValueError(f"optim.group_lr names {unknown}, the groups are {sorted(groups)}")
    entries: list[dict[str, Any]] = []
    for name, parameters in groups.items():
        trainable = [p for p in parameters if p.requires_grad]
        lr = config.lr * config.group_lr.get(name, 1.0)
        decayed = [p for p in trainable if p.ndim >= 2]
        plain = [p for p in trainable if p.ndim < 2]
        if decayed:
            decay = config.weight_decay
            entries.append({"params": decayed, "lr": lr, "weight_decay": decay, "name": name})
        if plain:
            suffix = "/no_decay" if decayed else ""
            entries.append({"params": plain, "lr": lr, "weight_decay": 0.0, "name": name + suffix})
    if not entries:
        raise ValueError("nothing to train: every parameter is frozen")
    kind = torch.optim.Adam if config.name == "adam" else torch.optim.AdamW
    return kind(entries, lr=config.lr, betas=config.betas, eps=config.eps)


def build_schedule(
    optimizer: torch.optim.Optimizer, config: OptimConfig, run_steps: int | None
) -> LambdaLR:
    """Return the per-step learning-rate schedule.

    Args:
        optimizer: Optimizer whose groups it scales.
        config: Schedule settings.
        run_steps: Length of the run in steps, used where `decay_steps` is left out.
    """
    end = config.decay_steps if config.decay_steps is not None else run_steps
    if config.schedule != "constant" and end is None:
        raise ValueError(
            f"optim.schedule {config.schedule!r} needs optim.decay_steps, because this run has no "
            "fixed length"
        )
    return LambdaLR(optimizer, _lr_factor(config, end or 1))


def _lr_factor(config: OptimConfig, end: int) -> Callable[[int], float]:
    def factor(step: int) -> float:
        if step < config.warmup_steps:
            return (step + 1) / config.warmup_steps
        if config.schedule == "constant":
            return 1.0
        length = max(1, end - config.warmup_steps)
        progress = min(1.0, (step - config.warmup_steps) / length)
        fall = progress if config.schedule == "linear" else (1 - math.cos(math.pi * progress)) / 2
        return 1.0 - (1.0 - config.final_lr_ratio) * fall

    return factor
