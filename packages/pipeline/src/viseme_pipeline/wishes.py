"""What can be asked of one film besides its voice and its face."""

from dataclasses import dataclass, replace

from viseme_motion import Control

MIN_SIZE, MAX_SIZE = 64, 1024
AUTO_SIZES = (256, 512)
"""Least and greatest side of a rendered face unless asked otherwise."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """How a film is to be; the defaults suit most."""

    seed: int = 0
    """Another seed is another motion for the same voice."""
    lip: float = 1.0
    """How far lips go; 1 is as the model says."""
    eye: float = 1.0
    """How far eyes and lids go."""
    rest: float = 1.0
    """How far the rest of the face goes."""
    pose: float = 1.0
    """How far the head goes."""
    blink_rate: float | None = None
    """Blinks per second instead of the model's own; people blink 0.28 to 0.45 times."""
    close_in_silence: bool = True
    """Whether the mouth closes in pauses."""
    seal_lips: bool = True
    """Whether lips that nearly meet do meet."""
    face: int | None = None
    """Which face of a picture with several, from the left and from 1; by default the largest."""
    size: int | None = None
    """Side of the rendered face in pixels; by default that of its part of the picture, from 256 to
    512."""
    max_side: int = 1920
    """Longer side of the film at most; larger pictures are scaled down."""
    label: str = ""
    """Text in a corner that says what the film is; empty for none."""
    crf: float = 18.0
    """Quality of x264: 0 is lossless, 18 looks it, 23 is smaller."""

    def __post_init__(self) -> None:
        if self.size is not None and not MIN_SIZE <= self.size <= MAX_SIZE:
            raise ValueError(f"size must be from {MIN_SIZE} to {MAX_SIZE} pixels, got {self.size}")
        if self.max_side < MIN_SIZE:
            raise ValueError(f"max_side must be at least {MIN_SIZE} pixels, got {self.max_side}")
        if self.face is not None and self.face < 1:
            raise ValueError(f"face must be 1 or more, counted from the left, got {self.face}")
        if not 0 <= self.crf <= 51:
            raise ValueError(f"crf must be from 0 to 51, got {self.crf}")
        if not self.label.isascii() or not self.label.isprintable():
            raise ValueError(f"label must be one line of plain ASCII, got {self.label!r}")
        # Refuses gains and rates that mean nothing.
        _ = self.control

    @property
    def control(self) -> Control:
        """What the motion generator is told."""
        return Control(
            lip_gain=self.lip,
            eye_gain=self.eye,
            global_gain=self.rest,
            pose_gain=self.pose,
            blinks_per_sec=self.blink_rate,
            close_in_silence=self.close_in_silence,
            seal_lips=self.seal_lips,
        )

    def control_for(self, usual_blinks: float | None) -> Control:
        """Return what the motion generator is told, with a chain's own rate of blinks if any."""
        if self.blink_rate is None and usual_blinks is not None:
            return replace(self, blink_rate=usual_blinks).control
        return self.control

    def side_for(self, crop_side: float) -> int:
        """Return the side of the rendered face for a crop of so many source pixels."""
        if self.size is not None:
            return self.size
        low, high = AUTO_SIZES
        return min(high, max(low, -(-int(crop_side) // 32) * 32))
