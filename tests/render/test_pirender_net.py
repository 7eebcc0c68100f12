"""The networks: names and shapes of the public checkpoint, and what they compute."""

import pytest
import torch
import torch.nn.functional as F

from tests.render.pirender_small import KINDS, NET, OURS, SIZE
from viseme_render.pirender.config import PIRenderNetConfig
from viseme_render.pirender.layers import AdaptiveNorm, PictureNorm, SteeredResidual
from viseme_render.pirender.mapping import MappingNet
from viseme_render.pirender.net import PIRenderNet


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    """The state of networks of the published size."""
    with torch.device("meta"):
        return PIRenderNet(PIRenderNetConfig()).state_dict()


def norm(name: str, channels: int) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of an adaptive norm."""
    parts = (
        ("mlp_shared.0", (128, 256)),
        *((f"mlp_{x}", (channels, 128)) for x in ("gamma", "beta")),
    )
    return [
        entry
        for part, shape in parts
        for entry in ((f"{name}.{part}.weight", shape), (f"{name}.{part}.bias", shape[:1]))
    ]


def conv(name: str, *shape: int) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of a convolution; a transposed one has its output's channels second."""
    out = shape[1] if name.endswith(("T", "conv_1T", "conv_sT")) else shape[0]
    return [(f"{name.removesuffix('T')}.weight", shape), (f"{name.removesuffix('T')}.bias", (out,))]


def plain(name: str, *shape: int) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of a convolution with a norm over the picture."""
    wide = [(f"{name}.model.1.{part}", (shape[0], 1, 1)) for part in ("weight", "bias")]
    return [*conv(f"{name}.model.0", *shape), *wide]


def checkpoint_entries() -> list[tuple[str, tuple[int, ...]]]:
    """What `net_G_ema` of the public checkpoint holds, in its order, written down anew."""
    found = conv("mapping_net.first.0", 256, 73, 7)
    for i in range(3):
        found += conv(f"mapping_net.encoder{i}.1", 256, 256, 3)
    glass = "warpping_net.hourglass"
    found += conv(f"{glass}.encoder.input_layer", 32, 3, 7, 7)
    for i, (given, made) in enumerate([(32, 64), (64, 128), (128, 256), (256, 256), (256, 256)]):
        at = f"{glass}.encoder.encoder{i}"
        found += conv(f"{at}.conv_0", made, given, 4, 4) + conv(f"{at}.conv_1", made, made, 3, 3)
        found += norm(f"{at}.norm_0", given) + norm(f"{at}.norm_1", made)
    for i, given, made in ((4, 256, 256), (3, 512, 256), (2, 512, 128)):
        at = f"{glass}.decoder.decoder{i}"
        found += conv(f"{at}.conv_0", made, given, 3, 3)
        found += conv(f"{at}.conv_1T", made, made, 3, 3) + conv(f"{at}.conv_sT", given, made, 3, 3)
        found += norm(f"{at}.norm_0", given) + norm(f"{at}.norm_1", made)
        found += norm(f"{at}.norm_s", given)
    found += [
        ("warpping_net.flow_out.0.weight", (256, 1, 1)),
        ("warpping_net.flow_out.0.bias", (256, 1, 1)),
    ]
    found += conv("warpping_net.flow_out.2", 2, 256, 7, 7)
    found += plain("editing_net.encoder.first", 64, 6, 7, 7)
    for i, (given, made) in enumerate([(64, 128), (128, 256), (256, 256)]):
        found += plain(f"editing_net.encoder.down{i}", made, given, 3, 3)
    for i, given, made in ((2, 256, 256), (1, 256, 128), (0, 128, 64)):
        at = "editing_net.decoder"
        found += plain(f"{at}.up{i}", made, given, 3, 3)
        for j in range(2):
            block = f"{at}.res{i}.res{j}"
            for k in (1, 2):
                found += conv(f"{block}.conv{k}", given, given, 3, 3)
            for k in (1, 2):
                found += norm(f"{block}.norm{k}", given)
        found += plain(f"{at}.jump{i}", made, made, 3, 3)
    return found + conv("editing_net.decoder.final.model.0", 3, 64, 7, 7)


def test_names_shapes_and_order_are_those_of_the_public_checkpoint(published):
    assert [(name, tuple(value.shape)) for name, value in published.items()] == checkpoint_entries()


def test_there_are_304_entries_and_22_and_a_half_million_parameters(published):
    assert len(published) == 304
    assert sum(value.numel() for value in published.values()) == 22_519_109


def test_flow_is_64_pixels_wide_for_pictures_of_256():
    net = PIRenderNet(PIRenderNetConfig(**{**NET, "size": 256, "warp_down": 5, "warp_up": 3}))
    made = net(net.prepare(torch.zeros(1, 3, 256, 256)), torch.zeros(1, 16))
    assert made.flow_B2hw.shape == (1, 2, 64, 64)
    assert made.picture_B3HW.shape == (1, 3, 256, 256)


def test_an_adaptive_norm_is_its_formula():
    torch.manual_seed(0)
    layer = AdaptiveNorm(5, 7).double()
    x, z = torch.randn(3, 5, 6, 4).double(), torch.randn(3, 7).double()
    weight, bias = (layer.get_parameter(f"mlp_shared.0.{x}") for x in ("weight", "bias"))
    hidden = (z @ weight.T + bias).clamp(min=0)
    gamma = hidden @ layer.mlp_gamma.weight.T + layer.mlp_gamma.bias
    beta = hidden @ layer.mlp_beta.weight.T + layer.mlp_beta.bias
    for b in range(3):
        for c in range(5):
            values = x[b, c]
            spread = (((values - values.mean()) ** 2).mean() + 1e-5) ** 0.5
            expected = (values - values.mean()) / spread * (1 + gamma[b, c]) + beta[b, c]
            torch.testing.assert_close(layer(x, z)[b, c], expected)
    # One picture serves many descriptors.
    torch.testing.assert_close(layer(x[:1], z), layer(x[:1].expand(3, -1, -1, -1), z))


def test_a_norm_over_the_picture_is_its_formula():
    torch.manual_seed(0)
    layer = PictureNorm(5).double()
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 5, 6, 4).double()
    flat = x.flatten(1)
    spread = (flat.var(1, correction=0) + 1e-5).sqrt()[:, None, None, None]
    expected = (x - flat.mean(1)[:, None, None, None]) / spread * layer.weight + layer.bias
    torch.testing.assert_close(layer(x), expected)


def test_the_first_convolution_of_a_block_is_there_and_changes_nothing():
    torch.manual_seed(0)
    block = SteeredResidual(4, 6)
    x, z = torch.randn(2, 4, 5, 5), torch.randn(2, 6)
    before = block(x, z)
    expected = x + block.norm2(F.conv2d(x, block.conv2.weight, block.conv2.bias, padding=1), z)
    torch.testing.assert_close(before, expected)
    for part in (block.conv1, block.norm1):
        for parameter in part.parameters():
            assert not parameter.requires_grad
            parameter.data.add_(1)
    assert torch.equal(block(x, z), before)


@pytest.mark.parametrize("is_direct", [False, True])
def test_every_frame_of_a_window_is_heard(is_direct):
    torch.manual_seed(0)
    net = MappingNet(5, 8, 3, is_direct=is_direct).double()
    window = torch.randn(1, 27, 5, dtype=torch.float64, requires_grad=True)
    net(window).square().sum().backward()
    assert window.grad is not None
    assert (window.grad.abs().amax(-1)[0] > 0).all()
    assert net(window).shape == (1, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_constant_work_on_the_portrait_changes_nothing(kind):
    # The whole editing input at once, as the paper draws it, against two shares.
    torch.manual_seed(0)
    net = PIRenderNet(PIRenderNetConfig(**KINDS[kind])).double()
    pictures = torch.rand(2, 3, SIZE, SIZE).double() * 2 - 1
    z = torch.randn(2, 16).double()
    made = net(net.prepare(pictures), z)
    first = net.editing_net.encoder.convolution
    both = torch.cat([net._as_seen(pictures), net._as_seen(made.warped_B3HW)], 1)
    levels = net.editing_net.encoder(first(both))
    painted = F.pixel_shuffle(net.editing_net.decoder(levels, z), net.config.patch)[:, :3].tanh()
    torch.testing.assert_close(made.paint_B3HW, painted)
    if kind == "published":
        assert torch.equal(made.picture_B3HW, made.paint_B3HW)
    else:
        mask = made.mask_B1HW
        mixed = made.warped_B3HW * (1 - mask) + made.paint_B3HW * mask
        torch.testing.assert_close(made.picture_B3HW, mixed)


@pytest.mark.parametrize("kind", KINDS)
def test_one_portrait_serves_many_descriptors(kind):
    torch.manual_seed(0)
    net = PIRenderNet(PIRenderNetConfig(**KINDS[kind])).double()
    picture, z = torch.rand(1, 3, SIZE, SIZE).double(), torch.randn(3, 16).double()
    together = net(net.prepare(picture), z).picture_B3HW
    apart = net(net.prepare(picture.repeat(3, 1, 1, 1)), z).picture_B3HW
    torch.testing.assert_close(together, apart)


def test_networks_that_must_be_told_the_portraits_motion_say_so():
    net = PIRenderNet(PIRenderNetConfig(**OURS))
    window, own = torch.randn(2, 27, 73), torch.randn(2, 73)
    assert not torch.equal(net.describe(window, own), net.describe(window, own + 1))
    with pytest.raises(ValueError, match="must be told the reference's own coefficients"):
        net.describe(window)


def test_pictures_and_windows_of_other_sizes_are_refused():
    net = PIRenderNet(PIRenderNetConfig(**NET))
    with pytest.raises(ValueError, match=r"reference must have shape \(B, 3, 32, 32\)"):
        net.prepare(torch.zeros(1, 3, 64, 64))
    with pytest.raises(ValueError, match=r"motion_window must have shape \(B, 27, 73\)"):
        net.describe(torch.zeros(1, 25, 73))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"warp_down": 0}, "warp_down must be at least 1"),
        ({"kernel": 4}, "kernel must be odd, got 4"),
        ({"mapping_layers": 4}, "at most 3, got 4"),
        ({"warp_up": 4}, "at most warp_down = 3, got 4"),
        ({"size": 36}, r"multiple of patch x 2\^3 = 8, and at least twice that, got 36"),
        ({"size": 8}, "at least twice that, got 8"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PIRenderNetConfig(**{**NET, **settings})
