"""Small autoencoders and pictures for them, the same in every test."""

from typing import Any

import torch
import torch.nn.functional as F

from viseme_render.autoencoder.batch import PictureBatch
from viseme_render.autoencoder.config import (
    AutoencoderConfig,
    AutoencoderLossConfig,
    AutoencoderTrainingConfig,
)
from viseme_render.autoencoder.model import AutoencoderModel

SIZE = 16
NET: dict[str, Any] = {"channels": 4, "widths": (8, 16, 16), "blocks": 1, "norm_groups": 4}
NETS: dict[str, dict[str, Any]] = {
    "kl": {**NET, "kind": "kl"},
    "vq": {**NET, "kind": "vq", "codes": 16},
    "kl in patches": {**NET, "kind": "kl", "widths": (8, 16), "patch": 2},
    "vq of narrow codes": {**NET, "kind": "vq", "codes": 16, "code_dim": 2},
    "kl that sees a reference": {**NET, "kind": "kl", "sees_reference": True},
}
CRITIC: dict[str, Any] = {"adversary": 0.5, "critic_width": 4, "critic_layers": 1}


def make_config(kind: str = "kl", **loss: Any) -> AutoencoderTrainingConfig:
    """Settings of a small one; a critic's, if any, begins at once."""
    loss = {"adversary_start": 0, **loss}
    return AutoencoderTrainingConfig(
        net=AutoencoderConfig(**NETS[kind]), loss=AutoencoderLossConfig(**loss), size=SIZE
    )


def make_model(kind: str = "kl", **loss: Any) -> AutoencoderModel:
    """An untrained model, the same for the same settings."""
    torch.manual_seed(0)
    return AutoencoderModel(make_config(kind, **loss))


def make_batch(size: int = 2, frames: int = 3, *, first: int = 0) -> PictureBatch:
    """Samples `first` to `first + size - 1` of smooth pictures, each the same in any batch."""
    rows = []
    for index in range(first, first + size):
        generator = torch.Generator().manual_seed(index)
        rough = torch.rand(frames, 3, 4, 4, generator=generator) * 1.6 - 0.8
        rows.append(F.interpolate(rough, (SIZE, SIZE), mode="bicubic").clamp(-1, 1))
    return PictureBatch(torch.stack(rows), torch.arange(first, first + size))
