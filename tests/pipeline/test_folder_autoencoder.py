from pathlib import Path

import pytest
import torch

from tests.pipeline.dubbing_small import save_landmarks_stage, save_render_stage
from tests.render.autoencoder.small import NETS
from viseme_core.checkpoint import load_stage
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.folder import StageFiles
from viseme_pipeline.landmark_drive import LandmarkDrive
from viseme_render.autoencoder.config import AutoencoderConfig
from viseme_render.autoencoder.net import Autoencoder
from viseme_render.autoencoder.saving import save_autoencoder


@pytest.fixture
def drawn_through(tmp_path: Path) -> StageFiles:
    """Return a pair whose renderer draws through an autoencoder of its own."""
    torch.manual_seed(3)
    config = AutoencoderConfig(**{**NETS["kl"], "scale_factor": 0.5})
    save_autoencoder(Autoencoder(config), tmp_path / "deep" / "latents.safetensors")
    (tmp_path / "pair").mkdir()
    return StageFiles(
        landmarks=save_landmarks_stage(tmp_path / "pair"),
        renderer=save_render_stage(
            tmp_path / "pair", autoencoder=str(tmp_path / "deep" / "latents.safetensors")
        ),
    )


def name_of(chain: TalkingFace) -> str:
    assert isinstance(chain.drive, LandmarkDrive)
    return chain.drive.renderer.model.autoencoder_name


@pytest.mark.parametrize("half", [False, True])
def test_a_pair_takes_its_autoencoder_along_and_forgets_where_it_lay(tmp_path, drawn_through, half):
    chain = TalkingFace.from_stages(drawn_through, device="cpu")
    chain.save_pretrained(tmp_path / "saved", half=half)
    (tmp_path / "deep").rename(tmp_path / "elsewhere")
    again = TalkingFace.from_pretrained(tmp_path / "saved", device="cpu")
    assert name_of(again) == name_of(chain) != "autoencoder@"
    for file in (tmp_path / "saved").iterdir():
        assert str(tmp_path).encode() not in file.read_bytes()
    # A folder can be made of a folder.
    again.save_pretrained(tmp_path / "twice")
    assert name_of(TalkingFace.from_pretrained(tmp_path / "twice", device="cpu")) == name_of(chain)


def test_an_autoencoder_that_was_moved_can_be_named(tmp_path, drawn_through):
    (tmp_path / "deep").rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"no autoencoder at .*latents\.safetensors"):
        TalkingFace.from_stages(drawn_through, device="cpu")
    assert drawn_through.renderer is not None
    files = StageFiles(
        landmarks=drawn_through.landmarks,
        renderer=drawn_through.renderer,
        autoencoder=tmp_path / "elsewhere" / "latents.safetensors",
    )
    chain = TalkingFace.from_stages(files, device="cpu")
    chain.save_pretrained(tmp_path / "saved")
    stored = load_stage(tmp_path / "saved" / "renderer.safetensors").header.config
    assert stored["talkformer"]["autoencoder"] == "autoencoder.safetensors"
    assert stored["talkformer"]["autoencoder_name"] == name_of(chain)


def test_the_scale_that_a_renderer_says_is_its_autoencoders_from_then_on(tmp_path, drawn_through):
    # Files of others do not say theirs: a renderer that was trained with one does.
    latents = tmp_path / "deep" / "latents.safetensors"
    save_render_stage(tmp_path / "pair", autoencoder=str(latents), autoencoder_scale=0.125)
    TalkingFace.from_stages(drawn_through, device="cpu").save_pretrained(tmp_path / "saved")
    taken = Autoencoder.from_checkpoint(tmp_path / "saved" / "autoencoder.safetensors")
    assert float(taken.scale_factor) == 0.125


def test_pixels_need_no_file(tmp_path, dubber):
    dubber.save_pretrained(tmp_path / "saved")
    names = {file.name for file in (tmp_path / "saved").iterdir()}
    assert names == {"landmarks.safetensors", "renderer.safetensors", "viseme.json"}
