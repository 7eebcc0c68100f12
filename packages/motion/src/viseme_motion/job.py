"""What is asked of one voice, and the sound that it is asked for."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from viseme_core.types import AudioClip, Motion, ReferenceFace
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
    """Video mode: everything but the lips. A model that is told the face at rest is told its first
    frame."""
    control: Control = field(default_factory=Control)
    """Everything else."""

    def __post_init__(self) -> None:
        for name, value, kinds in (
            ("identity", self.identity, (Tensor, type(None))),
            ("reference", self.reference, (ReferenceFace, Motion, type(None))),
            ("clip", self.clip, (Motion, type(None))),
            ("control", self.control, (Control,)),
        ):
            if not isinstance(value, kinds):
                wanted = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
                raise ValueError(f"{name} must be a {wanted}, got {type(value).__name__}")
        if self.reference is not None and self.clip is not None:
            raise ValueError(
                "give a reference (image mode) or a clip (video mode), not both: the first frame "
                "of a clip is where its motion starts"
            )
        if self.control.pose == "clip" and self.clip is None and "pose" not in self.control.driven:
            raise ValueError(
                "control.pose is 'clip', but there is none; give clip=, or control.driven['pose']"
            )


def as_clips(audio: Any) -> list[AudioClip]:
    """Return the sounds of a call: one, or as many as a list holds.

    Raises:
        ValueError: If there is none, or something else.
    """
    clips = [audio] if isinstance(audio, AudioClip) else audio
    if not isinstance(clips, list | tuple):
        clips = [audio]
    if not clips:
        raise ValueError("the list of sounds is empty; give at least one AudioClip")
    for clip in clips:
        if not isinstance(clip, AudioClip):
            raise ValueError(
                f"sound must be an AudioClip or a list of them, got {type(clip).__name__}; wrap "
                f"samples as AudioClip(samples, rate_hz)"
            )
    return list(clips)


def pieces_of(chunks: Any, rate_hz: int) -> Iterable[tuple[Tensor, int]]:
    """Yield samples (S,) and rate of each piece of a sound.

    Args:
        chunks: Pieces, bare samples or AudioClips.
        rate_hz: Rate of bare samples.

    Raises:
        ValueError: If they are something else.
    """
    if isinstance(chunks, AudioClip | Tensor):
        raise ValueError(
            "stream() takes the pieces of a sound; give a whole one as a list, [sound]"
        )
    for chunk in chunks:
        if isinstance(chunk, AudioClip):
            yield chunk.samples_S, chunk.rate_hz
        elif isinstance(chunk, Tensor):
            yield chunk, rate_hz
        else:
            raise ValueError(
                f"a piece of sound must be a Tensor of samples or an AudioClip, got "
                f"{type(chunk).__name__}"
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
