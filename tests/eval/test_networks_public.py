"""Each public architecture against its file's table, and against its authors' class written out."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor

from tests.eval.public_files import FILES, UNREAD, syncnet
from viseme_eval.networks.builders import BUILDERS
from viseme_eval.networks.registry import load_network, weight_file


def one_number(shape: tuple[int, ...], name: str, value: float = 0.5) -> Tensor:
    """Return a tensor that takes a few bytes on the disk whatever its shape."""
    return torch.tensor(7 if "num_batches" in name else value).expand(shape)


@pytest.mark.parametrize("name", FILES)
def test_a_network_has_the_tensors_of_its_public_file(name: str) -> None:
    count, shapes, _ = FILES[name]
    table = shapes()
    assert len(table) == count
    with torch.device("meta"):
        ours = BUILDERS[name].net().state_dict()
    read = {k: v for k, v in table.items() if not k.startswith(UNREAD.get(name, "\0"))}
    assert {k: tuple(v.shape) for k, v in ours.items()} == read


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_about_the_size_that_the_table_says(name: str) -> None:
    _, shapes, inside = FILES[name]
    numbers = sum(torch.Size(shape).numel() for shape in shapes().values())
    # Two training checkpoints hold both moments of Adam beside the weights.
    copies = 3 if name in ("wav2lip_expert", "deep3d") else 1
    assert weight_file(name).size_mb == pytest.approx(4e-6 * numbers * copies, rel=0.02, abs=0.5)
    assert BUILDERS[name].inside == inside


@pytest.mark.parametrize(
    ("name", "prefix"),
    # VGG-16 and the largest one differ from their like in size only.
    [
        pytest.param(name, "", marks=pytest.mark.slow if name == "arcface_r100" else ())
        for name in FILES
        if name not in ("lpips_vgg", "stable_syncnet")
    ]
    + [("wav2lip_expert", "module."), ("emotion_fan", "module."), ("hopenet", "module.")],
)
def test_a_file_in_its_public_layout_loads(name: str, prefix: str, tmp_path: Path) -> None:
    _, shapes, inside = FILES[name]
    state = {prefix + key: one_number(shape, key) for key, shape in shapes().items()}
    content = {inside: state, "epoch": 20, "optimizer": {"lr": 1e-4}} if inside else state
    path = tmp_path / weight_file(name).files[0]
    path.parent.mkdir(exist_ok=True)
    torch.save(content, path)
    network = load_network(name, tmp_path)
    assert network.name == name
    assert len(network.fingerprint) == 12
    assert not network.training
    for key, value in network.net.state_dict().items():
        assert (value == (7 if "num_batches" in key else 0.5)).all()
        assert value.dtype == (torch.int64 if "num_batches" in key else torch.float32)
    assert not any(value.requires_grad for value in network.parameters())


def test_a_file_from_before_pytorch_0_4_1_loads_without_counters(tmp_path: Path) -> None:
    state = {k: one_number(v, k) for k, v in syncnet().items() if "num_batches" not in k}
    path = tmp_path / "syncnet_v2.model"
    # That is what files were then.
    torch.save(state, path, _use_new_zipfile_serialization=False)
    counter = load_network("syncnet_v2", path).net.state_dict()["netcnnaud.1.num_batches_tracked"]
    assert counter == 0


def zeros(name: str) -> Any:
    """Return a network without the seconds that its random start takes."""
    with torch.device("meta"):
        net = BUILDERS[name].net()
    net = net.to_empty(device="cpu").eval()
    for value in net.state_dict().values():
        value.zero_()
    return net


def randomly(name: str) -> Any:
    """Return a network with random weights and statistics, so that no layer can be left out."""
    generator = torch.Generator().manual_seed(0)
    net = zeros(name)
    for key, value in net.state_dict().items():
        if "running_var" in key or (value.ndim == 1 and key.endswith("weight")):
            value.uniform_(0.5, 1.2, generator=generator)
        elif value.is_floating_point():
            fan = value[0].numel() if value.ndim > 1 else 16
            value.uniform_(-((3 / fan) ** 0.5), (3 / fan) ** 0.5, generator=generator)
    return net


def close(ours: Tensor, theirs: Tensor) -> None:
    assert theirs.std() > 1e-3
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


def normed(state: dict[str, Tensor], name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
    mean, var, weight, bias = (
        state[f"{name}.{k}"].reshape(1, -1, *[1] * (x.ndim - 2))
        for k in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (var + eps).sqrt() * weight + bias


@torch.no_grad()
def test_syncnet_computes_what_its_authors_class_does() -> None:
    net = randomly("syncnet_v2")
    s = net.state_dict()

    def block(part: str, index: int, x: Tensor, stride: Any = 1, padding: Any = 0) -> Tensor:
        weight, bias = s[f"{part}.{index}.weight"], s[f"{part}.{index}.bias"]
        convolve = F.conv2d if x.ndim == 4 else F.conv3d
        return normed(s, f"{part}.{index + 1}", convolve(x, weight, bias, stride, padding)).relu()

    def head(part: str, x: Tensor) -> Tensor:
        x = F.linear(x.flatten(1), s[f"{part}.0.weight"], s[f"{part}.0.bias"])
        x = normed(s, f"{part}.1", x).relu()
        return F.linear(x, s[f"{part}.3.weight"], s[f"{part}.3.bias"])

    sound = torch.randn(2, 1, 13, 20, generator=torch.Generator().manual_seed(1))
    x = block("netcnnaud", 4, block("netcnnaud", 0, sound, padding=1), padding=1)
    x = block("netcnnaud", 8, F.max_pool2d(x, 3, (1, 2)), padding=1)
    x = block("netcnnaud", 14, block("netcnnaud", 11, x, padding=1), padding=1)
    close(net.hear(sound), head("netfcaud", block("netcnnaud", 18, F.max_pool2d(x, 3, 2))))

    frames = torch.randn(1, 3, 5, 224, 224, generator=torch.Generator().manual_seed(2))
    x = F.max_pool3d(block("netcnnlip", 0, frames, (1, 2, 2)), (1, 3, 3), (1, 2, 2))
    x = block("netcnnlip", 4, x, (1, 2, 2), (0, 1, 1))
    x = F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    for index in (8, 11, 14):
        x = block("netcnnlip", index, x, 1, (0, 1, 1))
    x = block("netcnnlip", 18, F.max_pool3d(x, (1, 3, 3), (1, 2, 2)))
    close(net.see(frames), head("netfclip", x))


@torch.no_grad()
def test_the_lip_sync_expert_computes_what_its_authors_class_does() -> None:
    net = randomly("wav2lip_expert")
    s = net.state_dict()
    # Stride and padding of the blocks that are not residual.
    face = {0: (1, 3), 1: ((1, 2), 1), 4: (2, 1), 8: (2, 1), 11: (2, 1), 14: (2, 1)}
    face |= {15: (1, 0), 16: (1, 0)}
    audio = {0: (1, 1), 3: ((3, 1), 1), 6: (3, 1), 9: ((3, 2), 1), 12: (1, 0), 13: (1, 0)}

    def run(part: str, plain: dict[int, Any], count: int, x: Tensor) -> Tensor:
        for index in range(count):
            name = f"{part}.{index}.conv_block"
            stride, padding = plain.get(index, (1, 1))
            y = F.conv2d(x, s[f"{name}.0.weight"], s[f"{name}.0.bias"], stride, padding)
            y = normed(s, f"{name}.1", y)
            x = (y if index in plain else y + x).relu()
        x = x.flatten(1)
        return x / x.norm(dim=1, keepdim=True)

    seen = torch.randn(2, 15, 48, 96, generator=torch.Generator().manual_seed(1))
    heard = torch.randn(2, 1, 80, 16, generator=torch.Generator().manual_seed(2))
    close(net.see(seen), run("face_encoder", face, 17, seen))
    close(net.hear(heard), run("audio_encoder", audio, 14, heard))


@torch.no_grad()
def test_iresnet_computes_what_its_authors_class_does() -> None:
    net = randomly("arcface_r50")
    s = net.state_dict()
    face = torch.randn(1, 3, 112, 112, generator=torch.Generator().manual_seed(1))
    x = normed(s, "bn1", F.conv2d(face, s["conv1.weight"], padding=1))
    x = F.prelu(x, s["prelu.weight"])
    for stage, depth in enumerate((3, 4, 14, 3)):
        for index in range(depth):
            name, stride = f"layer{stage + 1}.{index}", 2 if index == 0 else 1
            y = F.conv2d(normed(s, f"{name}.bn1", x), s[f"{name}.conv1.weight"], padding=1)
            y = F.prelu(normed(s, f"{name}.bn2", y), s[f"{name}.prelu.weight"])
            y = normed(s, f"{name}.bn3", F.conv2d(y, s[f"{name}.conv2.weight"], None, stride, 1))
            if index == 0:
                x = F.conv2d(x, s[f"{name}.downsample.0.weight"], None, stride)
                x = normed(s, f"{name}.downsample.1", x)
            x = x + y
    x = F.linear(normed(s, "bn2", x).flatten(1), s["fc.weight"], s["fc.bias"])
    close(net(face), normed(s, "features", x))


@pytest.mark.slow
@torch.no_grad()
def test_ir_se_computes_what_its_authors_class_does() -> None:
    # In float64: with random weights its gates make a difference of a rounding grow.
    net = randomly("ir_se50").double()
    s = net.state_dict()
    face = torch.rand(1, 3, 112, 112, dtype=torch.float64) * 2 - 1
    x = normed(s, "input_layer.1", F.conv2d(face, s["input_layer.0.weight"], padding=1))
    x = F.prelu(x, s["input_layer.2.weight"])
    for index in range(24):
        name, stride = f"body.{index}", 2 if index in (0, 3, 7, 21) else 1
        y = normed(s, f"{name}.res_layer.0", x)
        y = F.conv2d(y, s[f"{name}.res_layer.1.weight"], padding=1)
        y = F.prelu(y, s[f"{name}.res_layer.2.weight"])
        y = F.conv2d(y, s[f"{name}.res_layer.3.weight"], None, stride, 1)
        y = normed(s, f"{name}.res_layer.4", y)
        z = F.conv2d(F.adaptive_avg_pool2d(y, 1), s[f"{name}.res_layer.5.fc1.weight"]).relu()
        y = y * F.conv2d(z, s[f"{name}.res_layer.5.fc2.weight"]).sigmoid()
        if f"{name}.shortcut_layer.0.weight" in s:
            x = F.conv2d(x, s[f"{name}.shortcut_layer.0.weight"], None, stride)
            x = normed(s, f"{name}.shortcut_layer.1", x)
        else:
            x = x[:, :, ::stride, ::stride]
        x = x + y
    x = normed(s, "output_layer.0", x).flatten(1)
    x = F.linear(x, s["output_layer.3.weight"], s["output_layer.3.bias"])
    x = normed(s, "output_layer.4", x)
    close(net(face), x / x.norm(dim=1, keepdim=True))


@torch.no_grad()
@pytest.mark.parametrize(("name", "kind"), [("hopenet", "resnet50"), ("emotion_fan", "resnet18")])
def test_a_trunk_computes_what_torchvisions_resnet_does(name: str, kind: str) -> None:
    net = randomly(name)
    with torch.device("meta"):
        theirs = getattr(torchvision.models, kind)(weights=None).eval()
    theirs.fc = torch.nn.Identity()
    trunk = {k: v for k, v in net.state_dict().items() if k in theirs.state_dict()}
    theirs.load_state_dict(trunk, assign=True)
    faces = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    close(net.pooled(faces), theirs(faces))


@torch.no_grad()
def test_hopenets_angles_are_expectations_over_bins() -> None:
    net = zeros("hopenet")
    for angle, k in (("yaw", 0), ("pitch", 33), ("roll", 65)):
        net.get_submodule(f"fc_{angle}").bias[k] = 1000
    # Bins are three degrees wide and start at -99.
    assert net(torch.zeros(1, 3, 32, 32)).angles_B3.tolist() == [[-99, 0, 96]]


@torch.no_grad()
def test_deep3ds_heads_stand_in_their_order() -> None:
    net = zeros("deep3d")
    for index, head in enumerate(net.final_layers):
        head.bias.fill_(index)
    found = net(torch.zeros(1, 3, 32, 32))
    order = [k for k, width in enumerate((80, 64, 80, 3, 27, 2, 1)) for _ in range(width)]
    assert found.tolist() == [order]


@torch.no_grad()
def test_emotion_fan_attends_as_in_its_training() -> None:
    net = randomly("emotion_fan")
    frames = torch.randn(6, 512, generator=torch.Generator().manual_seed(1))
    alphas = [float(net.alpha(f)) for f in frames]
    mean = sum((a * f for a, f in zip(alphas, frames, strict=True)), torch.zeros(512)) / sum(alphas)
    pairs = [torch.cat([f, mean]) for f in frames]
    weights = [a * float(net.beta(pair)) for a, pair in zip(alphas, pairs, strict=True)]
    top = sum((w * p for w, p in zip(weights, pairs, strict=True)), torch.zeros(1024))
    bottom = sum(weights)
    close(net.classify(frames), net.pred_fc2(top / bottom))


@pytest.mark.slow
@torch.no_grad()
def test_stable_syncnet_ends_in_unit_vectors_of_one_place() -> None:
    net = randomly("stable_syncnet")
    seen = net.see(torch.rand(1, 48, 128, 256) * 2 - 1)
    heard = net.hear(torch.rand(1, 1, 80, 52) * 8 - 4)
    # Any other padding before a stride would leave more than one place, or none.
    assert seen.shape == heard.shape == (1, 2048)
    torch.testing.assert_close(seen.norm(dim=1), torch.ones(1))
    torch.testing.assert_close(heard.norm(dim=1), torch.ones(1))
