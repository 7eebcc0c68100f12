"""A complete small stage, run through StageCLI as a user would: `python toy.py fit ...`."""

import time
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import lightning as L
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from viseme_core import Draws
from viseme_core.checkpoint import StageHeader
from viseme_core.config import from_plain, to_plain
from viseme_core.diffusion import DiffusionConfig, DiffusionProcess
from viseme_core.train import (
    EpochSampler,
    EvaluationSampler,
    OptimConfig,
    ResumableLoader,
    StageCLI,
    StageModule,
    Visit,
)


@dataclass(frozen=True, kw_only=True)
class LinearConfig:
    """A denoiser of one layer."""

    bias: bool = True
    """Whether the layer has a bias."""


@dataclass(frozen=True, kw_only=True)
class DeepConfig:
    """A denoiser of two layers."""

    width: int = 8
    """Width of the hidden layer."""
    dropout: float = 0.0
    """Share of hidden units that are dropped in training."""


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """A toy denoiser."""

    system: Literal["linear", "deep"]
    """Which denoiser."""
    linear: LinearConfig = LinearConfig()
    """Settings of `linear`."""
    deep: DeepConfig = DeepConfig()
    """Settings of `deep`."""
    explode_at: int | None = None
    """Training step whose loss becomes infinite, to see what a run does then."""


class ToyBatch(NamedTuple):
    signal_BTC: Tensor
    index_B: Tensor


class ToyData(Dataset):
    """Random windows of four frames out of twelve."""

    def __init__(self, num_samples: int, seed: int, sleep_sec: float = 0.0) -> None:
        self.num_samples = num_samples
        self.seed = seed
        self.sleep_sec = sleep_sec

    def __len__(self) -> int:
        return self.num_samples

    def __getitem__(self, index: int) -> ToyBatch:
        time.sleep(self.sleep_sec / 8)
        generator = torch.Generator().manual_seed(int(index))
        signal = torch.randn(12, 3, generator=generator, dtype=torch.float64)
        start = int(Visit.of(index).draws(self.seed).integers("data/window", 9))
        window = signal[start : start + 4].to(torch.get_default_dtype())
        return ToyBatch(window, torch.tensor(int(index)))


def build_linear(config: LinearConfig) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3, bias=config.bias))


def build_deep(config: DeepConfig) -> nn.Module:
    return nn.Sequential(
        nn.Linear(4, config.width),
        nn.SiLU(),
        nn.Dropout(config.dropout),
        nn.Linear(config.width, 3),
    )


NETS = {"linear": build_linear, "deep": build_deep}


class ToyModel(nn.Module):
    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.process = DiffusionProcess(DiffusionConfig(num_steps=100))
        self.net = NETS[config.system](getattr(config, config.system))
        self.explode_at = config.explode_at

    def loss(self, batch: ToyBatch, draws: Draws) -> dict[str, Tensor]:
        noisy, _, step_B = self.process.draw(batch.signal_BTC, draws)
        level = (step_B / 100).to(noisy)[:, None, None].expand(-1, 4, 1)
        error = (self.net(torch.cat([noisy, level], dim=-1)) - batch.signal_BTC).square().mean()
        if draws.step == self.explode_at:
            error = error / 0
        return {"loss": error, "error": error}


class ToyModule(StageModule):
    """Trains the toy denoiser."""

    stage = "toy"

    def __init__(self, config: ToyConfig, optim: OptimConfig) -> None:
        """Build it.

        Args:
            config: The denoiser.
            optim: Optimizer and schedule.
        """
        config = config if isinstance(config, ToyConfig) else from_plain(ToyConfig, config)
        optim = optim if isinstance(optim, OptimConfig) else from_plain(OptimConfig, optim)
        super().__init__(ToyModel(config), config, optim)

    def header(self) -> StageHeader:
        chosen = getattr(self.config, self.config.system)
        return StageHeader(stage="toy", system=self.config.system, config=to_plain(chosen))

    def samples(self, batch: ToyBatch) -> dict[str, Any]:
        return {"val/picture": torch.zeros(3, 8, 8), "val/note": "a note"}


class ToyDataModule(L.LightningDataModule):
    """Feeds the toy denoiser.

    Args:
        batch_size: Samples per process and step.
        num_workers: Loader processes.
        sleep_sec: Time that a batch of eight takes, to have a run that can be killed.
    """

    def __init__(self, batch_size: int = 8, num_workers: int = 0, sleep_sec: float = 0.0) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.sleep_sec = sleep_sec

    def describe(self) -> str:
        return "64 toy samples"

    def train_dataloader(self) -> ResumableLoader:
        trainer, module = self.trainer, self._module()
        assert trainer is not None
        sampler = EpochSampler(
            64,
            self.batch_size,
            seed=module.seed,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )
        data = ToyData(64, module.seed, self.sleep_sec)
        workers: dict[str, Any] = {"num_workers": self.num_workers}
        return ResumableLoader(data, sampler, persistent_workers=self.num_workers > 0, **workers)

    def val_dataloader(self) -> DataLoader:
        trainer = self.trainer
        assert trainer is not None
        sampler = EvaluationSampler(61, rank=trainer.global_rank, world_size=trainer.world_size)
        data = ToyData(61, self._module().seed)
        return DataLoader(data, batch_size=self.batch_size, sampler=sampler)

    def _module(self) -> ToyModule:
        assert self.trainer is not None
        module = self.trainer.lightning_module
        assert isinstance(module, ToyModule)
        return module


if __name__ == "__main__":
    StageCLI(ToyModule, ToyDataModule)
