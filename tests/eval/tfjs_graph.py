"""A second way to run faceres: its TensorFlow.js graph, node by node, by TensorFlow's definitions.

Also makes such a graph with random weights, for tests without the published package.
"""

import base64
import io
import json
import tarfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_CHANNELS = (32, 64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024)
_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
_OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "Add": lambda a, b: a + b,
    "Mul": lambda a, b: a * b,
    "Relu": lambda a: a.clamp(min=0),
    "Minimum": torch.minimum,
    "Maximum": torch.maximum,
    # Its second input says over which axes; in this graph always over places.
    "Mean": lambda a, _: a.mean((1, 2)),
    "Sigmoid": lambda a: 1 / (1 + torch.exp(-a)),
    "Softmax": lambda a: torch.exp(a) / torch.exp(a).sum(-1, keepdim=True),
}


def run_graph(graph: dict[str, Any], weights: dict[str, Tensor], x_BHWC: Tensor) -> dict[str, Any]:
    """Return the value of every node, channels last, "same" padding as TensorFlow defines it."""
    values: dict[str, Any] = {"input_1": x_BHWC}
    for node in graph["modelTopology"]["node"]:
        op, name = node["op"], node["name"]
        if op == "Placeholder":
            continue
        if op == "Const":
            values[name] = weights[name].float() if weights[name].is_floating_point() else None
            continue
        a = [values[given] for given in node["input"]]
        if op in ("Conv2D", "DepthwiseConv2dNative"):
            stride = int(node["attr"]["strides"]["list"]["i"][1])
            assert base64.b64decode(node["attr"]["padding"]["s"]) == b"SAME"
            is_deep = op == "DepthwiseConv2dNative"
            # (height, width, in, out), or (height, width, in, 1).
            kernel = a[1].permute(2, 3, 0, 1) if is_deep else a[1].permute(3, 2, 0, 1)
            x = a[0].permute(0, 3, 1, 2)
            pads = [_same(n, kernel.shape[2], stride) for n in (x.shape[3], x.shape[2])]
            x = F.pad(x, (*pads[0], *pads[1]))
            groups = kernel.shape[0] if is_deep else 1
            values[name] = F.conv2d(x, kernel, stride=stride, groups=groups).permute(0, 2, 3, 1)
        elif op == "_FusedMatMul":
            values[name] = a[0] @ a[1] + a[2]
            fused = [base64.b64decode(s) for s in node["attr"]["fused_ops"]["list"]["s"]]
            if b"Relu" in fused:
                values[name] = values[name].clamp(min=0)
        else:
            values[name] = _OPERATIONS[op](*a)
    return values


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def random_package(path: Path, seed: int = 0, *, ceiling: float = 6, stride: int = 2) -> Path:
    """Write a package like the published one, with random weights, and return its path."""
    maker = _GraphMaker(seed, ceiling)
    x = maker.stem("input_1")
    for index, (given, made) in enumerate(pairwise(_CHANNELS), 1):
        step = stride if index == 2 else _STRIDES[index - 1]
        x = maker.separable(index, x, given, made, step)
    maker.const("global_pooling/Mean/reduction_indices", np.array([1, 2], np.int32))
    maker.node("Mean", "global_pooling/Mean", x, "global_pooling/Mean/reduction_indices")
    maker.dense("feats/Relu", "feats", "global_pooling/Mean", (1024, 256), ["BiasAdd", "Relu"])
    maker.dense("gender_pred/BiasAdd", "gender_pred", "feats/Relu", (256, 1), ["BiasAdd"])
    maker.dense("age_pred/BiasAdd", "age_pred", "feats/Relu", (256, 100), ["BiasAdd"])
    maker.node("Sigmoid", "gender_pred/Sigmoid", "gender_pred/BiasAdd")
    maker.node("Softmax", "age_pred/Softmax", "age_pred/BiasAdd")
    with tarfile.open(path, "w:gz") as package:
        for name, data in (("json", maker.graph()), ("bin", maker.data)):
            entry = tarfile.TarInfo(f"package/models/faceres.{name}")
            entry.size = len(data)
            package.addfile(entry, io.BytesIO(bytes(data)))
    return path


class _GraphMaker:
    def __init__(self, seed: int, ceiling: float) -> None:
        self._random, self._ceiling = np.random.default_rng(seed), ceiling
        self._nodes: list[dict[str, Any]] = [{"op": "Placeholder", "name": "input_1"}]
        self._entries: list[dict[str, Any]] = []
        self.data = bytearray()

    def graph(self) -> bytes:
        manifest = [{"paths": ["faceres.bin"], "weights": self._entries}]
        # Constants stand anywhere in published graphs; an order that runs is enough here.
        nodes = sorted(self._nodes, key=lambda node: node["op"] != "Const")
        return json.dumps({"modelTopology": {"node": nodes}, "weightsManifest": manifest}).encode()

    def const(self, name: str, values: np.ndarray) -> None:
        entry: dict[str, Any] = {"name": name, "shape": list(values.shape), "dtype": "int32"}
        if values.dtype != np.int32:
            values = values.astype(np.float16)
            half = {"dtype": "float16", "original_dtype": "float32"}
            entry |= {"dtype": "float32", "quantization": half}
        self._entries.append(entry)
        self._nodes.append({"op": "Const", "name": name})
        self.data += values.tobytes()

    def node(self, op: str, name: str, *given: str, **attributes: Any) -> str:
        self._nodes.append({"op": op, "name": name, "input": list(given), "attr": attributes})
        return name

    def stem(self, x: str) -> str:
        self._weights("conv1/convolution/merged_input", (3, 3, 3, 32))
        x = self._convolve(
            "Conv2D", "conv1_bn/batchnorm_1/mul_1", x, "conv1/convolution/merged_input", 2
        )
        return self._cut("conv1_relu", self._shift("conv1_bn", x, 32))

    def separable(self, index: int, x: str, given: int, made: int, stride: int) -> str:
        deep, point = f"conv_dw_{index}", f"conv_pw_{index}"
        self._weights(f"{deep}/depthwise_kernel", (3, 3, given, 1), 9)
        x = self._convolve(
            "DepthwiseConv2dNative", f"{deep}/depthwise", x, f"{deep}/depthwise_kernel", stride
        )
        self.const(f"{deep}_bn/batchnorm_1/mul", self._random.uniform(0.5, 1.5, given))
        x = self.node("Mul", f"{deep}_bn/batchnorm_1/mul_1", x, f"{deep}_bn/batchnorm_1/mul")
        x = self._cut(f"{deep}_relu", self._shift(f"{deep}_bn", x, given))
        self._weights(f"{point}/convolution/merged_input", (1, 1, given, made))
        x = self._convolve(
            "Conv2D", f"{point}_bn/batchnorm_1/mul_1", x, f"{point}/convolution/merged_input", 1
        )
        return self._cut(f"{point}_relu", self._shift(f"{point}_bn", x, made))

    def dense(
        self, name: str, layer: str, x: str, shape: tuple[int, int], fused: list[str]
    ) -> None:
        self._weights(f"{layer}/kernel", shape, shape[0])
        self.const(f"{layer}/bias", self._random.normal(0, 0.3, shape[1]))
        codes = [base64.b64encode(op.encode()).decode() for op in fused]
        attribute = {"list": {"s": codes}}
        self.node("_FusedMatMul", name, x, f"{layer}/kernel", f"{layer}/bias", fused_ops=attribute)

    def _weights(self, name: str, shape: tuple[int, ...], fan: int = 0) -> None:
        fan = fan or int(np.prod(shape[:-1]))
        self.const(name, self._random.normal(0, (2 / fan) ** 0.5, shape))

    def _convolve(self, op: str, name: str, x: str, kernel: str, stride: int) -> str:
        steps = {"list": {"i": [str(n) for n in (1, stride, stride, 1)]}}
        same = {"s": base64.b64encode(b"SAME").decode()}
        return self.node(op, name, x, kernel, strides=steps, padding=same)

    def _shift(self, name: str, x: str, width: int) -> str:
        self.const(f"{name}/batchnorm_1/sub", self._random.normal(0.1, 0.3, width))
        return self.node("Add", f"{name}/batchnorm_1/add_1", x, f"{name}/batchnorm_1/sub")

    def _cut(self, name: str, x: str) -> str:
        self.const(f"{name}/Cast", np.array(self._ceiling))
        self.const(f"{name}/Const_1", np.array(0.0))
        x = self.node("Relu", f"{name}/Relu", x)
        x = self.node("Minimum", f"{name}/clip_by_value/Minimum", x, f"{name}/Cast")
        return self.node("Maximum", f"{name}/clip_by_value", x, f"{name}/Const_1")
