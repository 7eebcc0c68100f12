"""The one interface of all autoencoders."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, VQModel

from tests.render.autoencoder.small import NETS, SIZE, make_batch
from viseme_render.autoencoder.config import AutoencoderConfig
from viseme_render.autoencoder.net import Autoencoder

KINDS = [*NETS, "pixel"]


def make(kind: str, **more) -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(AutoencoderConfig(**{**NETS.get(kind, {"kind": kind}), **more})).eval()


@pytest.fixture
def frames() -> torch.Tensor:
    return make_batch().frames_BT3HW[0]


@pytest.mark.parametrize("kind", KINDS)
def test_latents_are_a_fourth_as_large_and_come_back_as_pictures(kind, frames):
    autoencoder = make(kind)
    latents = autoencoder.encode(frames)
    assert autoencoder.factor == 4
    assert latents.shape == (3, autoencoder.channels, SIZE // 4, SIZE // 4)
    other = latents if autoencoder.config.sees_reference else None
    assert autoencoder.decode(latents, other).shape == frames.shape


def test_packed_pixels_come_back_bit_for_bit(frames):
    autoencoder = make("pixel")
    assert torch.equal(autoencoder.decode(autoencoder.encode(frames)), frames)
    assert list(autoencoder.parameters()) == []


def test_latents_of_a_gaussian_are_its_mode_times_the_scale(frames):
    autoencoder = make("kl", scale_factor=0.25)
    net = autoencoder.net
    assert isinstance(net, AutoencoderKL)
    wanted = net.encode(frames).latent_dist.mean * 0.25  # type: ignore[union-attr]
    torch.testing.assert_close(autoencoder.encode(frames), wanted)
    made = net.decode(wanted / 0.25).sample  # type: ignore[union-attr]
    torch.testing.assert_close(autoencoder.decode(wanted), made)


def test_codes_are_looked_up_when_decoding(frames):
    autoencoder = make("vq", scale_factor=2.0)
    net = autoencoder.net
    assert isinstance(net, VQModel)
    wanted = net.encode(frames).latents * 2.0  # type: ignore[union-attr]
    torch.testing.assert_close(autoencoder.encode(frames), wanted)
    torch.testing.assert_close(autoencoder.decode(wanted), net.decode(wanted / 2.0).sample)  # type: ignore[union-attr]
    # Another latent near the same code is the same picture.
    away = (wanted[0, :, 0, 0] / 2 - net.quantize.embedding.weight).norm(dim=1).sort()
    nudged = wanted.clone()
    nudged[0, :, 0, 0] += (away.values[1] - away.values[0]).detach() / 4
    torch.testing.assert_close(autoencoder.decode(nudged), autoencoder.decode(wanted))
    nudged[0, :, 0, 0] = 2 * net.quantize.embedding.weight[away.indices[1]]
    assert (autoencoder.decode(nudged) - autoencoder.decode(wanted)).abs().max() > 1e-4


def test_the_scale_makes_latents_deviate_by_one_and_pictures_do_not_see_it(frames):
    autoencoder = make("kl")
    before = autoencoder.decode(autoencoder.encode(frames))
    raw = autoencoder.raw_latents(frames).detach()
    autoencoder.set_scale(float(np.std(raw.numpy())))
    latents = autoencoder.encode(frames).detach()
    assert float(latents.numpy().std()) == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(autoencoder.decode(latents), before, rtol=1e-4, atol=1e-5)


def test_the_scale_is_saved_with_the_weights():
    autoencoder = make("kl")
    autoencoder.set_scale(4.0)
    other = make("kl")
    other.load_state_dict(autoencoder.state_dict())
    assert float(other.scale_factor) == 0.25


def test_a_reference_reaches_the_picture_and_is_asked_for(frames):
    autoencoder = make("kl that sees a reference")
    latents = autoencoder.encode(frames)
    own, other = (
        autoencoder.decode(latents, latents),
        autoencoder.decode(latents, latents.roll(1, 0)),
    )
    assert (own - other).abs().max() > 1e-3
    with pytest.raises(ValueError, match="sees a reference"):
        autoencoder.decode(latents)
    plain = make("kl")
    with pytest.raises(ValueError, match="sees no reference"):
        plain.decode(latents, latents)


def test_with_a_shortcut_the_untrained_are_mean_colours_made_large(frames):
    autoencoder = make("kl", shortcut=True)
    means = frames.unflatten(3, (4, 4)).unflatten(2, (4, 4)).mean((3, 5))
    raw = autoencoder.raw_latents(frames)
    torch.testing.assert_close(raw[:, :3], means)
    assert raw[:, 3:].abs().max() > 0
    made = autoencoder.decode(autoencoder.encode(frames))
    # Between the middles of two places lie their colours in equal steps: 1/8, 3/8, 5/8, 7/8.
    torch.testing.assert_close(made[:, :, :2, :2], means[:, :, :1, :1].expand(-1, -1, 2, 2))
    steps = torch.tensor([0.125, 0.375, 0.625, 0.875])
    between = means[:, :, 0, :1] + steps * (means[:, :, 0, 1:2] - means[:, :, 0, :1])
    torch.testing.assert_close(made[:, :, 0, 2:6], between)
    # Noise of a training step must not drown them.
    assert autoencoder.posterior(frames).std.max() < 0.1


def test_the_name_tells_weights_apart():
    one, two = make("kl"), make("kl")
    assert one.name == two.name
    with torch.no_grad():
        two.get_parameter("net.decoder.conv_out.bias")[0] += 1e-6
    assert one.name != two.name
    two.load_state_dict(one.state_dict())
    two.set_scale(2.0)
    assert one.name != two.name


def test_gradients_flow_through_both_ways(frames):
    autoencoder = make("kl").requires_grad_(False)
    given = frames.clone().requires_grad_()
    autoencoder.decode(autoencoder.encode(given)).sum().backward()
    assert given.grad is not None
    assert given.grad.abs().max() > 0


@pytest.mark.parametrize("kind", ["kl", "vq", "pixel"])
def test_pictures_that_do_not_divide_are_refused(kind):
    with pytest.raises(ValueError, match="multiples of 4, got 18 x 16"):
        make(kind).encode(torch.zeros(1, 3, 18, 16))
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\)"):
        make(kind).encode(torch.zeros(1, 1, 16, 16))


@pytest.mark.parametrize("deviation", [0.0, float("nan"), float("inf"), -1.0])
def test_a_deviation_that_is_none_is_refused(deviation):
    with pytest.raises(ValueError, match="must deviate"):
        make("kl").set_scale(deviation)
