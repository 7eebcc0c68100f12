"""The window plan: how a signal of any length is cut into overlapping windows.

Block b owns the units [b W, (b + 1) W) and is computed from the units [b W - C, (b + 1) W + C),
clipped to the signal. The plan is the definition of what a long signal's features are: file and
stream compute the same windows, so how the sound arrives cannot matter. A unit is a fixed number
of samples: one video frame for encoders, one period of the rate ratio for the resampler.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class WindowPlan:
    """Length W and context C of the windows, in units."""

    length: int
    context: int

    @property
    def latency(self) -> int:
        """Units that must have arrived before a window's first unit comes out: W + C."""
        return self.length + self.context


@dataclass(frozen=True)
class Window:
    """One window's sound, and which of its units to keep."""

    samples_S: Tensor
    num_units: int
    keep: slice


class WindowCutter:
    """Cuts a growing signal into the windows of a plan and holds only what is still needed.

    Args:
        plan: Length and context of the windows.
        unit: Samples per unit.
    """

    def __init__(self, plan: WindowPlan, unit: int) -> None:
        self._plan = plan
        self._unit = unit
        self._block = 0
        # Pieces are joined only when a window is complete: a stream of single samples stays linear.
        self._pieces: list[Tensor] = []
        self._start = 0
        self._stop = 0

    def push(self, samples_S: Tensor) -> list[Window]:
        """Return the windows that these samples complete, right context included."""
        # The caller may reuse the memory before the window is complete.
        self._pieces.append(samples_S.clone())
        self._stop += samples_S.shape[0]
        complete = self._stop // self._unit
        num_ready = (complete - self._plan.context) // self._plan.length - self._block
        return self._cut(num_ready, complete)

    def finish(self, num_units: int) -> list[Window]:
        """Return the remaining windows of a signal that turned out to be `num_units` long.

        The last unit may be incomplete: its window is then shorter than its units. Samples after
        the last unit are left out.
        """
        num_left = -(-num_units // self._plan.length) - self._block
        return self._cut(num_left, num_units)

    def _cut(self, num_blocks: int, num_units: int) -> list[Window]:
        if num_blocks <= 0:
            return []
        signal = torch.cat(self._pieces)
        windows = []
        for block in range(self._block, self._block + num_blocks):
            own = block * self._plan.length
            start = self._first_unit(block)
            stop = min(own + self._plan.latency, num_units)
            samples = signal[start * self._unit - self._start : stop * self._unit - self._start]
            keep = slice(own - start, own - start + self._plan.length)
            windows.append(Window(samples, stop - start, keep))
        self._block += num_blocks
        needed = min(self._first_unit(self._block) * self._unit, self._stop)
        # A copy, so that what went before can be freed.
        self._pieces = [signal[needed - self._start :].clone()]
        self._start = needed
        return windows

    def _first_unit(self, block: int) -> int:
        return max(0, block * self._plan.length - self._plan.context)
