"""Training through the command line on half a minute of synthetic speech."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.motion.runs import fit, fit_expert, start, validate
from tests.motion.small import FACE
from viseme_core.checkpoint import load_stage
from viseme_core.types import NUM_EXPRESSION
from viseme_face.layouts import LIP
from viseme_motion.build import load_expert, load_model
from viseme_motion.datamodule import MotionDataConfig, MotionDataModule
from viseme_motion.disenttalk.model import DisentTalkModel
from viseme_motion.generation import generate_windows
from viseme_motion.module import MotionModule
from viseme_motion.motion_file import load_motion

# Lightning warns of its own deprecations and advises on loaders and loggers.
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return load_stage(run_dir, stage="motion").tensors


def assert_same(one: Path, two: Path, tolerance: float = 0.0) -> None:
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=tolerance)


@pytest.fixture(scope="module")
def trained(speakers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an FD2Talk run of four steps."""
    run_dir = tmp_path_factory.mktemp("trained")
    fit(speakers, run_dir, "fd2talk", "--trainer.max_steps", "4")
    return run_dir


@pytest.fixture(scope="module")
def expert(speakers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stage file of a lip expert of two steps."""
    run_dir = tmp_path_factory.mktemp("expert")
    return fit_expert(speakers, run_dir, "disenttalk", "--trainer.max_steps", "2")


def test_four_steps_are_two_and_two_more_bit_for_bit(speakers, trained, tmp_path):
    fit(speakers, tmp_path, "fd2talk", "--trainer.max_steps", "2")
    halfway = weights(tmp_path)
    fit(speakers, tmp_path, "fd2talk", "--trainer.max_steps", "4", "--ckpt_path", "last")
    assert_same(trained, tmp_path)
    assert not torch.equal(
        halfway["nets.pose.enter.weight"], weights(tmp_path)["nets.pose.enter.weight"]
    )


@pytest.mark.slow
def test_four_steps_with_a_lip_expert_are_two_and_two_more_bit_for_bit(speakers, expert, tmp_path):
    common = ["--model.config.disenttalk.sync", "true", "--model.config.expert", str(expert)]
    for run, steps, more in (("whole", "4", []), ("broken", "2", []), ("broken", "4", ["last"])):
        resume = ["--ckpt_path", *more] if more else []
        arguments = ["--trainer.max_steps", steps, *resume]
        fit(speakers, tmp_path / run, "disenttalk", *common, *arguments)
    assert_same(tmp_path / "whole", tmp_path / "broken")


@pytest.mark.slow
@pytest.mark.parametrize("system", ["fd2talk", "disenttalk"])
def test_two_processes_end_with_the_weights_of_one(speakers, tmp_path, system):
    # Sums of float64 in another order, four steps long.
    common = ["--trainer.precision", "64-true", "--trainer.max_steps", "4"]
    fit(speakers, tmp_path / "one", system, *common)
    two = ["--data.config.batch_size", "2", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    said = start(speakers, tmp_path / "two", system, *common, *two)
    assert "x2 processes" in said
    assert_same(tmp_path / "one", tmp_path / "two", 1e-10)


def test_scales_are_those_of_the_training_data_and_come_with_the_stage_file(speakers, trained):
    data = MotionDataModule(MotionDataConfig(path=str(speakers), num_workers=0, batch_size=1))
    source = data.source("train")
    rows: dict[str, list] = {"expression": [], "pose": [], "features.logmel": []}
    for index, segment in enumerate(source.segments):
        read = source.open(index).read(list(rows), segment.start, segment.stop)
        for name, values in rows.items():
            values.append(read[name].double().numpy())
    expected = {name: np.concatenate(values) for name, values in rows.items()}
    model, config, face_model = load_model(trained)
    assert (config.system, face_model) == ("fd2talk", FACE.name)
    for scale, values in (
        (model.motion_scale, np.concatenate([expected["expression"], expected["pose"]], 1)),
        (model.audio_scale, expected["features.logmel"]),
    ):
        assert scale.is_set
        np.testing.assert_allclose(scale.mean, values.mean(0), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(scale.std, np.maximum(values.std(0), 1e-4), rtol=1e-4)


def test_languages_that_are_left_out_have_no_say_in_the_scales(speakers):
    found = {}
    for languages in ((), ("en",), ("cmn",)):
        config = MotionDataConfig(path=str(speakers), num_workers=0, languages=languages)
        found[languages] = MotionDataModule(config).moments()["audio"].moments()[0]
    one, other, both = found["en",], found["cmn",], found[()]
    assert (one - other).abs().max() > 0.1
    assert (both >= torch.minimum(one, other) - 1e-5).all()
    assert (both <= torch.maximum(one, other) + 1e-5).all()


def test_a_stage_file_builds_its_model_and_files_of_other_stages_are_refused(trained, expert):
    model, config, _ = load_model(trained / "motion.safetensors")
    assert not model.training
    assert config.expert is None
    saved = weights(trained)
    assert all(torch.equal(value, saved[name]) for name, value in model.state_dict().items())
    with pytest.raises(ValueError, match="holds stage 'lip-expert', expected 'motion'"):
        load_model(expert)
    with pytest.raises(ValueError, match="holds stage 'motion', expected 'lip-expert'"):
        load_expert(trained, config, FACE)


def test_an_expert_of_another_system_is_refused_by_a_sentence(speakers, expert, tmp_path, capsys):
    with pytest.raises(SystemExit):
        fit(speakers, tmp_path, "fd2talk", "--model.config.fd2talk.sync", "true",
            "--model.config.expert", str(expert))  # fmt: skip
    error = capsys.readouterr().err
    assert "has system 'disenttalk', this model 'fd2talk'; train one" in error
    with pytest.raises(SystemExit):
        fit(speakers, tmp_path, "fd2talk", "--model.config.fd2talk.sync", "true")
    assert "the sync loss needs a lip expert" in capsys.readouterr().err


def test_a_sync_loss_is_trained_with_and_the_expert_stays_out_of_the_file(
    speakers, expert, tmp_path
):
    cli = fit(speakers, tmp_path, "disenttalk", "--trainer.max_steps", "1",
              "--model.config.disenttalk.sync", "true",
              "--model.config.expert", str(expert))  # fmt: skip
    found = cli.trainer.callback_metrics
    total = found["train/noise"] + 0.01 * found["train/sync"]
    torch.testing.assert_close(found["train/loss"], total)
    assert found["train/sync"] > 0
    assert not any("expert" in name for name in weights(tmp_path))
    model, _, _ = load_model(tmp_path)
    assert isinstance(model, DisentTalkModel)
    assert model.subspaces.lip == tuple(load_stage(expert, stage="lip-expert").header.config["lip"])


def test_windows_longer_than_training_samples_are_refused(speakers, tmp_path, capsys):
    with pytest.raises(SystemExit):
        fit(speakers, tmp_path, "fd2talk", "--data.config.frames", "20", "--trainer.max_steps", "1")
    error = capsys.readouterr().err
    assert "error: data.config.frames must be at least model.config.windows.length = 25" in error


def test_averaged_weights_bring_the_scales_of_the_data_along(speakers, trained, tmp_path):
    average = ["--trainer.callbacks+", "lightning.pytorch.callbacks.EMAWeightAveraging"]
    average += ["--trainer.callbacks.use_buffers", "false", "--trainer.callbacks.decay", "0.5"]
    fit(speakers, tmp_path, "fd2talk", "--trainer.max_steps", "4", *average)
    mean, last = weights(tmp_path), weights(trained)
    for scale in ("motion_scale.mean", "motion_scale.std", "audio_scale.mean", "audio_scale.std"):
        assert torch.equal(mean[scale], last[scale])
    assert not torch.equal(mean["nets.pose.enter.weight"], last["nets.pose.enter.weight"])


def test_weights_to_start_from_do_not_excuse_data_of_another_face_model(
    speakers, trained, tmp_path, monkeypatch, capsys
):
    again = ["--init_from", str(trained / "motion.safetensors"), "--trainer.max_steps", "1"]
    fit(speakers, tmp_path / "run", "fd2talk", *again)
    source = MotionDataModule.source

    def prepared_otherwise(self: MotionDataModule, split):
        found = source(self, split)
        found.face_model = "bfm09@11111111"
        return found

    monkeypatch.setattr(MotionDataModule, "source", prepared_otherwise)
    with pytest.raises(SystemExit):
        fit(speakers, tmp_path / "other", "fd2talk", *again)
    assert "prepared with face model 'bfm09@11111111'" in capsys.readouterr().err


def test_validation_measures_what_it_generates(speakers, trained):
    cli = validate(speakers, trained, "fd2talk", "--ckpt_path", "last",
                   "--trainer.limit_val_batches", "1.0", "--data.config.evaluation_frames", "40",
                   "--model.sampler", "{solver: dpm++, num_steps: 2}")  # fmt: skip
    found = {name: float(value) for name, value in cli.trainer.callback_metrics.items()}
    assert found["val/loss"] == pytest.approx(found["val/expression"] + found["val/pose"], rel=1e-5)
    module = cli.model
    assert isinstance(module, MotionModule)
    distances = []
    for batch in cli.datamodule.val_dataloader():
        start_B1C = torch.cat([batch.expression_BTC, batch.pose_BT6], -1)[:, :1]
        made_BTC = generate_windows(
            module.model,
            batch.audio_BTA,
            module.sampler,
            voices=batch.index_B.tolist(),
            start_BTC=start_B1C,
        )
        for i, mask_T in enumerate(batch.mask_BT.clone()):
            mask_T[0] = False  # the portrait, which is given
            made, true, mean = (
                FACE.landmarks(batch.identity_BI[i], expression_TC, "mp478")
                for expression_TC in (
                    made_BTC[i, mask_T, :NUM_EXPRESSION],
                    batch.expression_BTC[i, mask_T],
                    module.model.motion_scale.mean[None, :NUM_EXPRESSION],
                )
            )
            width = (mean[0, 61] - mean[0, 291]).norm()
            distances.append((made - true)[:, list(LIP)].norm(dim=-1).mean() / width)
    assert len(distances) > 4
    assert found["val/lip_distance"] == pytest.approx(float(np.mean(distances)), rel=1e-4)


def test_predicted_motion_is_written_sample_by_sample(speakers, trained, tmp_path):
    cli = validate(speakers, trained, "fd2talk", "--ckpt_path", "last",
                   "--data.config.evaluation_frames", "30",
                   "--model.sampler", "{solver: dpm++, num_steps: 2}")  # fmt: skip
    module, batch = cli.model, next(iter(cli.datamodule.val_dataloader()))
    trainer: Any = cli.trainer
    trainer._default_root_dir = str(tmp_path)
    module.predict_step(batch, 0)
    for i, index in enumerate(batch.index_B.tolist()):
        motion = load_motion(tmp_path / "motion" / f"{index:06d}.safetensors")
        assert motion.num_frames == int(batch.mask_BT[i].sum())
        assert torch.equal(motion.expression[0], batch.expression_BTC[i, 0])
        assert torch.equal(motion.identity, batch.identity_BI[i])
        assert motion.face_model == FACE.name
