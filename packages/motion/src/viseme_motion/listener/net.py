"""Members of the committee: a few convolutions over features of a voice, or one and no more.

Letters: B batch, T frames, A audio-feature width, D width, Y targets of a frame.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Hide = Callable[[Tensor, str], Tensor]
"""Hides a share of some values (B, T, D), drawn by a name."""


class Member(nn.Module):
    """Says the targets of each frame from the sound around it.

    Args:
        audio_dim: Width A of the audio features.
        dim: Width D.
        num_targets: Targets Y of a frame.
        num_blocks: Convolutions.
        kernel: Frames of each.
    """

    def __init__(
        self, audio_dim: int, dim: int, num_targets: int, *, num_blocks: int, kernel: int
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(audio_dim, dim)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(num_blocks))
        self.around = nn.ModuleList(
            nn.Conv1d(dim, dim, kernel, padding=kernel // 2) for _ in range(num_blocks)
        )
        self.leave = nn.Linear(dim, num_targets)

    def forward(self, audio_BTA: Tensor, mask_BT: Tensor, hide: Hide | None = None) -> Tensor:
        """Return the targets (B, T, Y).

        Args:
            audio_BTA: Audio features, in units of their spread.
            mask_BT: Real frames; the others sound like the nothing beyond a clip's ends.
            hide: What hides a share of the features in training.
        """
        hide = hide or _leave_all
        hidden_BTD = self.enter(hide(audio_BTA, "enter"))
        for number, (norm, around) in enumerate(zip(self.norms, self.around, strict=True)):
            seen_BTD = hide(norm(hidden_BTD), f"block{number}") * mask_BT[..., None]
            hidden_BTD = hidden_BTD + F.gelu(around(seen_BTD.transpose(1, 2)).transpose(1, 2))
        return self.leave(hidden_BTD)


class LinearMember(nn.Module):
    """Says the targets of each frame as a weighted sum of the sound around it.

    Trained with much of the sound hidden it is a ridge regression: hiding a share p costs what a
    penalty of p / (1 - p) on squared weights does, for features in units of their spread.

    Args:
        audio_dim: Width A of the audio features.
        num_targets: Targets Y of a frame.
        kernel: Frames that are heard, an odd number.
    """

    def __init__(self, audio_dim: int, num_targets: int, kernel: int) -> None:
        super().__init__()
        # Features that tell nothing shall weigh nothing, not what chance gave them.
        self.weight = nn.Parameter(torch.zeros(num_targets, audio_dim, kernel))
        self.bias = nn.Parameter(torch.zeros(num_targets))

    def forward(self, audio_BTA: Tensor, mask_BT: Tensor, hide: Hide | None = None) -> Tensor:
        """Return the targets (B, T, Y), from what `Member.forward` is given."""
        seen_BTA = (hide or _leave_all)(audio_BTA, "linear") * mask_BT[..., None]
        around = self.weight.shape[-1] // 2
        said_BYT = F.conv1d(seen_BTA.transpose(1, 2), self.weight, self.bias, padding=around)
        return said_BYT.transpose(1, 2)


def _leave_all(values: Tensor, _: str) -> Tensor:
    return values
