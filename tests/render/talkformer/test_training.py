"""Training TalkFormer from the command line on a handful of small clips."""

import json
from pathlib import Path

import pytest
import torch

from tests.render.runs import run, start
from tests.render.speakers import make_folder
from viseme_core.checkpoint import load_stage
from viseme_core.types import Landmarks, VideoClip
from viseme_data.pictures import CropVideo
from viseme_render import TalkFormerRenderer
from viseme_render.datamodule import RenderDataConfig, RenderDataModule, with_pictures
from viseme_render.talkformer.build import load_talkformer

# Lightning warns of its own deprecations and advises on loaders and loggers.
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("people") / "clips")


@pytest.fixture(scope="module")
def trained(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of four steps."""
    run_dir = tmp_path_factory.mktemp("trained")
    run("fit", people, run_dir, "--trainer.max_steps", "4", system="talkformer")
    return run_dir


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return load_stage(run_dir, stage="render", system="talkformer").tensors


def test_four_steps_are_two_and_two_more_bit_for_bit(people, trained, tmp_path):
    run("fit", people, tmp_path, "--trainer.max_steps", "2", system="talkformer")
    run(
        *("fit", people, tmp_path, "--trainer.max_steps", "4", "--ckpt_path", "last"),
        system="talkformer",
    )
    first, second = weights(trained), weights(tmp_path)
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(people, tmp_path):
    # Sums of float64 in another order, four steps long.
    common = ["--trainer.precision", "64-true", "--trainer.max_steps", "4"]
    run("fit", people, tmp_path / "one", *common, system="talkformer")
    two = ["--data.config.batch_size", "2", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    assert "x2 processes" in start(people, tmp_path / "two", *common, *two, system="talkformer")
    one, two_weights = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, value in one.items():
        torch.testing.assert_close(two_weights[name], value, rtol=0, atol=1e-10)


def test_the_file_of_a_run_says_what_drives_it_and_becomes_a_renderer(people, trained):
    header = load_stage(trained, stage="render").header
    assert (header.system, header.layout, header.face_model) == ("talkformer", "talk131", None)
    assert header.config["talkformer"]["autoencoder_name"].startswith("autoencoder@")
    assert "pirender" not in header.config
    model = load_talkformer(trained / "checkpoints" / "last.ckpt")
    saved = weights(trained)
    assert all(torch.equal(v, saved[k]) for k, v in model.state_dict().items())
    renderer = TalkFormerRenderer.from_checkpoint(trained, device="cpu")
    template = VideoClip(torch.zeros(3, 3, 64, 64))
    film = list(renderer(iter([template]), Landmarks(torch.rand(3, 131, 2), "talk131")))
    assert sum(map(len, film)) == 3


def test_validation_test_and_films(people, trained, monkeypatch):
    found = run(
        *("validate", people, trained, "--ckpt_path", "last"),
        *("--trainer.limit_val_batches", "1"),
        system="talkformer",
    ).trainer.callback_metrics
    assert {"val/loss", "val/psnr_mouth", "val/psnr_mouth_copy", "val/ssim_lower"} <= set(found)
    monkeypatch.setattr(
        RenderDataModule, "found_points", lambda self, pictures, points: torch.rand(6, 478, 2)
    )
    run("test", people, trained, "--ckpt_path", "last", system="talkformer")
    scores = json.loads((trained / "test.json").read_text())
    assert {"test/lips_missed", "test/lips_missed_copy", "test/lips_missed_true"} <= set(scores)
    run("predict", people, trained, "--ckpt_path", "last", system="talkformer")
    films = sorted((trained / "films").glob("*.mp4"))
    assert len(films) == 4
    assert CropVideo(films[0]).read(range(6)).shape == (6, 3, 32, 128)


def test_samples_of_another_system_are_refused(people, tmp_path, capsys):
    wrong = ["--data.config.samples", "scattered", "--trainer.max_steps", "1"]
    with pytest.raises(SystemExit):
        run("fit", people, tmp_path, *wrong, system="talkformer")
    assert "data.config.samples is 'scattered'; set it to 'successive'" in capsys.readouterr().err


def test_switches_of_the_system_that_was_not_chosen_are_refused(people, tmp_path, capsys):
    wrong = ["--model.config.talkformer.temp_attn", "false", "--trainer.max_steps", "1"]
    with pytest.raises(SystemExit):
        run("fit", people, tmp_path, *wrong)
    assert "model.config.talkformer.temp_attn would change nothing" in capsys.readouterr().err


def test_pictures_of_successive_samples_become_numbers_in_the_batchs_precision(people):
    config = RenderDataConfig(
        path=str(people), samples="successive", frames=2, batch_size=1, num_workers=0
    )
    raw = next(iter(RenderDataModule(config).train_dataloader()))
    assert raw.frames_BT3HW.dtype == raw.previous_B23HW.dtype == torch.uint8
    made = with_pictures(raw._replace(motion_window_BTWC=raw.motion_window_BTWC.double()))
    for name in ("frames_BT3HW", "reference_B3HW", "previous_B23HW"):
        given, found = getattr(raw, name), getattr(made, name)
        torch.testing.assert_close(found, given.double() / 127.5 - 1, atol=1e-6, rtol=0)
        assert found.dtype == torch.float64
