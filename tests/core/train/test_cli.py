import logging
import os
from pathlib import Path

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only

from tests.core.train import toy
from tests.core.train.runs import BASE, DEEP, fit, last, weights
from viseme_core.checkpoint import load_stage
from viseme_core.train import StageCLI
from viseme_core.train.run_folder import default_run_dir

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        StageCLI(toy.ToyModule, toy.ToyDataModule, args=[*arguments])
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_the_system_that_is_named_is_trained_and_only_its_settings_are_stored(tmp_path):
    fit(tmp_path / "a", "--trainer.max_steps", "1", "--model.config.linear.bias", "false",
        system="linear")  # fmt: skip
    assert set(weights(tmp_path / "a")) == {"net.0.weight"}
    header = load_stage(tmp_path / "a", stage="toy", system="linear").header
    assert header.config == {"bias": False}
    stored = torch.load(last(tmp_path / "a"), weights_only=True)["hyper_parameters"]["config"]
    assert stored == {"system": "linear", "linear": {"bias": False}, "explode_at": None}
    fit(tmp_path / "b", "--trainer.max_steps", "1")
    assert set(weights(tmp_path / "b")) >= {"net.0.weight", "net.3.weight"}


def test_a_missing_an_unknown_and_a_half_meant_system_are_refused(tmp_path, capsys):
    fit = ["fit", *BASE, "--run_dir", str(tmp_path), "--trainer.max_steps", "1"]
    assert "model.config.system" in refused(capsys, *fit)
    assert "cubic" in refused(capsys, *fit, "--model.config.system", "cubic")
    linear = [*fit, "--model.config.system", "linear"]
    error = refused(capsys, *linear, "--model.config.deep.width", "5")
    assert "'linear', and model.config.deep.width would change nothing" in error


def test_an_unknown_key_is_refused_by_name(tmp_path, capsys):
    assert "widht" in refused(capsys, "fit", *BASE, *DEEP, "--model.config.deep.widht", "5")


def test_help_teaches_with_the_words_of_the_docstrings(capsys):
    with pytest.raises(SystemExit):
        StageCLI(toy.ToyModule, toy.ToyDataModule, args=["fit", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "Share of hidden units that are dropped in training." in text
    assert "Learning rate after warm-up." in text
    assert "Stage file or checkpoint whose weights a new run starts from" in text
    assert "fit resumes exactly" in text
    assert "settings that it stores beat the command line" in text


def test_a_stage_file_starts_a_new_run_and_a_pickle_does_not(tmp_path, capsys):
    fit(tmp_path / "first", "--trainer.max_steps", "2")
    source = tmp_path / "first" / "toy.safetensors"
    again = ["--trainer.max_steps", "1", "--model.optim.lr", "1e-12", "--init_from", str(source)]
    fit(tmp_path / "second", *again)
    for name, value in weights(tmp_path / "first").items():
        torch.testing.assert_close(weights(tmp_path / "second")[name], value, rtol=0, atol=1e-9)

    trap = tmp_path / "trap.ckpt"
    torch.save({"state_dict": {}, "run": _Trap(tmp_path / "ran")}, trap)
    run = ["fit", *BASE, *DEEP, "--run_dir", str(tmp_path / "third")]
    for option in ("--init_from", "--ckpt_path"):
        assert f"error: {trap}" in refused(capsys, *run, option, str(trap))
        assert not (tmp_path / "ran").exists()


def test_validation_gives_the_same_loss_whatever_the_batch_size_and_leaves_nothing(tmp_path):
    fit(tmp_path, "--trainer.max_steps", "2", "--trainer.precision", "64-true")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    losses = []
    for source, batch_size in [
        (["--ckpt_path", "last"], 8),
        (["--ckpt_path", str(tmp_path)], 61),
        (["--init_from", str(tmp_path / "toy.safetensors")], 7),
    ]:
        size = ["--data.batch_size", str(batch_size), "--trainer.precision", "64-true"]
        trainer = fit(tmp_path, *source, *size, verb="validate").trainer
        losses.append(float(trainer.callback_metrics["val/loss"]))
    # Sums of 61 float64 terms in another order.
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-13)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_validation_without_weights_is_refused(tmp_path, capsys):
    validate = ["validate", *BASE, *DEEP, "--run_dir", str(tmp_path)]
    for more in ([], ["--ckpt_path", "last"]):
        assert "validate needs weights" in refused(capsys, *validate, *more)


@pytest.mark.parametrize("verb", ["test", "predict"])
def test_verbs_that_would_do_nothing_are_not_offered(capsys, verb):
    assert verb in refused(capsys, verb, *BASE, *DEEP)


def test_every_config_file_has_a_run_folder_of_its_own(tmp_path, monkeypatch):
    configs = "packages/motion/configs/fd2talk"
    assert default_run_dir("motion", [f"{configs}/tiny.yaml"]) == Path("runs/motion/fd2talk/tiny")
    assert default_run_dir("motion", [f"{configs}/a.yaml", "my.yaml"]) == Path("runs/motion/my")
    assert default_run_dir("motion", []) == Path("runs/motion/default")
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("trainer:\n  max_steps: 1\n")
    options = [*BASE, *DEEP, "--config", "mine.yaml", "--trainer.logger", "CSVLogger"]
    cli = StageCLI(toy.ToyModule, toy.ToyDataModule, args=["fit", *options])
    assert {"toy.safetensors", "config.yaml"} <= set(os.listdir("runs/toy/mine"))
    assert isinstance(cli.trainer.logger, CSVLogger)
    assert Path(cli.trainer.logger.log_dir).is_relative_to("runs/toy/mine")


def test_a_tilde_in_a_path_is_the_home_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    fit(Path("~/run"), "--trainer.max_steps", "1")
    assert weights(tmp_path / "run")
    again = ["fit", *BASE, *DEEP, "--run_dir", "~/run", "--trainer.max_steps", "1"]
    assert "holds a run already" in refused(capsys, *again)
    for option in ("--ckpt_path", "--init_from"):
        assert str(tmp_path / "nowhere") in refused(capsys, *again, option, "~/nowhere")


@pytest.mark.parametrize(
    ("rank", "heard"), [(0, ["ours", "their warning", "their error"]), (1, ["their error"])]
)
def test_rank_zero_alone_speaks_and_libraries_only_when_they_warn(monkeypatch, capsys, rank, heard):
    root = logging.getLogger()
    level = root.level
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(rank_zero_only, "rank", rank)
    try:
        with pytest.raises(SystemExit):
            StageCLI(toy.ToyModule, toy.ToyDataModule, args=["fit", "--help"])
        capsys.readouterr()
        logging.getLogger("viseme_motion.module").info("ours")
        for say in ("info", "warning", "error"):
            getattr(logging.getLogger("library"), say)(f"their {say}")
    finally:
        root.setLevel(level)
    assert capsys.readouterr().err.splitlines() == heard


def test_a_logger_that_keeps_no_files_is_left_alone(tmp_path):
    fit(tmp_path, "--trainer.max_steps", "1", "--trainer.logger",
        "lightning.pytorch.loggers.logger.DummyLogger")  # fmt: skip
    assert weights(tmp_path)


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))
