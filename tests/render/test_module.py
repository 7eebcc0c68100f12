"""Training from the command line on a handful of small clips."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.render.runs import run, start
from tests.render.speakers import SIZE, make_folder
from viseme_core.checkpoint import load_stage
from viseme_core.train.optim import OptimConfig
from viseme_data.pictures import CropVideo
from viseme_face import MorphableModel
from viseme_render import FrameRenderer, PIRenderer
from viseme_render.build import load_pirender
from viseme_render.config import RenderConfig
from viseme_render.datamodule import RenderDataModule, with_pictures
from viseme_render.module import RenderModule
from viseme_render.pirender.regions import face_mask

# Lightning warns of its own deprecations and advises on loaders and loggers.
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("people") / "clips")


@pytest.fixture(scope="module")
def trained(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two steps of warping and two of both networks."""
    run_dir = tmp_path_factory.mktemp("trained")
    run("fit", people, run_dir, "--trainer.max_steps", "4")
    return run_dir


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return load_stage(run_dir, stage="render").tensors


def assert_same(one: Path, two: Path, tolerance: float = 0.0) -> None:
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=tolerance)


@pytest.mark.parametrize("halfway", ["1", "3"], ids=["while warping", "later"])
def test_four_steps_are_some_and_the_rest_bit_for_bit(people, trained, tmp_path, halfway):
    run("fit", people, tmp_path, "--trainer.max_steps", halfway)
    before = weights(tmp_path)
    run("fit", people, tmp_path, "--trainer.max_steps", "4", "--ckpt_path", "last")
    assert_same(trained, tmp_path)
    assert any(not torch.equal(value, before[name]) for name, value in weights(tmp_path).items())


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(people, tmp_path):
    # Sums of float64 in another order, four steps long, two of either phase.
    # Biases before a normalisation have no gradient but what rounding leaves, which Adam would
    # blow up by dividing it by its own size.
    common = ["--trainer.precision", "64-true", "--trainer.max_steps", "4"]
    common += ["--model.optim.eps", "1e-4"]
    run("fit", people, tmp_path / "one", *common)
    two = ["--data.config.batch_size", "2", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    said = start(people, tmp_path / "two", *common, *two)
    assert "x2 processes" in said
    assert_same(tmp_path / "one", tmp_path / "two", 1e-10)


def test_the_file_of_a_run_becomes_a_renderer_with_the_datas_scale(people, trained):
    renderer = FrameRenderer.from_checkpoint(trained, device="cpu")
    assert isinstance(renderer, PIRenderer)
    assert renderer.face_model == MorphableModel.builtin().name
    saved = weights(trained)
    assert all(torch.equal(v, saved[k]) for k, v in renderer.model.state_dict().items())
    mean, _ = _data(people).moments()
    torch.testing.assert_close(renderer.model.scale.mean, mean)
    # A checkpoint of Lightning's says the same.
    model, _ = load_pirender(trained / "checkpoints" / "last.ckpt")
    assert all(torch.equal(v, saved[k]) for k, v in model.state_dict().items())


def test_validation_measures_faces_in_decibels(people, trained):
    cli = run(
        "validate", people, trained, "--ckpt_path", "last", "--trainer.limit_val_batches", "1.0"
    )
    found = {name: float(value) for name, value in cli.trainer.callback_metrics.items()}
    model, _ = load_pirender(trained)
    expected: dict[str, list[np.ndarray]] = {"face": [], "face_copy": [], "face_warped": []}
    for raw in _data(people).val_dataloader():
        batch = with_pictures(raw, 32)
        with torch.no_grad():
            made = model.render(batch)
        true = batch.frames_BT3HW.flatten(0, 1)
        mask = face_mask(batch.landmarks_BTK2.flatten(0, 1), 32).bool()
        copied = batch.reference_B3HW.repeat_interleave(batch.frames_BT3HW.shape[1], 0)
        for name, pictures in (
            ("face", made.picture_B3HW),
            ("face_copy", copied),
            ("face_warped", made.warped_B3HW),
        ):
            for one, other, inside in zip(pictures, true, mask, strict=True):
                wrong = (one.clamp(-1, 1) - other)[:, inside].square().mean()
                expected[name].append(10 * np.log10(4 / float(wrong)))
    for name, values in expected.items():
        assert found[f"val/psnr_{name}"] == pytest.approx(np.mean(values), abs=1e-3)
    assert found["val/loss"] > 0


def test_validation_shows_portrait_warped_finished_and_true(people, trained):
    module = RenderModule(_config(trained))
    module.model.load_state_dict(weights(trained))
    batch = with_pictures(next(iter(_data(people).val_dataloader())), 32)
    (picture,) = module.samples(batch).values()
    rows = len(batch.index_B)
    assert picture.shape == (3, 32 * rows, 4 * 32)
    torch.testing.assert_close(picture[:, :32, :32], batch.reference_B3HW[0])
    away = (batch.landmarks_BTK2[0] - batch.own_landmarks_BK2[0]).abs().mean((1, 2))
    torch.testing.assert_close(picture[:, :32, 96:], batch.frames_BT3HW[0, int(away.argmax())])


def test_test_writes_scores_and_predict_writes_films(people, trained, monkeypatch):
    found = iter(torch.rand(100, 6, 478, 2, generator=torch.Generator().manual_seed(0)))
    monkeypatch.setattr(RenderDataModule, "found_points", lambda *given: next(found))
    run("test", people, trained, "--ckpt_path", "last")
    found = json.loads((trained / "test.json").read_text())
    names = {"psnr_face", "lip_correlation", "lip_correlation_true", "lip_spread"}
    assert {f"test/{name}" for name in names} <= set(found)
    run("predict", people, trained, "--ckpt_path", "last")
    films = sorted((trained / "films").glob("*.mp4"))
    assert len(films) == 4
    pictures = CropVideo(films[0]).read(range(6))
    assert pictures.shape == (6, 3, 32, 128)


def test_data_of_another_face_model_are_refused(people, tmp_path, monkeypatch, capsys):
    source = RenderDataModule.source

    def prepared_otherwise(self, split):
        found = source(self, split)
        found.face_model = "bfm09@11111111"
        return found

    monkeypatch.setattr(RenderDataModule, "source", prepared_otherwise)
    with pytest.raises(SystemExit):
        run("fit", people, tmp_path, "--trainer.max_steps", "1")
    assert "prepared with face model 'bfm09@11111111'" in capsys.readouterr().err


def test_weight_decay_while_a_network_waits_is_refused():
    with pytest.raises(ValueError, match="would shrink the editing network while it waits"):
        RenderModule(RenderConfig(system="pirender"), OptimConfig(weight_decay=0.1))


def test_a_feature_network_whose_weights_are_absent_ends_with_a_sentence(
    people, tmp_path, capsys, monkeypatch
):
    monkeypatch.delenv("VISEME_WEIGHTS", raising=False)
    with pytest.raises(SystemExit):
        run("fit", people, tmp_path, "--model.config.pirender.loss.features", "vgg19")
    assert "vgg19-dcbb9e9d.pth" in capsys.readouterr().err


def test_pictures_of_any_size_are_brought_to_the_models(trained):
    assert SIZE == 64
    assert load_pirender(trained)[0].config.net.size == 32


def _data(people: Path) -> RenderDataModule:
    from viseme_render.datamodule import RenderDataConfig

    config = RenderDataConfig(path=str(people), num_workers=0, evaluation_frames=6, batch_size=4)
    return RenderDataModule(config)


def _config(run_dir: Path) -> RenderConfig:
    from viseme_core.config import from_plain

    plain = {**load_stage(run_dir, stage="render").header.config, "face_model": "builtin"}
    return from_plain(RenderConfig, plain)
