"""Long voices in windows: which frames are completed together, and which of them are kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Windows(NamedTuple):
    """Windows, and where each frame that is kept lies in them."""

    frames_XL: Tensor
    """Numbers of the frames of each window, int64."""
    window_T: Tensor
    """Which window each kept frame is taken from, in order, int64."""
    row_T: Tensor
    """At which of its places it stands."""


@dataclass(frozen=True)
class CompletionPlan:
    """Windows of `length` frames, of each of which the middle `hop` are kept.

    Block b owns the frames [b hop, (b + 1) hop); its window lies around them, moved inwards where
    it would reach beyond the first frame or the last. What comes out does not depend on how the
    sound arrives: a block waits for its window, or for the end.
    """

    length: int
    hop: int

    @property
    def lead(self) -> int:
        """Frames of a window before those that are kept."""
        return (self.length - self.hop) // 2

    @property
    def latency(self) -> int:
        """Frames that must have arrived, from a block's first on, before it comes out."""
        return self.length - self.lead

    def num_ready(self, num_frames: int) -> int:
        """Return how many blocks can come out while more frames may follow."""
        # Blocks before the first whole window's middle wait for that window too.
        ready = (num_frames - self.latency) // self.hop + 1
        return max(0, ready) if num_frames >= self.length else 0

    def num_blocks(self, num_frames: int) -> int:
        """Return how many blocks a voice of known length has."""
        return -(-num_frames // self.hop)

    def windows(self, blocks: Iterable[int], num_frames: int) -> Windows:
        """Return the windows of blocks.

        Args:
            blocks: Numbers of successive blocks.
            num_frames: Frames that are there; windows do not reach beyond them.
        """
        length = min(self.length, num_frames)
        starts, window, row = [], [], []
        for number, block in enumerate(blocks):
            own = range(block * self.hop, min((block + 1) * self.hop, num_frames))
            start = max(0, min(own.start - self.lead, num_frames - length))
            starts.append(start)
            window += [number] * len(own)
            row += [frame - start for frame in own]
        frames_XL = torch.tensor(starts)[:, None] + torch.arange(length)
        return Windows(frames_XL, torch.tensor(window), torch.tensor(row))
