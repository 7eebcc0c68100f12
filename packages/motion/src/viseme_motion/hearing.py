"""What is around each frame of sound, for features that do not know it.

HuBERT and wav2vec 2.0, which the papers hear with, have read the whole sentence; four columns of a
log-mel spectrogram have not, and an attention that begins without knowing which frame says what
needs hours of training to find out. A few convolutions give it a start.

Letters: B batch, T frames, A audio-feature width, D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from viseme_core.types import NUM_EXPRESSION
from viseme_motion.listener.config import ListenerConfig
from viseme_motion.listener.model import NUM_TARGETS, ListenerModel

DILATIONS = (1, 2, 1)
KERNEL = 3


class SoundContext(nn.Module):
    """Adds to each frame of sound what the frames around it say of it.

    Args:
        audio_dim: Width A of the audio features.
        dim: Width of the convolutions.
        is_causal: Frames hear nothing that comes after them; else as far to either side.
    """

    def __init__(self, audio_dim: int, dim: int, *, is_causal: bool) -> None:
        super().__init__()
        self.is_causal = is_causal
        self.enter = nn.Linear(audio_dim, dim)
        # Layer norm looks at one frame only: a norm over time would tell the past of the future.
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in DILATIONS)
        self.around = nn.ModuleList(nn.Conv1d(dim, dim, KERNEL, dilation=d) for d in DILATIONS)
        self.within = nn.ModuleList(nn.Linear(dim, dim) for _ in DILATIONS)
        self.leave = nn.Linear(dim, audio_dim)

    def forward(self, audio_BTA: Tensor, mask_BT: Tensor) -> Tensor:
        """Return features (B, T, A) that know their surroundings.

        Args:
            audio_BTA: Audio features.
            mask_BT: Real frames; the others sound like the nothing beyond a window's ends.
        """
        heard_BTD = self.enter(audio_BTA)
        for dilation, norm, around, within in zip(
            DILATIONS, self.norms, self.around, self.within, strict=True
        ):
            reach = (KERNEL - 1) * dilation
            before = reach if self.is_causal else reach // 2
            real_BTD = norm(heard_BTD) * mask_BT[..., None]
            padded_BDT = F.pad(real_BTD.transpose(1, 2), (before, reach - before))
            heard_BTD = heard_BTD + within(F.gelu(around(padded_BDT)).transpose(1, 2))
        return audio_BTA + self.leave(heard_BTD)


class PlainHearing(nn.Module):
    """Leaves features as they are."""

    def forward(self, audio_BTA: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the features (B, T, A)."""
        return audio_BTA


class ListenedSound(nn.Module):
    """Puts what a listener says of the face in the place of the sound; it does not learn any more.

    Args:
        config: The listener's.
    """

    def __init__(self, config: ListenerConfig) -> None:
        super().__init__()
        self.listener = ListenerModel(config).requires_grad_(False)

    def forward(self, audio_BTA: Tensor, mask_BT: Tensor) -> Tensor:
        """Return movements (B, T, Y) in units of their spread."""
        return self.listener(audio_BTA, mask_BT)


class Said(nn.Linear):
    """The face that a listener's words amount to, so that a network has the rest to explain.

    It begins with the coefficients as they were said, which are in units of their spread as well.
    """

    def __init__(self) -> None:
        super().__init__(NUM_TARGETS, NUM_EXPRESSION)
        with torch.no_grad():
            nn.init.zeros_(self.bias)
            self.weight.copy_(torch.eye(NUM_TARGETS)[-NUM_EXPRESSION:])


def build_hearing(
    audio_dim: int, dim: int, *, is_causal: bool, listener: ListenerConfig | None = None
) -> nn.Module:
    """Return a listener's hearing, else `SoundContext`, or for width 0 `PlainHearing`."""
    if listener is not None:
        return ListenedSound(listener)
    return SoundContext(audio_dim, dim, is_causal=is_causal) if dim else PlainHearing()


def heard_dim(hearing: nn.Module, audio_dim: int) -> int:
    """Return the width of what the hearing makes of audio features."""
    return NUM_TARGETS if isinstance(hearing, ListenedSound) else audio_dim
