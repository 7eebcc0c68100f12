"""The chain: a voice and a face to a video, joint fine-tuning, the `viseme` command.

    face = TalkingFace.from_pretrained()  # the embedded default, or a folder
    face.generate("voice.wav", "portrait.jpg", out="talking.mp4")

Names are loaded when they are first used: importing the package by itself loads nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from viseme_pipeline.chain import TalkingFace
    from viseme_pipeline.film import Film
    from viseme_pipeline.wishes import Wishes

__all__ = ["Film", "TalkingFace", "Wishes"]

_HOMES = {"Film": "film", "TalkingFace": "chain", "Wishes": "wishes"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
