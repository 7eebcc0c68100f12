"""Joint training from the command line: resumed, killed, on two processes, from trained stages."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.pipeline.joint_runs import popen, run, start
from tests.render.speakers import make_folder
from viseme_core.checkpoint import load_stage, save_stage
from viseme_core.draws import Draws
from viseme_core.train.loader import EVALUATION
from viseme_face.layouts import TALK131
from viseme_landmarks import LandmarkCompleter
from viseme_landmarks.build import load_model
from viseme_pipeline.datamodule import JointDataConfig, JointDataModule
from viseme_pipeline.joint import build_joint
from viseme_render.talkformer.renderer import TalkFormerRenderer

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)

STAGES = ("landmarks", "render")
AVERAGED = """
trainer:
  callbacks:
    - class_path: lightning.pytorch.callbacks.EMAWeightAveraging
      init_args: {decay: 0.5, use_buffers: false}
"""


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed: None) -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def _one_thread_for_shared_runs() -> None:
    """Runs that several tests share begin before the fixtures of any of them."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("people") / "clips")


@pytest.fixture(scope="module")
def averaged(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    path = tmp_path_factory.mktemp("config") / "averaged.yaml"
    path.write_text(AVERAGED)
    return ["--config", str(path)]


@pytest.fixture(scope="module")
def trained(people: Path, averaged, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of four steps with averaged weights."""
    run_dir = tmp_path_factory.mktemp("trained")
    run("fit", people, run_dir, *averaged, "--trainer.max_steps", "4")
    return run_dir


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return {
        f"{stage}.{name}": value
        for stage in STAGES
        for name, value in load_stage(run_dir, stage=stage).tensors.items()
    }


def assert_same(one: Path, two: Path, tolerance: float = 0.0) -> None:
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=tolerance)


def test_four_steps_are_two_and_two_bit_for_bit(people, averaged, trained, tmp_path):
    run("fit", people, tmp_path, *averaged, "--trainer.max_steps", "2")
    before = weights(tmp_path)
    run("fit", people, tmp_path, *averaged, "--trainer.max_steps", "4", "--ckpt_path", "last")
    assert_same(trained, tmp_path)
    moved = {
        name for name, value in weights(tmp_path).items() if not torch.equal(value, before[name])
    }
    assert {name.partition(".")[0] for name in moved} == set(STAGES)


def test_the_files_of_a_run_are_those_of_its_stages(trained):
    completer = LandmarkCompleter.from_checkpoint(trained)
    renderer = TalkFormerRenderer.from_checkpoint(trained, device="cpu")
    saved = weights(trained)
    for stage, model in (("landmarks", completer._model), ("render", renderer.model)):
        for name, value in model.state_dict().items():
            assert torch.equal(value, saved[f"{stage}.{name}"])
    # Lightning's checkpoint is of the pair, and is not taken for either.
    with pytest.raises(ValueError, match="holds stage 'joint', expected 'landmarks'"):
        load_model(trained / "checkpoints" / "last.ckpt")


def test_the_landmarks_know_the_mean_face_of_the_data(people, trained):
    scale = load_model(trained).scale
    data = JointDataModule(JointDataConfig(path=str(people), num_workers=0))
    points = []
    source = data.source("train")
    for number, segment in enumerate(source.segments):
        read = source.open(number).read(["landmarks"], segment.start, segment.stop)
        points.append(read["landmarks"][..., :2])
    mean = torch.cat(points).mean(0)
    torch.testing.assert_close(scale.mean_K2, mean[list(TALK131)], rtol=0, atol=1e-5)


def test_validation_is_the_mean_over_all_samples(people, trained):
    more = ["--ckpt_path", "last", "--trainer.limit_val_batches", "1.0"]
    cli = run("validate", people, trained, *more)
    found = {name: float(value) for name, value in cli.trainer.callback_metrics.items()}
    model = build_joint(cli.model.config)
    saved = weights(trained)
    for stage, part in zip(STAGES, (model.driving, model.renderer), strict=True):
        state = {n.partition(".")[2]: v for n, v in saved.items() if n.startswith(stage)}
        part.load_state_dict(state)  # type: ignore[attr-defined]
    data = cli.datamodule
    total, count = 0.0, 0
    with torch.no_grad():
        for raw in data.val_dataloader():
            batch = data.on_after_batch_transfer(raw, 0)
            index = batch.landmark.index_B
            losses = model.eval().loss(batch, Draws(0, EVALUATION, index))
            total += float(losses["loss"]) * len(index)
            count += len(index)
    assert found["val/loss"] == pytest.approx(total / count, rel=1e-4)
    assert {"val/picture", "val/landmark", "val/lip_distance", "val/jaw_distance"} <= found.keys()


def test_a_run_starts_from_stages_that_were_trained_alone(people, trained, tmp_path):
    rest = ["--model.optim.lr", "1e-12", "--trainer.max_steps", "1"]
    given = ["--landmarks_from", str(trained), "--render_from", str(trained / "render.safetensors")]
    run("fit", people, tmp_path / "both", *rest, *given)
    assert_same(trained, tmp_path / "both", 1e-9)
    run("fit", people, tmp_path / "one", *rest, *given[:2])
    old, new = weights(trained), weights(tmp_path / "one")
    for name, value in new.items():
        is_taken = name.startswith("landmarks")
        same = torch.allclose(value, old[name], rtol=0, atol=1e-9)
        assert same or not is_taken
    assert any(not torch.allclose(v, old[n], atol=1e-6) for n, v in new.items())


def test_weights_of_another_stage_or_autoencoder_are_refused(people, trained, tmp_path, capsys):
    def refused(*given: str) -> str:
        with pytest.raises(SystemExit):
            run("fit", people, tmp_path / "run", "--trainer.max_steps", "1", *given)
        return capsys.readouterr().err

    wrong = str(trained / "render.safetensors")
    assert "holds stage 'render', expected 'landmarks'" in refused("--landmarks_from", wrong)
    found = load_stage(wrong)
    plain = dict(found.header.config)
    plain["talkformer"] = plain["talkformer"] | {"autoencoder_name": "autoencoder@01234567"}
    other = tmp_path / "other.safetensors"
    save_stage(other, found.tensors, replace(found.header, config=plain))
    assert "autoencoder@01234567" in refused("--render_from", str(other))


def test_each_stage_learns_at_its_own_rate(people, trained, tmp_path):
    given = ["--landmarks_from", str(trained), "--render_from", str(trained)]
    rates = ["--model.optim.group_lr", "{landmarks: 1e-12}", "--trainer.max_steps", "2"]
    run("fit", people, tmp_path, *given, *rates)
    old, new = weights(trained), weights(tmp_path)
    moved = {n for n, v in new.items() if not torch.allclose(v, old[n], rtol=0, atol=1e-7)}
    assert moved
    assert all(name.startswith("render") for name in moved)


def test_half_precision_and_recomputed_activations_train_too(people, tmp_path):
    more = ["--trainer.precision", "bf16-mixed", "--trainer.max_steps", "2"]
    more += ["--model.config.talkformer.net.checkpointing", "true"]
    run("fit", people, tmp_path, *more)
    assert all(value.isfinite().all() for value in weights(tmp_path).values())


@pytest.fixture(scope="module")
def exact(people: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run of one process in float64, and what it was asked for."""
    asked = ["--trainer.precision", "64-true", "--trainer.max_steps", "4"]
    run_dir = tmp_path_factory.mktemp("exact")
    run("fit", people, run_dir, *asked)
    return run_dir, asked


TWO = ["--data.config.batch_size", "2", "--trainer.devices", "2", "--trainer.strategy", "ddp"]


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(people, exact, tmp_path):
    # Sums of float64 in another order, four steps long.
    one, asked = exact
    said = start(people, tmp_path / "two", *asked, *TWO)
    assert "x2 processes" in said
    assert_same(one, tmp_path / "two", 1e-10)


@pytest.mark.slow
def test_torchrun_starts_the_same_training(people, exact, tmp_path):
    one, asked = exact
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    said = start(people, tmp_path / "two", *asked, *TWO, launcher=launcher)
    assert "x2 processes" in said
    assert_same(one, tmp_path / "two", 1e-10)


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_bit_for_bit(people, tmp_path):
    asked = ["--trainer.max_steps", "12", "--save_every", "3"]
    run("fit", people, tmp_path / "whole", *asked)
    broken = tmp_path / "broken"
    process = popen(people, broken, *asked)
    checkpoint = broken / "checkpoints" / "last.ckpt"
    for _ in range(6000):
        if checkpoint.is_file() or process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert checkpoint.is_file()
    assert not (broken / "render.safetensors").exists()
    start(people, broken, *asked, "--ckpt_path", "last")
    assert_same(tmp_path / "whole", broken)
