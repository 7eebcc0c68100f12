import torch

from tests.render.autoencoder.small import NETS
from tests.render.talkformer.small import make_model
from viseme_core.checkpoint import StageHeader, save_stage
from viseme_core.config import to_plain
from viseme_render.autoencoder.config import AutoencoderConfig
from viseme_render.autoencoder.net import Autoencoder
from viseme_render.autoencoder.saving import save_autoencoder
from viseme_render.talkformer.build import autoencoder_of, load_talkformer


def test_an_autoencoder_that_lies_beside_its_renderer_is_found(tmp_path):
    torch.manual_seed(0)
    first = tmp_path / "training" / "latents.safetensors"
    save_autoencoder(Autoencoder(AutoencoderConfig(**NETS["kl"])), first)
    model = make_model(autoencoder=str(first))
    plain = {"system": "talkformer", "talkformer": to_plain(model.config), "face_model": "builtin"}
    plain["talkformer"]["autoencoder_name"] = model.autoencoder_name
    header = StageHeader(stage="render", system="talkformer", config=plain, layout="talk131")
    path = tmp_path / "shipped" / "render.safetensors"
    save_stage(path, model.state_dict(), header)
    # Where it lay in training counts, as long as it lies there.
    assert autoencoder_of(str(first), path) == str(first)
    first.rename(path.parent / first.name)
    assert load_talkformer(path.parent).autoencoder_name == model.autoencoder_name
    assert autoencoder_of("pixel", path) == "pixel"
    assert autoencoder_of("gone.safetensors", path) == "gone.safetensors"


def test_a_name_without_a_folder_is_what_lies_beside_the_renderer(tmp_path, monkeypatch):
    name = "autoencoder.safetensors"
    for folder in ("shipped", "here"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).touch()
    monkeypatch.chdir(tmp_path / "here")
    shipped = tmp_path / "shipped" / "render.safetensors"
    assert autoencoder_of(name, shipped) == str(shipped.with_name(name))
    assert autoencoder_of(name, tmp_path / "render.safetensors") == name
