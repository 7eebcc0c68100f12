"""A checkpoint as Lightning itself writes it while weights are averaged."""

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from viseme_core.checkpoint import HEADER_KEY, StageHeader, header_to_plain, load_stage

DECAY = 0.5


class Toy(L.LightningModule):
    """Trains one linear layer and remembers its weights after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(2, 1, bias=False)
        self.critic = nn.Linear(2, 1)
        self.weights: list[Tensor] = []

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        (x,) = batch
        return (self.model(x) - self.critic(x)).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.5)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.weights.append(self.model.weight.detach().clone())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[HEADER_KEY] = header_to_plain(StageHeader(stage="motion"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Lightning's advice and deprecations are its own matter
def test_averaged_weights_are_what_a_checkpoint_gives(tmp_path: Path) -> None:
    toy = Toy()
    trainer = L.Trainer(
        max_steps=3,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[
            EMAWeightAveraging(decay=DECAY, use_buffers=False),
            ModelCheckpoint(tmp_path / "checkpoints", every_n_train_steps=3, save_last=True),
        ],
    )
    trainer.fit(toy, DataLoader(TensorDataset(torch.randn(6, 2)), batch_size=2))
    first, *rest = toy.weights
    average = first
    for weight in rest:
        average = DECAY * average + (1 - DECAY) * weight
    found = load_stage(tmp_path, stage="motion")
    assert found.source.name == "last.ckpt"
    assert list(found.tensors) == ["weight"]
    # Three rounded float32 additions.
    torch.testing.assert_close(found.tensors["weight"], average, rtol=1e-6, atol=1e-7)
    assert (toy.weights[-1] - average).abs().max() > 1e-3
