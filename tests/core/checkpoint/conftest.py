"""A small stage, and the two kinds of file that can hold it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from viseme_core.checkpoint import HEADER_KEY, StageHeader, header_to_plain, save_stage


@pytest.fixture
def header() -> StageHeader:
    return StageHeader(
        stage="motion",
        system="fd2talk",
        config={"width": 8, "rates": (1, 2.5), "net": {"kind": "plain", "limit": None}},
        audio={"encoder": "mel", "bands": 80},
        face_model="builtin@0123abcd",
    )


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    return {
        "net.weight": torch.randn(4, 3),
        "net.bias": torch.randn(4, dtype=torch.float16),
        "mean": torch.randn(2, 2, dtype=torch.bfloat16),
        "steps": torch.tensor(7),
        "mask": torch.tensor([True, False, True]),
        "nothing": torch.zeros(0, 5),
    }


@pytest.fixture
def write(header: StageHeader, tensors: dict[str, Tensor]) -> Callable[..., Path]:
    """Write the small stage as the kind of file that the path's ending says."""

    def write_file(path: Path, header: StageHeader = header) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".safetensors":
            save_stage(path, tensors, header)
        else:
            state_dict = {f"model.{name}": value for name, value in tensors.items()}
            content = {
                HEADER_KEY: header_to_plain(header),
                "state_dict": {**state_dict, "critic.weight": torch.ones(2)},
                "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(4, 3)}}}],
                "epoch": 3,
            }
            torch.save(content, path)
        return path

    return write_file
