"""Voice to lip and jaw landmarks: the completion transformer of TalkFormer, after IP_LAP.

    completer = LandmarkCompleter.from_checkpoint("runs/landmarks/small")
    landmarks = completer(AudioClip(samples), template)

Names are loaded when they are first used: importing the package by itself loads nothing but torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from viseme_landmarks.completer import LandmarkCompleter
    from viseme_landmarks.config import LandmarksConfig
    from viseme_landmarks.model import LandmarkModel
    from viseme_landmarks.references import choose_references

__all__ = ["LandmarkCompleter", "LandmarkModel", "LandmarksConfig", "choose_references"]

_HOMES = {
    "LandmarkCompleter": "completer",
    "LandmarkModel": "model",
    "LandmarksConfig": "config",
    "choose_references": "references",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
