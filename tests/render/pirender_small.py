"""Small networks of PIRender and batches for them, the same in every test."""

from typing import Any

import torch

from viseme_core.types import CropBox, Landmarks, Motion, ReferenceFace
from viseme_render.pirender.batch import PIRenderBatch
from viseme_render.pirender.config import PIRenderConfig, PIRenderLossConfig, PIRenderNetConfig
from viseme_render.pirender.model import PIRenderModel

SIZE = 32
FACE_MODEL = "builtin@0123abcd"
NET: dict[str, Any] = {
    "size": SIZE,
    "descriptor": 16,
    "max_width": 8,
    "warp_width": 4,
    "warp_down": 3,
    "warp_up": 2,
    "edit_width": 4,
    "edit_down": 2,
    "edit_blocks": 1,
}
OURS: dict[str, Any] = {**NET, "patch": 2, "kernel": 3, "knows_reference": True, "blend": True}
KINDS = {"published": NET, "ours": OURS}


def make_config(
    net: dict[str, Any] = NET, *, warp_steps: int = 2, convention: Any = "viseme", **loss: Any
) -> PIRenderConfig:
    """Settings of small networks."""
    weights = {"style": 0.0, "scales": 2, **loss}
    return PIRenderConfig(
        net=PIRenderNetConfig(**net),
        loss=PIRenderLossConfig(**weights),
        warp_steps=warp_steps,
        convention=convention,
    )


def make_model(net: dict[str, Any] = NET, **options: Any) -> PIRenderModel:
    """An untrained model, the same for the same settings, with flow that is not nearly 0."""
    torch.manual_seed(0)
    model = PIRenderModel(make_config(net, **options))
    with torch.no_grad():
        model.net.get_parameter("warpping_net.flow_out.2.weight").mul_(20)
    return model


def make_batch(
    size: int = 2, frames: int = 3, *, first: int = 0, dtype: torch.dtype = torch.float32
) -> PIRenderBatch:
    """Samples `first` to `first + size - 1`, each the same in whatever batch it is."""
    rows = []
    for index in range(first, first + size):
        generator = torch.Generator().manual_seed(index)
        smooth = torch.rand(1, 3 * (frames + 1), 6, 6, generator=generator) * 1.6 - 0.8
        smooth = torch.nn.functional.interpolate(smooth, (SIZE, SIZE), mode="bicubic")
        pictures = smooth[0].unflatten(0, (frames + 1, 3)).clamp(-1, 1)
        points = 0.2 + 0.6 * torch.rand(frames + 1, 131, 2, generator=generator)
        rows.append(
            PIRenderBatch(
                pictures[1:],
                pictures[0],
                0.5 * torch.randn(frames, 27, 73, generator=generator),
                points[1:],
                0.5 * torch.randn(73, generator=generator),
                points[0],
                torch.tensor(index),
            )
        )
    batch = PIRenderBatch(*map(torch.stack, zip(*rows, strict=True)))
    return PIRenderBatch(*(v.to(dtype) if v.is_floating_point() else v for v in batch))


def make_reference(
    seed: int = 0, *, size: int = SIZE, face_model: str = FACE_MODEL
) -> ReferenceFace:
    """A portrait of smooth noise."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(1, 3, 6, 6, generator=generator) * 2 - 1
    frame = torch.nn.functional.interpolate(noise, (size, size), mode="bilinear")[0]
    return ReferenceFace(
        frame_3HW=frame,
        landmarks=Landmarks(torch.rand(1, 478, 2, generator=generator), "mp478"),
        identity=torch.zeros(80),
        expression=torch.randn(64, generator=generator),
        pose=0.1 * torch.randn(6, generator=generator),
        face_model=face_model,
        crop=CropBox(size / 2, size / 2, size),
        source_3HW=frame,
    )


def make_motion(frames: int = 40, seed: int = 1, *, face_model: str = FACE_MODEL) -> Motion:
    """Random motion."""
    generator = torch.Generator().manual_seed(seed)
    return Motion(
        expression=torch.randn(frames, 64, generator=generator),
        pose=0.1 * torch.randn(frames, 6, generator=generator),
        identity=torch.zeros(80),
        face_model=face_model,
    )
