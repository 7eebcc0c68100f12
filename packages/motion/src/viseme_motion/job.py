"""What is asked of one voice."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from viseme_core.types import Motion, ReferenceFace
from viseme_motion.control import Control

Reference = ReferenceFace | Motion
"""A face to start from: a portrait, or motion, of which the first frame counts."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """One voice's wishes."""

    seed: int = 0
    """Another seed is another motion."""
    identity: Tensor | None = None
    """(80,) identity; that of the reference or clip, or else the mean face, by default."""
    reference: Reference | None = None
    """Image mode: one frame in which the face starts and around which it rests."""
    clip: Motion | None = None
    """Video mode: everything but the lips."""
    control: Control = field(default_factory=Control)
    """Everything else."""

    def __post_init__(self) -> None:
        if self.reference is not None and self.clip is not None:
            raise ValueError(
                "give a reference (image mode) or a clip (video mode), not both: the first frame "
                "of a clip is where its motion starts"
            )
        if self.control.pose == "clip" and self.clip is None and "pose" not in self.control.driven:
            raise ValueError(
                "control.pose is 'clip', but there is none; give clip=, or control.driven['pose']"
            )


def spread_jobs(count: int, options: dict[str, Any]) -> list[Job]:
    """Return one job per sound; an option that is no list is everyone's."""
    for name, value in options.items():
        if isinstance(value, list | tuple):
            if len(value) != count:
                raise ValueError(f"{name} is a list of {len(value)}, but there are {count} sounds")
        else:
            options[name] = [value] * count
    options["control"] = [control or Control() for control in options["control"]]
    return [Job(**{name: values[i] for name, values in options.items()}) for i in range(count)]
