import pytest
import torch

from tests.render.autoencoder.small import NETS
from viseme_render.autoencoder.config import AutoencoderConfig
from viseme_render.autoencoder.net import Autoencoder
from viseme_render.autoencoder.saving import save_autoencoder


@pytest.mark.parametrize("kind", NETS)
def test_what_is_saved_comes_back_with_its_scale_and_its_name(tmp_path, kind):
    torch.manual_seed(0)
    autoencoder = Autoencoder(AutoencoderConfig(**NETS[kind]))
    # Measured after the network was made, as training does.
    autoencoder.set_scale(4.0)
    save_autoencoder(autoencoder, tmp_path / "a.safetensors")
    again = Autoencoder.from_checkpoint(tmp_path / "a.safetensors")
    assert float(again.scale_factor) == again.config.scale_factor == 0.25
    assert again.name == autoencoder.name
