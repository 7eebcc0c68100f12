"""Voice to 3DMM motion by diffusion: FD2Talk's two transformers, DisentTalk's regions.

    generator = MotionGenerator.from_checkpoint("runs/motion/disenttalk/small", preset="fast")
    motion = generator(AudioClip(samples))

Names are loaded when they are first used: importing the package by itself loads nothing but torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from viseme_motion.control import Control
    from viseme_motion.generator import MotionGenerator
    from viseme_motion.motion_file import load_motion, save_motion
    from viseme_motion.pose_source import mirror_loop
    from viseme_motion.presets import PRESETS, Preset

__all__ = [
    "PRESETS",
    "Control",
    "MotionGenerator",
    "Preset",
    "load_motion",
    "mirror_loop",
    "save_motion",
]

_HOMES = {
    "PRESETS": "presets",
    "Control": "control",
    "MotionGenerator": "generator",
    "Preset": "presets",
    "load_motion": "motion_file",
    "mirror_loop": "pose_source",
    "save_motion": "motion_file",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
