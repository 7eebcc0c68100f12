"""A toy world for sync networks: mouths and sounds driven by the same hidden movement."""

import torch
from torch import Tensor

from viseme_core.draws import Draws
from viseme_core.types import NUM_EXPRESSION, NUM_IDENTITY
from viseme_eval.syncnet.config import AugmentConfig, SyncConfig
from viseme_eval.syncnet.model import SyncModel
from viseme_face import MorphableModel

NO_CHANGE = AugmentConfig(jitter=0, gain=0, level=0, colour=0, floor=0, warp=0)
TOY = SyncConfig(
    window=5,
    surround=8,
    dim=32,
    embedding=16,
    dropout=0.0,
    min_shift=3,
    max_shift=10,
    num_negatives=8,
    augment=NO_CHANGE,
)


def hidden(num_samples: int, num_frames: int, seed: int) -> Tensor:
    """Return smooth random movements (B, T, 4)."""
    generator = torch.Generator().manual_seed(seed)
    steps_BT4 = torch.randn(num_samples, num_frames + 2, 4, generator=generator)
    return steps_BT4.unfold(1, 3, 1).mean(-1)


def pairs(num_samples: int, num_frames: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return mouth shapes (B, T, 171) and sounds (B, T, 320) of the same movements."""
    movement_BT4 = hidden(num_samples, num_frames, seed)
    generator = torch.Generator().manual_seed(99)
    to_mouth, to_sound = (torch.randn(4, width, generator=generator) for width in (171, 320))
    return 0.3 * movement_BT4 @ to_mouth, 0.3 * torch.tanh(movement_BT4 @ to_sound)


def trained(config: SyncConfig = TOY, steps: int = 100) -> SyncModel:
    """Return a network that was trained in the toy world."""
    # Many small steps are faster so.
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = SyncModel(config)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(steps):
        draws = Draws(0, step, range(8))
        loss = model.loss(*pairs(8, 40, seed=step), draws)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def face(num_frames: int, seed: int = 0) -> Tensor:
    """Return landmarks `mp478` (T, 478, 3) of a mean face whose points tremble a little."""
    model = MorphableModel.builtin()
    mean_K3 = model.landmarks(torch.zeros(NUM_IDENTITY), torch.zeros(NUM_EXPRESSION), "mp478")
    generator = torch.Generator().manual_seed(seed)
    tremble = 0.01 * torch.randn(num_frames, 478, 3, generator=generator)
    return (mean_K3 + tremble) * torch.tensor([0.3, -0.3, -0.3]) + 0.5
