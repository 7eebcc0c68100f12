from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from tests.core.train import toy
from tests.core.train.runs import fit, last, weights
from viseme_core.checkpoint import StageHeader, load_stage
from viseme_core.train import OptimConfig
from viseme_core.train.saving import LastCheckpoint, NonFiniteGuard, StageExport

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


def test_an_exploding_loss_stops_the_run_with_advice(tmp_path, capsys):
    with pytest.raises(SystemExit):
        fit(tmp_path, "--trainer.max_steps", "30", "--model.config.explode_at", "9")
    assert "error: train/loss is inf at step 10" in capsys.readouterr().err
    assert not (tmp_path / "toy.safetensors").exists()


def test_no_checkpoint_of_an_explosion_is_written_whoever_asks_for_it(tmp_path, capsys):
    # Step 5 explodes between two looks at the loss; both callbacks save right after it.
    own = ["--trainer.callbacks+", "ModelCheckpoint", "--trainer.callbacks.dirpath",
           str(tmp_path / "own"), "--trainer.callbacks.every_n_train_steps", "2"]  # fmt: skip
    with pytest.raises(SystemExit):
        fit(tmp_path, "--trainer.max_steps", "30", "--model.config.explode_at", "5",
            "--save_every", "2", *own)  # fmt: skip
    assert "is inf at step 6" in capsys.readouterr().err
    for path in (last(tmp_path), *(tmp_path / "own").glob("*.ckpt")):
        content = torch.load(path, weights_only=True)
        assert content["global_step"] == 4
        assert all(value.isfinite().all() for value in content["state_dict"].values())


def test_a_run_that_is_fine_validates_to_a_finite_loss(tmp_path):
    trainer = fit(tmp_path, "--trainer.max_epochs", "1").trainer
    assert trainer.callback_metrics["val/loss"].isfinite()


class Adversarial(L.LightningModule):
    """Two optimizers by hand: every batch counts two steps, and nothing is returned."""

    def __init__(self, lr: float) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.nets = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)])
        self.lr = lr

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
        optimizers: Any = self.optimizers()
        for net, optimizer in zip(self.nets, optimizers, strict=True):
            optimizer.zero_grad()
            self.manual_backward(net(batch[0]).square().mean())
            optimizer.step()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.SGD(net.parameters(), lr=self.lr) for net in self.nets]


def fit_by_hand(folder: Path, lr: float, *more: L.Callback) -> None:
    data = DataLoader(TensorDataset(torch.ones(24, 1)), batch_size=2)
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder,
        enable_checkpointing=bool(more), callbacks=[NonFiniteGuard(), *more],
    )  # fmt: skip
    trainer.fit(Adversarial(lr), data)


def test_manual_optimization_is_guarded_and_saved_too(tmp_path, monkeypatch):
    saved = []
    save = L.Trainer.save_checkpoint
    monkeypatch.setattr(
        L.Trainer,
        "save_checkpoint",
        lambda self, *given, **options: (
            saved.append(self.global_step),
            save(self, *given, **options),
        ),
    )
    fit_by_hand(tmp_path, 0.1, LastCheckpoint(tmp_path, every_n_steps=5))
    # Twelve batches of two steps: the first even step at or after each multiple of five.
    assert saved == [6, 10, 16, 20, 24]
    with pytest.raises(ValueError, match=r"nets\.0\.weight is nan|nets\.0\.weight is -?inf"):
        fit_by_hand(tmp_path, lr=1e38)


class Joint(toy.ToyModule):
    def stage_files(self):
        files = super().stage_files()
        tensors = {name: 2 * value for name, value in self.model.state_dict().items()}
        return files | {"other": (tensors, StageHeader(stage="other"))}


def test_a_joint_module_leaves_one_file_of_each_stage(tmp_path):
    module = Joint(toy.ToyConfig(system="linear"), OptimConfig())
    trainer = L.Trainer(
        accelerator="cpu", max_steps=1, logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, default_root_dir=tmp_path,
        callbacks=[StageExport()],
    )  # fmt: skip
    trainer.fit(module, datamodule=toy.ToyDataModule())
    first, second = (load_stage(tmp_path / f"{n}.safetensors", stage=n) for n in ("toy", "other"))
    assert first.header.system == "linear"
    assert torch.equal(second.tensors["net.0.weight"], 2 * first.tensors["net.0.weight"])


def test_a_trial_of_one_batch_leaves_nothing_and_an_old_run_as_it_was(tmp_path):
    trial = ["--trainer.fast_dev_run", "true", "--overwrite"]
    fit(tmp_path / "run", *trial, "false")
    assert not (tmp_path / "run").exists()
    fit(tmp_path / "run", "--trainer.max_steps", "2")
    old = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    for overwrite in ("false", "true"):
        fit(tmp_path / "run", *trial, overwrite)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == old


def test_a_checkpoint_from_python_and_one_from_the_command_line_are_alike(tmp_path):
    fit(tmp_path, "--trainer.max_steps", "1", "--model.config.deep.width", "5")
    module = toy.ToyModule.load_from_checkpoint(last(tmp_path), weights_only=True)
    config = toy.ToyConfig(system="deep", deep=toy.DeepConfig(width=5))
    assert module.config == config
    stored = torch.load(last(tmp_path), weights_only=True)["hyper_parameters"]
    assert dict(stored) == dict(toy.ToyModule(config, OptimConfig()).hparams)


def test_a_new_run_over_an_old_one_removes_what_is_of_it_and_nothing_else(tmp_path, capsys):
    options = ["--trainer.max_steps", "2", "--seed_everything"]
    fit(tmp_path, *options, "0", "--trainer.logger", "true")
    mine = tmp_path / "notes.safetensors"
    mine.write_bytes(b"mine")
    old = [tmp_path / "checkpoints" / "best.ckpt", *tmp_path.glob("events.out.tfevents.*")]
    old[0].touch()
    assert len(old) == 2
    before = weights(tmp_path)

    with pytest.raises(SystemExit) as stopped:
        fit(tmp_path, *options, "5")
    assert stopped.value.code == 2
    assert "holds a run already" in capsys.readouterr().err
    assert all(path.exists() for path in old)

    with pytest.raises(SystemExit):
        fit(tmp_path, *options, "5", "--overwrite", "true", "--model.config.explode_at", "1")
    assert mine.exists()
    assert not any(path.exists() for path in (*old, last(tmp_path), tmp_path / "toy.safetensors"))
    fit(tmp_path, *options, "5")
    assert not torch.equal(before["net.0.weight"], weights(tmp_path)["net.0.weight"])
