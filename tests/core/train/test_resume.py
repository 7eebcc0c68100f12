"""Runs that ended, for one reason or another, and go on."""

import shutil
from pathlib import Path

import pytest
import torch

from tests.core.train.runs import EMA, assert_same_weights, fit, last, weights
from viseme_core.checkpoint import StageHeader
from viseme_core.train.resume import check_fits

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)

COMMON = ["--model.config.deep.dropout", "0.3", "--model.optim.lr", "0.05"]
STEPS = [*COMMON, "--trainer.max_steps"]
STOP_EARLY = ["--trainer.callbacks+", "EarlyStopping", "--trainer.callbacks.monitor", "val/loss"]
STOP_EARLY += ["--trainer.callbacks.patience", "1", "--trainer.callbacks.min_delta", "100"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("whole")
    fit(run_dir, *STEPS, "20")
    return run_dir


# An epoch has eight batches. The early stop falls into the first, after its second validation.
@pytest.mark.parametrize(
    ("end", "step"),
    [
        (["--trainer.max_steps", "5"], 5),
        (["--trainer.max_steps", "8"], 8),
        pytest.param(["--trainer.max_epochs", "1"], 8, marks=pytest.mark.slow),
        (["--trainer.val_check_interval", "3", *STOP_EARLY], 6),
    ],
    ids=["within an epoch", "at its end", "by epochs", "stopped early"],
)
def test_a_finished_run_goes_on_bit_for_bit_like_the_unbroken_one(tmp_path, whole, end, step):
    fit(tmp_path, *COMMON, *end)
    assert torch.load(last(tmp_path), weights_only=True)["global_step"] == step
    fit(tmp_path, *STEPS, "20", "--ckpt_path", "last")
    assert_same_weights(whole, tmp_path)


@pytest.mark.slow
def test_epochs_cut_short_on_purpose_are_not_gone_on_with(tmp_path):
    short = ["--trainer.limit_train_batches", "5", *STEPS]
    fit(tmp_path / "whole", *short, "12")
    fit(tmp_path / "broken", *short, "5")
    fit(tmp_path / "broken", *short, "12", "--ckpt_path", "last")
    assert_same_weights(tmp_path / "whole", tmp_path / "broken")


def test_an_averaged_run_goes_on_from_its_raw_weights_and_exports_its_average(tmp_path):
    fit(tmp_path / "whole", *STEPS, "12", *EMA)
    fit(tmp_path / "broken", *STEPS, "5", *EMA)
    before = (tmp_path / "broken" / "toy.safetensors").read_bytes()
    # Nothing is left to train: the average is exported all the same.
    fit(tmp_path / "broken", *STEPS, "5", *EMA, "--ckpt_path", "last")
    assert (tmp_path / "broken" / "toy.safetensors").read_bytes() == before
    fit(tmp_path / "broken", *STEPS, "12", *EMA, "--ckpt_path", "last")
    assert_same_weights(tmp_path / "whole", tmp_path / "broken")


def test_a_run_told_to_go_on_where_nothing_is_starts_from_zero(tmp_path):
    fit(tmp_path / "run", "--trainer.max_steps", "1", "--ckpt_path", "last")
    assert weights(tmp_path / "run")


def test_the_newest_state_is_kept_beside_the_checkpoints_of_a_user(tmp_path, capsys):
    own = ["--trainer.callbacks+", "ModelCheckpoint", "--trainer.callbacks.dirpath",
           str(tmp_path / "checkpoints"), "--trainer.callbacks.filename", "best"]  # fmt: skip
    fit(tmp_path, "--trainer.max_steps", "9", *own)
    assert {path.name for path in tmp_path.glob("checkpoints/*")} == {"best.ckpt", "last.ckpt"}

    last(tmp_path).unlink()
    with pytest.raises(SystemExit) as stopped:
        fit(tmp_path, "--trainer.max_steps", "9", "--ckpt_path", "last")
    assert stopped.value.code == 2
    assert "no last.ckpt, but checkpoints/best.ckpt; name one" in capsys.readouterr().err


def test_the_folder_of_a_run_can_be_resumed_and_a_stage_file_can_not(tmp_path, whole, capsys):
    fit(tmp_path, *STEPS, "21", "--ckpt_path", str(whole))
    assert torch.load(last(tmp_path), weights_only=True)["global_step"] == 21
    for given, advice in [
        (whole / "toy.safetensors", "is a stage file: it holds weights, but neither optimizer"),
        (tmp_path / "nowhere.ckpt", "there is no stage file"),
    ]:
        with pytest.raises(SystemExit):
            fit(tmp_path / "third", "--ckpt_path", str(given))
        assert advice in capsys.readouterr().err


def test_the_stored_settings_win_and_those_they_beat_are_named_once(tmp_path, caplog):
    options = ["--model.config.deep.width"]
    fit(tmp_path / "run", "--trainer.max_steps", "1", *options, "5", "--seed_everything", "7")
    fit(tmp_path / "run", "--trainer.max_steps", "2", *options, "9", "--ckpt_path", "last")
    assert weights(tmp_path / "run")["net.0.weight"].shape == (5, 4)
    (said,) = [r.message for r in caplog.records if "beats this command" in r.message]
    assert "model.config.deep.width = 5 (not 9)" in said
    assert "seed_everything = 7 (not 0)" in said
    assert "optim" not in said
    assert "width: 5" in (tmp_path / "run" / "config.yaml").read_text()


def test_a_checkpoint_of_another_system_is_refused_by_name(tmp_path, whole, capsys):
    for option in ("--ckpt_path", "--init_from"):
        with pytest.raises(SystemExit) as stopped:
            fit(tmp_path, *STEPS[-1:], "21", option, str(last(whole)), system="linear")
        assert stopped.value.code == 2
        error = capsys.readouterr().err
        assert "'deep'" in error
        assert "'linear'" in error


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("system", "a", "b"),
        ("face_model", "builtin@00000000", "bfm09@11111111"),
        ("audio", {"name": "mel"}, {"name": "hubert"}),
        ("layout", "mp478", "talk131"),
    ],
)
def test_weights_made_for_something_else_are_refused_by_its_name(field, one, other):
    def header(value) -> StageHeader:
        return StageHeader(stage="toy", **{field: value})

    with pytest.raises(ValueError, match=f"file was made for {field} .*set up for"):
        check_fits(header(one), header(other), "file")
    check_fits(header(one), header(one), "file")
    check_fits(StageHeader(stage="toy"), header(other), "file")


def test_weights_that_heard_with_the_same_speech_model_elsewhere_are_taken():
    def header(path: str, fingerprint: str | None) -> StageHeader:
        audio = {"kind": "hubert", "path": path, "fingerprint": fingerprint}
        return StageHeader(stage="toy", audio=audio)

    check_fits(header("a", "1234"), header("b", "1234"), "file")
    check_fits(header("a", "1234"), header("a", None), "file")
    with pytest.raises(ValueError, match=r"file was made for audio .*'1234'.* set up for .*'5678'"):
        check_fits(header("a", "1234"), header("a", "5678"), "file")


def test_a_job_that_slurm_requeues_goes_on_by_itself(tmp_path, whole, monkeypatch):
    # The command is the one that started the run, with --overwrite and weights to start from.
    command = [*STEPS, "20", "--overwrite", "true", "--init_from", str(whole / "toy.safetensors")]
    fit(tmp_path, *STEPS, "5")
    # Slurm's own checkpoint is newer here.
    shutil.move(last(tmp_path), tmp_path / "hpc_ckpt_1.ckpt")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    fit(tmp_path, *command)
    assert_same_weights(whole, tmp_path)
