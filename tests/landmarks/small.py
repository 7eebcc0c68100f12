"""Small models of the landmark stage and batches for them, the same in every test."""

from typing import Any

import torch

from viseme_core.batches import LandmarkBatch
from viseme_landmarks.config import LandmarksConfig
from viseme_landmarks.model import LandmarkModel

SMALL: dict[str, Any] = {"dim": 32, "num_layers": 2, "num_heads": 2, "feedforward_dim": 48}


def make_model(*, seed: int = 0, is_scaled: bool = True, **config: Any) -> LandmarkModel:
    """Return an untrained model that has measured its data, whose heads say something."""
    torch.manual_seed(seed)
    model = LandmarkModel(LandmarksConfig(**{**SMALL, **config}))
    if is_scaled:
        model.scale.set(0.3 + 0.4 * torch.rand(model.config.num_points, 2), 0.05)
    return model


def make_batch(
    size: int = 3,
    frames: int = 5,
    *,
    references: int = 5,
    first: int = 0,
    counts: tuple[int, int] = (57, 74),
    dtype: torch.dtype = torch.float32,
) -> LandmarkBatch:
    """Return samples `first` to `first + size - 1`, each the same in whatever batch it is."""
    content, pose = counts
    rows = []
    for index in range(first, first + size):
        generator = torch.Generator().manual_seed(index)
        face_K2 = 0.3 + 0.4 * torch.rand(content + pose, 2, generator=generator)
        faces_XK2 = face_K2 + 0.02 * torch.randn(
            frames + references, content + pose, 2, generator=generator
        )
        rows.append(
            LandmarkBatch(
                torch.randn(frames, 80, 16, generator=generator),
                faces_XK2[:frames, content:],
                faces_XK2[frames:],
                faces_XK2[:frames, :content],
                torch.ones(frames, dtype=torch.bool),
                torch.tensor(index),
            )
        )
    batch = LandmarkBatch(*map(torch.stack, zip(*rows, strict=True)))
    return LandmarkBatch(*(v.to(dtype) if v.is_floating_point() else v for v in batch))


def pad(batch: LandmarkBatch, lengths: list[int], *, fill: float) -> LandmarkBatch:
    """Return the batch with samples cut to lengths, and `fill` in what is then padding."""
    mask_BT = torch.arange(batch.mask_BT.shape[1]) < torch.tensor(lengths)[:, None]
    filled = {
        name: torch.where(mask_BT[..., None, None], getattr(batch, name), fill)
        for name in ("mel_BTMW", "pose_BTK2", "target_BTK2")
    }
    return batch._replace(mask_BT=mask_BT, **filled)
