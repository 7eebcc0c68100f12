"""How a long voice is cut into windows of a fixed plan that join without a seam.

Every window begins with frames that the window before has settled. The network is given them as
they are and generates the rest to go with them; the last frames of a window, which have not heard
what follows them, are thrown away and generated again by the next. The plan depends on nothing but
frame numbers, so that a voice that arrives in pieces gives what the whole voice gives.

    window 0   [ settles first | ahead ]
    window 1   [ known         | settles hop     | ahead ]
    window 2             [ known                 | settles hop | ahead ]
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WindowConfig:
    """The windows that motion is generated in, and trained for."""

    length: int = 25
    """Most frames that the network sees at once; training cuts windows of this length out of its
    samples."""
    hop: int = 8
    """Frames that a window settles."""
    first: int = 7
    """Frames that the first window settles: a stream answers after first + ahead frames, and the
    one that log-mel features come late by; 12 are 0.48 s."""
    ahead: int = 4
    """Frames at a window's end that are heard but generated again by the next."""

    def __post_init__(self) -> None:
        if self.hop < 1 or self.first < 1 or self.ahead < 0:
            raise ValueError(
                f"windows need hop >= 1, first >= 1 and ahead >= 0, got {self.hop}, {self.first} "
                f"and {self.ahead}"
            )
        if max(self.hop, self.first) + self.ahead > self.length:
            raise ValueError(
                f"windows.length must hold hop or first, and ahead: at least "
                f"{max(self.hop, self.first) + self.ahead}, got {self.length}"
            )

    @property
    def known(self) -> int:
        """Most frames of a window that are settled already."""
        return self.length - self.hop - self.ahead

    @property
    def latency(self) -> int:
        """Frames of sound that must have come before the first motion does."""
        return self.first + self.ahead


@dataclass(frozen=True)
class MotionWindow:
    """One window: frames [start, stop), of which those before `settled` are known."""

    start: int
    settled: int
    """First frame that this window settles."""
    settles: int
    """First frame that it does not settle any more."""
    stop: int


def next_window(
    config: WindowConfig, settled: int, heard: int, *, is_end: bool
) -> MotionWindow | None:
    """Return the next window that can be generated, or None while too little was heard.

    Args:
        config: The plan.
        settled: Frames that are settled.
        heard: Frames of sound so far.
        is_end: No more will come.
    """
    hop = config.hop if settled else config.first
    start = max(0, settled - config.known)
    if settled + hop + config.ahead <= heard:
        return MotionWindow(start, settled, settled + hop, settled + hop + config.ahead)
    if is_end and settled < heard:
        return MotionWindow(start, settled, heard, heard)
    return None


def plan_windows(config: WindowConfig, num_frames: int) -> Iterator[MotionWindow]:
    """Yield the windows of a whole voice, in order."""
    settled = 0
    while window := next_window(config, settled, num_frames, is_end=True):
        yield window
        settled = window.settles
