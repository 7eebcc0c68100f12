"""Training through the command line on a few seconds of synthetic speech."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.landmarks.runs import run, start
from tests.landmarks.small import make_batch, make_model
from viseme_core.checkpoint import load_stage, read_header, save_stage
from viseme_landmarks import LandmarkCompleter
from viseme_landmarks.build import load_model
from viseme_landmarks.datamodule import LandmarkDataConfig, LandmarkDataModule
from viseme_landmarks.landmark_file import load_landmarks
from viseme_landmarks.module import LandmarksModule, other_clips

# Lightning warns of its own deprecations and advises on loaders and loggers.
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return load_stage(run_dir, stage="landmarks").tensors


def assert_same(one: Path, two: Path, tolerance: float = 0.0) -> None:
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=tolerance)


@pytest.fixture(scope="module")
def trained(speakers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of four steps."""
    run_dir = tmp_path_factory.mktemp("trained")
    run("fit", speakers, run_dir, "--trainer.max_steps", "4")
    return run_dir


def test_four_steps_are_two_and_two_more_bit_for_bit(speakers, trained, tmp_path):
    run("fit", speakers, tmp_path, "--trainer.max_steps", "2")
    halfway = weights(tmp_path)
    run("fit", speakers, tmp_path, "--trainer.max_steps", "4", "--ckpt_path", "last")
    assert_same(trained, tmp_path)
    assert not torch.equal(halfway["net.lip.weight"], weights(tmp_path)["net.lip.weight"])


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(speakers, tmp_path):
    # Sums of float64 in another order, four steps long.
    common = ["--trainer.precision", "64-true", "--trainer.max_steps", "4"]
    run("fit", speakers, tmp_path / "one", *common)
    two = ["--data.config.batch_size", "2", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    start(speakers, tmp_path / "two", *common, *two)
    assert_same(tmp_path / "one", tmp_path / "two", tolerance=1e-10)


@pytest.mark.slow
def test_dropout_too_is_resumed_bit_for_bit(speakers, tmp_path):
    common = ["--model.config.dropout", "0.2", "--model.config.norm", "batch"]
    for name, steps, more in (("one", "4", []), ("two", "2", []), ("two", "4", ["last"])):
        resume = ["--ckpt_path", *more] if more else []
        run("fit", speakers, tmp_path / name, *common, "--trainer.max_steps", steps, *resume)
    assert_same(tmp_path / "one", tmp_path / "two")


def test_a_stage_file_says_what_is_in_it_and_holds_the_training_datas_mean_face(speakers, trained):
    header = read_header(trained, stage="landmarks")
    assert (header.layout, header.system, header.face_model) == ("talk131", "", None)
    assert header.audio is not None
    assert header.audio["kind"] == "wav2lip_mel"
    model = load_model(trained)
    data = LandmarkDataModule(LandmarkDataConfig(path=str(speakers), num_workers=0))
    mean, spread = data.moments()
    torch.testing.assert_close(model.scale.mean_K2, mean)
    torch.testing.assert_close(model.scale.spread, spread)
    assert LandmarkCompleter.from_checkpoint(trained).config.num_references == 2


def test_weights_that_come_with_a_mean_face_keep_it(speakers, trained, tmp_path):
    start_from = tmp_path / "start"
    start_from.mkdir()
    found = load_stage(trained, stage="landmarks")
    tensors = {**found.tensors, "scale.spread": torch.tensor(0.123)}
    save_stage(start_from / "landmarks.safetensors", tensors, found.header)
    given = ["--init_from", str(start_from), "--trainer.max_steps", "1"]
    run("fit", speakers, tmp_path / "run", *given)
    assert weights(tmp_path / "run")["scale.spread"] == pytest.approx(0.123)


def test_test_writes_scores_also_of_copies_and_of_the_wrong_sound(speakers, trained, tmp_path):
    run("test", speakers, tmp_path, "--init_from", str(trained))
    found = json.loads((tmp_path / "test.json").read_text())
    for name in ("lip_distance", "jaw_distance"):
        for suffix in ("", "_copy", "_carried"):
            assert found[f"test/{name}{suffix}"] > 0
        assert found[f"test/wrong_sound_{name}"] > 0
    # The synthetic head moves: carried references fit better than copied ones.
    assert found["test/jaw_distance_carried"] < found["test/jaw_distance_copy"]
    whole = 41 * found["test/lip"] + 16 * found["test/jaw"]
    assert whole / 57 == pytest.approx(found["test/loss"], rel=1e-4)


def test_predict_writes_the_faces_of_every_test_sample(speakers, trained, tmp_path):
    run("predict", speakers, tmp_path, "--init_from", str(trained))
    data = LandmarkDataModule(
        LandmarkDataConfig(path=str(speakers), evaluation_frames=60, num_workers=0, batch_size=1)
    )
    data.config = replace(data.config, references=2)
    model = load_model(trained)
    count = 0
    for batch in data.test_dataloader():
        faces = load_landmarks(tmp_path / "landmarks" / f"{int(batch.index_B):06d}.safetensors")
        mask = batch.mask_BT[0]
        assert faces.num_frames == int(mask.sum())
        assert torch.equal(faces.points_TKD[:, 57:], batch.pose_BTK2[0, mask])
        with torch.no_grad():
            expected = model.predict(batch)[0, mask]
        torch.testing.assert_close(faces.points_TKD[:, :57], expected, rtol=0, atol=1e-5)
        count += 1
    assert count == len(list((tmp_path / "landmarks").iterdir()))


def test_validation_plots_the_first_sample(speakers):
    model = make_model()
    module = LandmarksModule(model.config)
    samples = module.samples(make_batch(2, 30))
    assert sorted(samples) == ["val/faces", "val/lips"]


def test_the_wrong_sound_is_of_another_clip_wherever_there_is_one():
    assert other_clips(["a", "a", "b", "b"]) == [2, 3, 0, 1]
    assert other_clips(["a", "a", "a", "b"]) == [3, 3, 3, 1]
    assert other_clips(["a", "a"]) == [0, 1]
    assert other_clips(["a"]) == [0]


def test_steps_of_other_numbers_of_frames_train_too(speakers, tmp_path):
    # The ablation w/o B-Sequential, and one reference: Tables III and IV.
    net = "{dim: 16, num_layers: 1, num_heads: 2, feedforward_dim: 16, num_references: 1, "
    net += "num_frames: 1}"
    run("fit", speakers, tmp_path, "--model.config", net, "--trainer.max_steps", "2")
    config = load_model(tmp_path).config
    assert (config.num_frames, config.num_references) == (1, 1)
