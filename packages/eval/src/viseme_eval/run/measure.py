"""What a measure is: chunks of one clip in, numbers out.

A new one is a class with `quantities`, `update` and `finish`, and a line in `measures.registry`:

    class Brightness(VideoMeasure):
        quantities = (Quantity("brightness", "Brightness", "[-1, 1]", "none", "Mean of pixels."),)

        def start(self, clip: ClipFacts) -> None:
            self.frame_means: list[float] = []

        def update(self, view: View) -> None:
            self.frame_means += view.frames_T3HW.double().mean((1, 2, 3)).tolist()

        def finish(self) -> dict[str, float]:
            return {"brightness": math.fsum(self.frame_means) / len(self.frame_means)}

Measures keep a number per frame and add up at the end, so that results do not depend on where one
chunk ends and the next begins.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from torch import Tensor

Direction = Literal["higher", "lower", "reference", "none"]
"""Which value is better: more, less, one nearer the reference's own; or that is nobody's to say."""

Need = Literal["landmarks", "pose", "audio"]
"""What a measure cannot do without, besides frames."""


class SkippedError(ValueError):
    """A measure has no value for a clip; the message says why, for the row of the report."""


@dataclass(frozen=True)
class Quantity:
    """A number that a measure gives."""

    name: str
    """Its key in reports: lower case, no spaces."""
    title: str
    """How tables head it, as the papers do."""
    unit: str
    """dB, frames, share, ...; empty for pure numbers."""
    direction: Direction
    """Which value is better."""
    definition: str
    """One or two sentences for the report: formula, where it is from."""


@dataclass(frozen=True, kw_only=True)
class ClipFacts:
    """What is known of a clip before its first frame."""

    name: str
    """As the report calls it."""
    num_frames: int
    """Frames that both videos have, at 25 per second."""
    size: tuple[int, int]
    """Width and height of the frames that measures get."""
    work: Path
    """Empty folder of this clip, for what is too large for memory; it stays with the report."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Successive frames of one video, of the crop that both videos share."""

    start: int
    """Number of the first frame."""
    frames_T3HW: Tensor
    """Float32 RGB in [-1, 1]."""
    landmarks_TK3: Tensor | None
    """`mp478` in [0, 1] of the frame, depth as a share of its width; interpolated where no face
    was found."""
    seen_T: Tensor | None
    """False where landmarks are interpolated."""
    pose_T6: Tensor | None
    """Radians and model units, of the built-in face model."""
    audio_S: Tensor | None
    """16 kHz mono, 640 samples for each frame, silent after its end."""
    shared: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)
    """What measures of these frames have in common, such as a network's features of them: the
    first that needs it leaves it here, and it goes with the view."""

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return len(self.frames_T3HW)


@dataclass(frozen=True)
class Chunk:
    """The same frames of both videos."""

    generated: View
    reference: View


class Measure:
    """What all kinds share."""

    quantities: ClassVar[tuple[Quantity, ...]]
    needs: ClassVar[frozenset[Need]] = frozenset()
    networks: ClassVar[tuple[str, ...]] = ()
    """Names of networks that the constructor takes and without which there is no value; `a|b` is
    the first of them that is there."""

    def start(self, clip: ClipFacts) -> None:
        """Begin a clip; whatever was there of another is forgotten."""

    def finish(self) -> dict[str, float]:
        """Return the values of the clip by quantity.

        Raises:
            SkippedError: If it has none.
        """
        raise NotImplementedError

    def curves(self) -> Mapping[str, Sequence[float]]:
        """Return values per frame by name, NaN where there is none; for pictures."""
        return {}


class PairMeasure(Measure):
    """Compares a generated video with its reference."""

    def update(self, chunk: Chunk) -> None:
        """Take in the next frames of both."""
        raise NotImplementedError


class VideoMeasure(Measure):
    """Describes one video; the run asks for the generated one and for the reference."""

    def update(self, view: View) -> None:
        """Take in the next frames."""
        raise NotImplementedError


class SetMeasure(PairMeasure):
    """Compares all generated videos with all references: a value for the set, none for a clip.

    `finish` leaves what is needed in `ClipFacts.work`; `combine` reads that of all clips.
    """

    def combine(self, works: Sequence[Path]) -> dict[str, float]:
        """Return the values of the set.

        Args:
            works: Work folders of all clips that this measure finished.

        Raises:
            SkippedError: If there are none.
        """
        raise NotImplementedError


class Reading(NamedTuple):
    """A value, or why there is none."""

    value: float | None
    reason: str = ""


@dataclass
class Findings:
    """All that a clip's measures gave."""

    values: dict[str, Reading] = field(default_factory=dict)
    """Of the generated video, or of the pair."""
    reference: dict[str, Reading] = field(default_factory=dict)
    """Of the reference alone, where a measure describes one video."""
    curves: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """By name, then `generated` and `reference`, or `pair`."""
