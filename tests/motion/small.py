"""Small models of the motion stage and batches for them, the same in every test."""

from typing import Any

import torch
from torch import Tensor, nn

from viseme_core.batches import MotionBatch
from viseme_core.types import NUM_EXPRESSION, NUM_IDENTITY, NUM_POSE
from viseme_face import MorphableModel
from viseme_motion.build import MotionModel
from viseme_motion.disenttalk.config import DisentTalkConfig
from viseme_motion.disenttalk.model import DisentTalkModel
from viseme_motion.disenttalk.subspaces import Subspaces
from viseme_motion.experts import ExpertConfig, LipExpert
from viseme_motion.fd2talk.config import FD2TalkConfig
from viseme_motion.fd2talk.model import FD2TalkModel
from viseme_motion.windows import WindowConfig

AUDIO_DIM = 6
WINDOWS = WindowConfig(length=12, hop=4, first=4, ahead=2)
FACE = MorphableModel.builtin()
SUBSPACES = Subspaces.shipped(FACE.name)
SYSTEMS = ("fd2talk", "disenttalk")


def make_batch(
    size: int = 4, frames: int = 12, *, first: int = 0, dtype: torch.dtype = torch.float32
) -> MotionBatch:
    """Return samples `first` to `first + size - 1`, each the same in whatever batch it is."""
    rows = []
    for index in range(first, first + size):
        generator = torch.Generator().manual_seed(index)
        rows.append(
            MotionBatch(
                0.5 * torch.randn(frames, NUM_EXPRESSION, generator=generator),
                0.1 * torch.randn(frames, NUM_POSE, generator=generator),
                torch.randn(NUM_IDENTITY, generator=generator),
                torch.randn(frames, AUDIO_DIM, generator=generator),
                torch.ones(frames, dtype=torch.bool),
                torch.tensor(index),
            )
        )
    batch = MotionBatch(*map(torch.stack, zip(*rows, strict=True)))
    return MotionBatch(*(v.to(dtype) if v.is_floating_point() else v for v in batch))


def pad(batch: MotionBatch, lengths: list[int], *, fill: float) -> MotionBatch:
    """Return the batch with samples cut to lengths, and `fill` in what is then padding."""
    frames = torch.arange(batch.mask_BT.shape[1])
    mask_BT = frames < torch.tensor(lengths)[:, None]
    filled = {
        name: torch.where(mask_BT[..., None], getattr(batch, name), fill)
        for name in ("expression_BTC", "pose_BT6", "audio_BTA")
    }
    return batch._replace(mask_BT=mask_BT, **filled)


def make_expert(system: Any, **config: Any) -> LipExpert:
    """Return an untrained lip expert."""
    torch.manual_seed(1)
    settings = {"dim": 16, "window": 3, "audio_dim": AUDIO_DIM, "min_shift": 3, **config}
    return LipExpert(ExpertConfig(system=system, **settings), FACE)


def make_model(system: str, *, expert: LipExpert | None = None, **config: Any) -> Any:
    """Return an untrained model of one layer or block that has measured its data."""
    torch.manual_seed(0)
    if system == "fd2talk":
        settings = FD2TalkConfig(**{"num_layers": 1, "dim": 16, "num_heads": 2, **config})
        model = FD2TalkModel(settings, WINDOWS, AUDIO_DIM, expert)
    else:
        settings = DisentTalkConfig(**{"num_blocks": 1, "dim": 8, "num_heads": 2, **config})
        model = DisentTalkModel(settings, WINDOWS, AUDIO_DIM, SUBSPACES, expert)
    for scale in (model.motion_scale, model.audio_scale):
        size = len(scale.mean)
        scale.set(torch.linspace(-0.2, 0.3, size), torch.linspace(0.4, 0.8, size))
    # Zero at first, it could be left out without a trace.
    for net in nets_of(model).values():
        nn.init.normal_(net.known)
    return model


def nets_of(model: MotionModel) -> dict[str, Any]:
    """Return the networks of a model by name."""
    return {"net": model.net} if isinstance(model, DisentTalkModel) else dict(model.nets.items())


def num_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def clean_of(model: MotionModel, batch: MotionBatch) -> Tensor:
    """Return what a model is to generate, in units of its spread."""
    both = torch.cat([batch.expression_BTC, batch.pose_BT6], -1)[..., : model.channels]
    return (both - model.motion_scale.mean) / model.motion_scale.std
