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
    them are cut short, as its first and last are.

    Args:
        mask_BT: Real frames of the batch.
        windows: The plan that is trained for.
        draws: Source of both.

    Returns:
        Known frames and real frames, bool (B, T); each sample has real frames that are not known.
    """
    num_frames = mask_BT.shape[1]
    frames_T = torch.arange(num_frames)
    most = min(windows.known, num_frames - 1)
    count_B = draws.integers("window/known", most + 1)
    count_B = torch.where(draws.chance("window/has_known", 0.5), count_B, 0)
    length_B = count_B + 1 + (draws.uniform("window/length") * (num_frames - count_B)).long()
    length_B = torch.where(draws.chance("window/is_short", 0.5), length_B, num_frames)
    known_BT = (frames_T < count_B[:, None]).to(mask_BT.device)
    real_BT = (frames_T < length_B[:, None]).to(mask_BT.device)
    return known_BT & mask_BT, real_BT & mask_BT


def hold(known_BTC: Tensor, is_known_BT: Tensor) -> Constraint:
    """Return a constraint for `viseme_core.diffusion.sample` that keeps known frames clean."""

    def constrain(sample_BTC: Tensor, step_B: Tensor | None) -> Tensor:
        return torch.where(is_known_BT[..., None], known_BTC.to(sample_BTC), sample_BTC)

    return constrain
