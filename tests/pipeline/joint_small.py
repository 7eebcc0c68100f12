"""A small pair of landmark completion and TalkFormer, and batches for it."""

from typing import Any

import torch

from tests.render.talkformer import small as talkformer_small
from viseme_core.batches import JointBatch, LandmarkBatch
from viseme_face.layouts import CONTENT_SLICE, POSE_SLICE
from viseme_landmarks.config import LandmarksConfig
from viseme_pipeline.joint import JointConfig, JointModel, build_joint

FRAMES = 3
LANDMARKS: dict[str, Any] = {
    "dim": 16,
    "num_layers": 1,
    "num_heads": 2,
    "feedforward_dim": 16,
    "num_frames": FRAMES,
    "num_references": 2,
}
NET: dict[str, Any] = {"widths": (8, 8), "head_width": 8}
TALKFORMER: dict[str, Any] = {"window": FRAMES, "drop_previous": 0.5}


def make_config(
    talkformer: dict[str, Any] | None = None, net: dict[str, Any] | None = None, **options: Any
) -> JointConfig:
    """Settings of a small pair."""
    return JointConfig(
        landmarks=LandmarksConfig(**LANDMARKS),
        talkformer=talkformer_small.make_config(
            {**NET, **(net or {})}, **TALKFORMER, **(talkformer or {})
        ),
        **options,
    )


def make_model(*, is_moved: bool = True, **options: Any) -> JointModel:
    """An untrained pair; moved, as some training would, away from what begins at zero."""
    torch.manual_seed(0)
    model = build_joint(make_config(**options))
    if is_moved:
        talkformer_small.moved(model.renderer)  # type: ignore[arg-type]
    return model


def make_batch(size: int = 2) -> JointBatch:
    """Windows of smooth noise with the sound and landmarks of nobody."""
    render = talkformer_small.make_batch(size, FRAMES)
    rows = []
    for index in range(size):
        generator = torch.Generator().manual_seed(100 + index)
        points = render.landmarks_BTK2[index]
        rows.append(
            LandmarkBatch(
                mel_BTMW=torch.randn(FRAMES, 80, 16, generator=generator),
                pose_BTK2=points[:, POSE_SLICE],
                reference_BNK2=0.2 + 0.6 * torch.rand(2, 131, 2, generator=generator),
                target_BTK2=points[:, CONTENT_SLICE],
                mask_BT=torch.ones(FRAMES, dtype=torch.bool),
                index_B=torch.tensor(index),
            )
        )
    return JointBatch(LandmarkBatch(*map(torch.stack, zip(*rows, strict=True))), render)
