from pathlib import Path
from typing import Any

import pytest
import torch

from tests.render.talkformer.small import SIZE, Spy, draws_of, make_batch, make_config
from viseme_core.checkpoint import StageHeader, save_stage
from viseme_core.config import to_plain
from viseme_render.autoencoder.config import AutoencoderConfig
from viseme_render.autoencoder.net import Autoencoder
from viseme_render.talkformer.framing import framed
from viseme_render.talkformer.latents import open_autoencoder
from viseme_render.talkformer.model import TalkFormerModel

ROWS = SIZE // 8
"""Rows of half a latent."""


def model_of(autoencoder: Autoencoder, **options: Any) -> Any:
    """A model on the latents of an autoencoder, to which tests do what they like."""
    return TalkFormerModel(make_config(**options), autoencoder)


def leaky() -> Autoencoder:
    """A small autoencoder with weights, whose convolutions look across the middle."""
    torch.manual_seed(4)
    config = AutoencoderConfig(channels=4, widths=(8, 8, 8), blocks=1, norm_groups=4)
    autoencoder = Autoencoder(config).eval()
    autoencoder.set_scale(0.5)
    return autoencoder


def test_the_upper_half_is_taken_from_the_masked_picture_if_it_shall_be():
    seen = []
    for mask_in_training in (False, True):
        model = model_of(leaky(), mask_in_training=mask_in_training)
        model.net = spy = Spy(model.net)
        batch = make_batch()
        model.loss(batch, draws_of(batch))
        seen.append(spy.seen[0])
    frames = framed(batch.frames_BT3HW, SIZE, model.config.zoom)
    masked = torch.cat(
        [frames[..., : SIZE // 2, :], -torch.ones_like(frames[..., SIZE // 2 :, :])], -2
    )
    autoencoder = leaky()
    with torch.no_grad():
        for found, pictures in zip(seen, (frames, masked), strict=True):
            upper = autoencoder.encode(pictures.flatten(0, 1))[..., :ROWS, :]
            torch.testing.assert_close(found[..., :ROWS, :].flatten(0, 1), upper)
    assert not torch.allclose(seen[0][..., :ROWS, :], seen[1][..., :ROWS, :])


def test_the_autoencoder_is_frozen_and_no_part_of_the_weights():
    autoencoder = leaky()
    model, batch = TalkFormerModel(make_config(), autoencoder), make_batch()
    assert all(name.startswith("net.") for name in model.state_dict())
    before = {name: value.clone() for name, value in autoencoder.state_dict().items()}
    model.loss(batch, draws_of(batch))["loss"].backward()
    assert all(p.grad is None and not p.requires_grad for p in autoencoder.parameters())
    assert all(torch.equal(v, before[k]) for k, v in autoencoder.state_dict().items())


def test_another_autoencoder_than_that_of_the_training_is_refused():
    name = leaky().name
    TalkFormerModel(make_config(autoencoder_name=name), leaky())
    with pytest.raises(ValueError, match=f"trained on latents of '{name}', and 'pixel' is"):
        TalkFormerModel(make_config(autoencoder_name=name))


def test_autoencoders_of_another_factor_are_refused():
    config = AutoencoderConfig(channels=4, widths=(8, 8), blocks=1, norm_groups=4)
    with pytest.raises(ValueError, match="must be of factor 4, got one of 2"):
        TalkFormerModel(make_config(), Autoencoder(config))


def test_packed_pixels_lose_nothing():
    autoencoder = open_autoencoder("pixel")
    frames = torch.rand(2, 3, 16, 16) * 2 - 1
    latents = autoencoder.encode(frames)
    assert latents.shape == (2, 48, 4, 4)
    assert torch.equal(autoencoder.decode(latents), frames)


def written(path: Path, autoencoder: Autoencoder, *, says_scale: bool = True) -> str:
    """The path of a stage file with an autoencoder's weights."""
    tensors = {f"autoencoder.{key}": value for key, value in autoencoder.state_dict().items()}
    if not says_scale:
        del tensors["autoencoder.scale_factor"]
    config = {"net": to_plain(autoencoder.config)}
    header = StageHeader(stage="autoencoder", system=autoencoder.config.kind, config=config)
    save_stage(path, tensors, header)
    return str(path)


def test_a_file_of_weights_is_opened(tmp_path):
    autoencoder = leaky()
    path = written(tmp_path / "autoencoder.safetensors", autoencoder)
    model = TalkFormerModel(make_config(autoencoder=path))
    assert model.autoencoder_name == autoencoder.name
    frames = torch.rand(1, 2, 3, SIZE, SIZE)
    with torch.no_grad():
        expected = autoencoder.encode(frames[0])
    torch.testing.assert_close(model.encode(frames)[0], expected)


def test_a_file_that_does_not_say_its_scale_is_told_it_by_the_config(tmp_path):
    autoencoder = leaky()
    path = written(tmp_path / "autoencoder.safetensors", autoencoder, says_scale=False)
    with pytest.raises(ValueError, match="scale_factor"):
        TalkFormerModel(make_config(autoencoder=path))
    frames = torch.rand(1, 3, SIZE, SIZE)
    with torch.no_grad():
        raw = autoencoder.raw_latents(frames)
    model = TalkFormerModel(make_config(autoencoder=path, autoencoder_scale=0.25))
    torch.testing.assert_close(model.encode(frames), 0.25 * raw)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        TalkFormerModel(make_config(autoencoder=str(tmp_path / "nowhere.safetensors")))
