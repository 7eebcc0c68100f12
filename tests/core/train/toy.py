"""A complete small stage, run through StageCLI as a user would: `python toy.py fit ...`."""

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import lightning as L
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from viseme_core import Draws
from viseme_core.checkpoint import StageHeader
from viseme_core.config import from_plain, to_plain
from viseme_core.diffusion import DiffusionConfig, DiffusionProcess
from viseme_core.train import EpochSampler, OptimConfig, ResumableLoader, StageCLI, StageModule


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """A toy denoiser."""

    width: int = 8
    """Width of the hidden layer."""
    dropout: float = 0.0
    """Share of hidden units that are dropped in training."""
    explode_at: int = -1
    """Training step whose loss becomes infinite, to see what a run does then."""


class ToyBatch(NamedTuple):
    signal_BTC: Tensor
    index_B: Tensor


class ToyData(Dataset):
    def __init__(self, sleep_sec: float) -> None:
        self.sleep_sec = sleep_sec

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> ToyBatch:
        time.sleep(self.sleep_sec / 8)
        generator = torch.Generator().manual_seed(index)
        signal = torch.randn(4, 3, generator=generator, dtype=torch.float64)
        return ToyBatch(signal.to(torch.get_default_dtype()), torch.tensor(index))


class ToyModel(nn.Module):
    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.process = DiffusionProcess(DiffusionConfig(num_steps=100))
        self.net = nn.Sequential(
            nn.Linear(4, config.width),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.width, 3),
        )
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
        return StageHeader(stage="toy", system="toy", config=to_plain(self.config))

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

    def _loader(self, shuffle: bool) -> ResumableLoader:
        assert self.trainer is not None
        module = self.trainer.lightning_module
        assert isinstance(module, ToyModule)
        sampler = EpochSampler(
            64,
            self.batch_size,
            seed=module.seed,
            shuffle=shuffle,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
        )
        return ResumableLoader(ToyData(self.sleep_sec), sampler, num_workers=self.num_workers)

    def train_dataloader(self) -> ResumableLoader:
        return self._loader(shuffle=True)

    def val_dataloader(self) -> ResumableLoader:
        return self._loader(shuffle=False)


if __name__ == "__main__":
    StageCLI(ToyModule, ToyDataModule)
