"""Which systems there are, as the stages' own configurations say, and which weights are at hand."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from viseme_motion.config import MotionConfig
from viseme_pipeline.dubbing_rules import SYSTEM
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


def chain_systems() -> tuple[str, ...]:
    """Return the systems that drive a face by a voice: by motion, and then by landmarks."""
    return (*motion_systems(), SYSTEM)


def trained_here(stage: StageName, system: str = "") -> Path | None:
    """Return the folder of the run under `runs/` that ended last, None if there is none.

    Args:
        stage: Of which stage.
        system: Of which of its systems; stages with one have no folder for it.
    """
    return _latest((RUNS / stage / system).glob(f"*/{stage}.safetensors"))


def pair_trained_here() -> tuple[Path, Path] | None:
    """Return the newest runs of landmarks and TalkFormer, None if one of them is missing.

    Those of a joint run are preferred: they were trained for each other.
    """
    joint = _latest((RUNS / "joint").glob("*/landmarks.safetensors"))
    if joint is not None and (joint / "render.safetensors").is_file():
        return joint, joint
    landmarks, renderer = trained_here("landmarks"), trained_here("render", SYSTEM)
    return None if landmarks is None or renderer is None else (landmarks, renderer)


def _latest(files: Iterable[Path]) -> Path | None:
    """Return the folder of the newest file."""
    file = max(files, key=lambda file: file.stat().st_mtime, default=None)
    return None if file is None else file.parent


def _systems_of(config: type[Any]) -> tuple[str, ...]:
    return get_args(get_type_hints(config)["system"])
