from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from skimage import data
from torch import Tensor, nn

from viseme_eval.functional.perceptual import PerceptualDistance, lpips_heads
from viseme_eval.networks.builders import BUILDERS
from viseme_eval.networks.features import InceptionFeatures, PerceptualFeatures
from viseme_eval.networks.registry import load_network
from viseme_eval.networks.trunks import alexnet, vgg16


def frames(size: int = 64, num: int = 2) -> Tensor:
    picture = torch.from_numpy(data.astronaut())[:512, :512].permute(2, 0, 1)[None] / 127.5 - 1
    shrunk = F.interpolate(picture, (size, size), mode="bilinear", antialias=True)
    return torch.cat([shrunk * (1 - 0.1 * k) for k in range(num)])


def with_statistics(net: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for name, value in net.state_dict().items():
        if "running_mean" in name:
            value.uniform_(-0.1, 0.1, generator=generator)
        if "running_var" in name:
            value.uniform_(0.5, 1.5, generator=generator)
    return net.eval()


@torch.no_grad()
def test_inception_is_torchvisions_with_the_pools_of_2015(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = torchvision.models.inception_v3(
        weights=None, num_classes=1008, aux_logits=False, init_weights=False
    )
    theirs = with_statistics(theirs)
    theirs.fc = nn.Identity()
    ours = BUILDERS["inception_fid"].net().eval()
    ours.load_state_dict(theirs.state_dict(), strict=False)

    def pool(x: Tensor, kernel_size: int, stride: int, padding: int) -> Tensor:
        # Only the last block sees 2048 channels; there it is a maximum.
        if x.shape[1] == 2048:
            return F.max_pool2d(x, kernel_size, stride, padding)
        inside = F.avg_pool2d(torch.ones_like(x), kernel_size, stride, padding)
        return F.avg_pool2d(x, kernel_size, stride, padding) / inside

    shim = SimpleNamespace(avg_pool2d=pool, max_pool2d=F.max_pool2d, relu=F.relu)
    monkeypatch.setattr(torchvision.models.inception, "F", shim)
    pictures = torch.rand(2, 3, 139, 139, generator=torch.Generator().manual_seed(1)) * 2 - 1
    expected = theirs(pictures)
    assert expected.std() > 1e-4
    torch.testing.assert_close(ours(pictures), expected, rtol=1e-3, atol=1e-5)


def test_inception_sees_frames_of_299_px_and_minus_one_to_one() -> None:
    seen: list[Tensor] = []

    class Spy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return x.mean((2, 3))

    spy: Any = Spy()
    network = InceptionFeatures(spy)
    clip = frames(num=network.chunk + 3)
    pooled = network.pooled(clip)
    # Never more at once, and all of them.
    assert [len(x) for x in seen] == [network.chunk, 3]
    assert seen[0].shape[1:] == (3, 299, 299)
    assert len(pooled) == network.chunk + 3
    # Nearest to pytorch-fid: [0, 1] resized without anti-aliasing, then 2 x - 1.
    theirs = 2 * F.interpolate((clip + 1) / 2, (299, 299), mode="bilinear") - 1
    torch.testing.assert_close(torch.cat(seen), theirs, atol=1e-5, rtol=0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["alex", "squeeze"])
@torch.no_grad()
def test_lpips_is_that_of_its_authors_package(kind: str, tmp_path: Path) -> None:
    import lpips

    torch.manual_seed(0)
    theirs = lpips.LPIPS(net=kind, pnet_rand=True, verbose=False).eval()
    # slice2.3.weight of theirs is features.3.weight of torchvision's file.
    state = {
        "features." + name.split(".", 1)[1]: value
        for name, value in theirs.net.state_dict().items()
    }
    path = tmp_path / "trunk.pth"
    torch.save({**state, "classifier.6.bias": torch.zeros(1000)}, path)
    network = load_network(f"lpips_{kind}", path)
    distance = PerceptualDistance(network, lpips_heads(kind))  # type: ignore[arg-type]
    a, b = frames(), frames().flip(3)
    torch.testing.assert_close(distance(a, b).float(), theirs(a, b).flatten(), rtol=1e-4, atol=1e-6)


def test_vggs_taps_are_those_of_the_lpips_package() -> None:
    with torch.device("meta"):
        maps = PerceptualFeatures(vgg16())(torch.zeros(1, 3, 64, 64))
    sizes = [tuple(x.shape[1:]) for x in maps]
    assert sizes == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8), (512, 4, 4)]


def test_gradients_flow_through_a_frozen_network_to_the_frames() -> None:
    clip = frames(num=1).requires_grad_(True)
    network = PerceptualFeatures(alexnet())
    network.train()
    assert not network.net.training
    torch.stack([x.sum() for x in network(clip)]).sum().backward()
    assert clip.grad is not None
    assert clip.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in network.parameters())


@pytest.fixture(scope="module")
def lite0() -> Any:
    pytest.importorskip("efficientnet_lite_pytorch")
    return load_network("efficientnet_lite0")


@torch.no_grad()
def test_the_stand_ins_features_recognise_a_cup_of_coffee(lite0: Any) -> None:
    picture = torch.from_numpy(data.coffee())[:, 100:500].permute(2, 0, 1)[None] / 127.5 - 1
    picture = F.interpolate(picture, (224, 224), mode="bilinear", antialias=True)
    chances = lite0.net._fc(lite0.pooled(picture)).softmax(1)[0]
    # ImageNet's class 967 is espresso. The other usual scaling of colours gives it 0.84.
    assert chances.argmax() == 967
    assert chances[967] > 0.9


@torch.no_grad()
def test_the_stand_ins_maps_are_its_own_classes_features(lite0: Any) -> None:
    clip = frames(96)
    maps = lite0(clip)
    assert [tuple(x.shape[1:]) for x in maps] == [
        (16, 48, 48), (24, 24, 24), (40, 12, 12), (112, 6, 6), (320, 3, 3),
    ]  # fmt: skip
    whole = lite0.net.extract_features((clip * 127.5 + 0.5) / 128)
    torch.testing.assert_close(lite0.pooled(clip), whole.mean((2, 3)))


@torch.no_grad()
@pytest.mark.parametrize("kind", ["lite0", "lpips_alex"])
def test_features_of_one_pass_are_those_of_frames_alone(lite0: Any, kind: str) -> None:
    network = lite0 if kind == "lite0" else PerceptualFeatures(alexnet())
    clip = frames(96, num=network.chunk + 2)
    seen = network.features(clip)
    for number, frame in enumerate(clip.split(1)):
        for ours, alone in zip(seen.maps, network(frame), strict=True):
            torch.testing.assert_close(ours[number], alone[0], rtol=1e-4, atol=1e-4)
    if kind == "lite0":
        torch.testing.assert_close(seen.pooled, lite0.pooled(clip))
    else:
        assert seen.pooled is None


def test_features_are_made_where_the_network_is() -> None:
    with torch.device("meta"):
        network = PerceptualFeatures(alexnet())
    # As on an accelerator: frames come from a file, and the network stays where it was put.
    maps = network.features(frames(64)).maps
    assert {x.device.type for x in maps} == {"meta"}
    assert network.device.type == "meta"
    assert network.chunk == 32


def test_the_stand_in_refuses_sides_it_cannot_halve(lite0: Any) -> None:
    with pytest.raises(ValueError, match=r"multiple of 32, got 100 x 100; resize"):
        lite0(frames(100))


def test_frames_that_are_not_frames_are_refused() -> None:
    network = PerceptualFeatures(alexnet())
    with pytest.raises(ValueError, match=r"frames_T3HW must have shape \(T, 3, H, W\)"):
        network(torch.zeros(1, 1, 64, 64))
    with pytest.raises(ValueError, match="at least one frame"):
        network(torch.zeros(0, 3, 64, 64))
    with pytest.raises(ValueError, match="floating point"):
        network(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
