"""Small TalkFormers and batches for them, the same in every test."""

from typing import Any

import torch

from viseme_core.batches import RenderBatch
from viseme_core.diffusion import DiffusionConfig, SamplerConfig
from viseme_core.draws import Draws
from viseme_render.talkformer.config import TalkFormerConfig, TalkFormerNetConfig
from viseme_render.talkformer.model import TalkFormerModel

SIZE = 32
NET: dict[str, Any] = {
    "widths": (8, 16, 16),
    "blocks": 1,
    "groups": 4,
    "head_width": 8,
    "landmark_width": 12,
}
ROWS: dict[str, dict[str, Any]] = {
    "base": {"temp_attn": False},
    "TempAttn": {},
    "w/o M-Align": {"m_align": False},
    "w/o R-Align": {"r_align": False},
    "w/o B-Sequential": {"b_sequential": False},
    "CompleteRef": {"complete_ref": True},
    "ours": {
        "reference_beside": True,
        "landmarks_beside": True,
        "reference_deviation": 0.3,
        "mouth": 2.0,
        "diffusion": DiffusionConfig(target="clean"),
    },
}
"""Rows of the paper's Table III, and what small machines add."""


def make_config(net: dict[str, Any] | None = None, **options: Any) -> TalkFormerConfig:
    """Settings of a small network."""
    given = {"size": SIZE, "zoom": 1.25, "sampler": SamplerConfig(num_steps=2), **options}
    return TalkFormerConfig(net=TalkFormerNetConfig(**{**NET, **(net or {})}), **given)


def make_model(net: dict[str, Any] | None = None, *, is_moved: bool = False, **options: Any) -> Any:
    """An untrained model, to which tests do what they like; moved away from its zeros if asked."""
    torch.manual_seed(0)
    model = TalkFormerModel(make_config(net, **options))
    return moved(model) if is_moved else model


def moved(model: Any) -> Any:
    """The network with every parameter that is zero away from it, as some training would."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model


def make_batch(
    size: int = 2, frames: int = 3, *, side: int = 40, dtype: torch.dtype = torch.float32
) -> RenderBatch:
    """Windows of smooth noise, each the same in whatever batch it is."""
    rows = []
    for index in range(size):
        generator = torch.Generator().manual_seed(index)
        smooth = torch.rand(1, 3 * (frames + 3), 6, 6, generator=generator) * 1.6 - 0.8
        smooth = torch.nn.functional.interpolate(smooth, (side, side), mode="bicubic")
        pictures = smooth[0].unflatten(0, (frames + 3, 3)).clamp(-1, 1)
        rows.append(
            RenderBatch(
                frames_BT3HW=pictures[2:-1],
                reference_B3HW=pictures[-1],
                motion_window_BTWC=torch.zeros(frames, 27, 73),
                landmarks_BTK2=0.25 + 0.5 * torch.rand(frames, 131, 2, generator=generator),
                previous_B23HW=pictures[:2],
                index_B=torch.tensor(index),
            )
        )
    batch = RenderBatch(*map(torch.stack, zip(*rows, strict=True)))
    return RenderBatch(*(v.to(dtype) if v.is_floating_point() else v for v in batch))


def draws_of(batch: RenderBatch, step: int = 0) -> Draws:
    """The draws of a batch in a step of training."""
    return Draws(0, step, batch.index_B)


class Spy(torch.nn.Module):
    """A network that predicts a constant and remembers what it was given."""

    def __init__(self, net: Any, value: float = 0.25) -> None:
        super().__init__()
        self.net, self.value = net, value
        self.seen: list[torch.Tensor] = []

    def look(self, reference):
        return self.net.look(reference)

    def conditions(self, *given):
        self.points = given[0]
        self.previous = given[2]
        return self.net.conditions(*given)

    def forward(self, noisy, step, conditions):
        self.seen.append(noisy)
        return torch.full_like(noisy, self.value)
