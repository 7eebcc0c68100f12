"""Which systems there are, as the stages' own configurations say, and which weights are at hand."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from viseme_motion.config import MotionConfig
from viseme_render import FrameRenderer
from viseme_render.config import RenderConfig

StageName = Literal["motion", "render", "landmarks"]

RUNS = Path("runs")
"""Where `make train-...` leaves what it trained, below the current folder."""


def motion_systems() -> tuple[str, ...]:
    """Return the systems that make motion of a voice."""
    return _systems_of(MotionConfig)


def render_systems() -> dict[str, bool]:
    """Return the systems that draw frames with weights, and whether they take motion."""
    return {system: system in FrameRenderer._systems for system in _systems_of(RenderConfig)}


def has_landmarks() -> bool:
    """Return whether this installation has a stage that makes landmarks of a voice."""
    return find_spec("viseme_landmarks.completer") is not None


def trained_here(stage: StageName, system: str = "") -> Path | None:
    """Return the folder of the run under `runs/` that ended last, None if there is none.

    Args:
        stage: Of which stage.
        system: Of which of its systems; stages with one have no folder for it.
    """
    files = list((RUNS / stage / system).glob(f"*/{stage}.safetensors"))
    return max(files, key=lambda file: file.stat().st_mtime).parent if files else None


def _systems_of(config: type[Any]) -> tuple[str, ...]:
    return get_args(get_type_hints(config)["system"])
