from typing import NamedTuple

import lightning as L
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.data import Dataset

from viseme_core.checkpoint import StageHeader
from viseme_core.contrastive import ContrastiveConfig, ContrastiveExpert
from viseme_core.train import EpochSampler, ExpertModule, OptimConfig, ResumableLoader
from viseme_core.train.callbacks import StageThroughput
from viseme_core.train.expert import plot_lag_curve

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


class Pair(NamedTuple):
    motion_BTC: Tensor
    audio_BTA: Tensor
    index_B: Tensor


class MovingMouths(Dataset):
    """Motion is a mixture of the sound."""

    def __getitem__(self, index: int) -> Pair:
        generator = torch.Generator().manual_seed(index)
        audio = torch.randn(40, 4, generator=generator)
        mixing = torch.randn(4, 3, generator=torch.Generator().manual_seed(99))
        return Pair(audio @ mixing, audio, torch.tensor(index))

    def __len__(self) -> int:
        return 128


class LipExpert(ExpertModule):
    stage = "lip_expert"

    def __init__(self) -> None:
        config = ContrastiveConfig(min_shift=3, max_shift=10, probability="affine")
        encoders = (nn.Sequential(nn.Flatten(), nn.Linear(5 * width, 32)) for width in (3, 4))
        super().__init__(ContrastiveExpert(config, *encoders), config, OptimConfig(lr=1e-2))

    def pair(self, batch: Pair) -> tuple[Tensor, Tensor]:
        return batch.motion_BTC, batch.audio_BTA

    def header(self) -> StageHeader:
        return StageHeader(stage=self.stage)


def test_an_expert_trained_by_lightning_tells_pairs_apart_and_finds_the_lag(tmp_path):
    torch.manual_seed(0)
    module = LipExpert()
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=15, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, default_root_dir=tmp_path, callbacks=[StageThroughput()],
    )  # fmt: skip
    loaders = [ResumableLoader(MovingMouths(), EpochSampler(128, 32)) for _ in range(2)]
    trainer.fit(module, loaders[0], loaders[1])
    assert trainer.callback_metrics["val/accuracy"] > 0.95
    batch = next(iter(loaders[1]))
    early = batch._replace(audio_BTA=batch.audio_BTA.roll(-3, 1))
    assert module.model.lag_curve(*module.pair(early), 8).mean(0).argmax() - 8 == 3


def test_the_lag_curve_of_a_batch_is_plotted_with_lag_zero_in_the_middle():
    batch = Pair(torch.randn(2, 12, 3), torch.randn(2, 12, 4), torch.arange(2))
    figure = LipExpert().samples(batch)["val/lag_curve"]
    assert isinstance(figure, Figure)
    line = figure.axes[0].lines[0]
    assert np.asarray(line.get_xdata()).tolist() == list(range(-7, 8))
    shown = plot_lag_curve(torch.tensor([0.1, 0.2, 0.9])).axes[0].lines[0]
    assert np.asarray(shown.get_xdata()).tolist() == [-1, 0, 1]
    assert np.asarray(shown.get_ydata()).tolist() == pytest.approx([0.1, 0.2, 0.9])
