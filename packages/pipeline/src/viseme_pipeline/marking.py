"""The one place where the chain meets its marks: every film that is made goes through here."""

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class Watermarker(Protocol):
    """What marks the frames of one film."""

    def embed(self, frames_THW3: np.ndarray, start: int) -> np.ndarray:
        """Return marked frames, uint8 (T, H, W, 3).

        Args:
            frames_THW3: uint8 RGB frames that follow each other.
            start: Number of the first of them in the film.
        """
        ...


def new_watermark() -> Watermarker:
    """Return what marks the frames of one film.

    Raises:
        ImportError: If the marks are not installed: no film is made without them.
    """
    return _marks().Watermark()


def labelled(frames_THW3: np.ndarray, text: str) -> np.ndarray:
    """Return frames with a line of text in a corner; without text, the same frames.

    Args:
        frames_THW3: uint8 RGB.
        text: What it says.
    """
    return _marks().draw_label(frames_THW3, text) if text else frames_THW3


def check_marks() -> None:
    """Refuse, before a film is begun, what would keep it from being marked at its end.

    Raises:
        ImportError: If the marks are not installed: no film is made without them.
        ValueError: If the key that signs cannot be used.
        OSError: If none can be made.
    """
    _marks().check_provenance()


def write_provenance(path: Path, facts: dict[str, str], *, title: str) -> None:
    """Rewrite a finished film with a signed note of how it was made.

    Args:
        path: The film.
        facts: What the note says.
        title: What the film will be called.

    Raises:
        ImportError: If the marks are not installed.
    """
    _marks().write_provenance(path, facts=facts, title=title)


def describe_marks(path: Path) -> tuple[bool, str]:
    """Return whether a film carries the watermark, and a sentence about it.

    Args:
        path: The film.

    Raises:
        ImportError: If the marks are not installed.
        ValueError: If there is no video in the file.
    """
    found = _marks().detect(path)
    return found.found, found.describe()


def _marks() -> Any:
    try:
        return import_module("viseme_pipeline.marks")
    except ImportError as error:
        raise ImportError(
            f"the marks that every generated film carries cannot be loaded ({error}); install "
            f"viseme-pipeline completely: no film is made without them"
        ) from error
