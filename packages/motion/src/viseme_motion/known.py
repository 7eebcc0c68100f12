"""Frames of a window that are settled: drawn in training, held in sampling.

The network sees settled frames as they are, without noise, and is told which they are by a learned
vector that is added to them. Putting them in its place only from outside, as `keep_known` does with
a network that was not trained for it, leaves a seam.
"""

import torch
from torch import Tensor

from viseme_core.diffusion import Constraint
from viseme_core.draws import Draws
from viseme_motion.windows import WindowConfig


def draw_window(mask_BT: Tensor, windows: WindowConfig, draws: Draws) -> tuple[Tensor, Tensor]:
    """Return which frames of training samples are known, and which are real.

    Half of the samples begin with known frames, as all windows but a voice's first do; half of
    them are cut short, as its first and last are. Padding is at the end, where short clips have it.

    Args:
        mask_BT: Real frames of the batch.
        windows: The plan that is trained for.
        draws: Source of both.

    Returns:
        Known frames and real frames, bool (B, T); each sample has real frames that are not known,
        unless it has none at all.
    """
    device = mask_BT.device
    frames_T = torch.arange(mask_BT.shape[1], device=device)
    real_B = mask_BT.sum(1)
    most_B = (real_B - 1).clamp(0, windows.known)
    count_B = (draws.uniform("window/known").to(device) * most_B).long() + 1
    has_known_B = draws.chance("window/has_known", 0.5).to(device) & (most_B > 0)
    count_B = torch.where(has_known_B, count_B, 0)
    length_B = (draws.uniform("window/length").to(device) * (real_B - count_B)).long() + count_B + 1
    is_short_B = draws.chance("window/is_short", 0.5).to(device)
    length_B = torch.where(is_short_B, length_B, real_B)
    is_known_BT, is_real_BT = (frames_T < end_B[:, None] for end_B in (count_B, length_B))
    return is_known_BT & mask_BT, is_real_BT & mask_BT


def hold(known_BTC: Tensor, is_known_BT: Tensor) -> Constraint:
    """Return a constraint for `viseme_core.diffusion.sample` that keeps known frames clean."""

    def constrain(sample_BTC: Tensor, step_B: Tensor | None) -> Tensor:
        return torch.where(is_known_BT[..., None], known_BTC.to(sample_BTC), sample_BTC)

    return constrain
