"""The one place where the chain meets its marks: every film that is made goes through here."""

from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from viseme_pipeline.marks.config import Marks

MarksChoice = Marks | str | PathLike[str] | None
"""Which marks a film carries: a configuration, its YAML file, or None for all of them."""


class Marking:
    """What one film is marked with; warns if that is not all.

    Args:
        choice: Which marks it carries.
        label: Words in a corner; by default those that the configuration wants.

    Raises:
        ImportError: If the marks are not installed: no film is made without them.
        ValueError: If the choice is none.
    """

    def __init__(self, choice: MarksChoice = None, label: str = "") -> None:
        self._module = _marks()
        if choice is None:
            choice = Marks()
        self.marks = choice if isinstance(choice, Marks) else Marks.read(choice)
        self.marks.warn()
        self._label = label or (self._module.LABEL if self.marks.label else "")
        self._watermark = self._module.Watermark() if self.marks.watermark else None

    def check(self, size: tuple[int, int]) -> None:
        """Refuse, before a film is begun, what would keep it from being marked.

        Args:
            size: Width and height of the film.

        Raises:
            ValueError: If the label does not fit into the picture.
        """
        if self._label:
            self._module.check_label(self._label, size)

    def check_key(self) -> None:
        """Refuse, before anything is read, what would keep a film from being signed at its end.

        Raises:
            ImportError: If what signs is not installed.
            ValueError: If the key that signs cannot be used.
            OSError: If none can be made.
        """
        if self.marks.provenance:
            self._module.check_provenance()

    def embed(self, frames_THW3: np.ndarray, start: int) -> np.ndarray:
        """Return labelled and marked frames, uint8 (T, H, W, 3).

        Args:
            frames_THW3: uint8 RGB frames that follow each other.
            start: Number of the first of them in the film.
        """
        if self._label:
            frames_THW3 = self._module.draw_label(frames_THW3, self._label)
        if self._watermark is None:
            return frames_THW3
        return self._watermark.embed(frames_THW3, start)

    def sign(self, path: Path, facts: dict[str, str], *, title: str) -> None:
        """Rewrite a finished film with a signed note of how it was made.

        Args:
            path: The film.
            facts: What the note says, besides the marks that are left out.
            title: What the film will be called.
        """
        if self.marks.provenance:
            self._module.write_provenance(path, facts={**facts, **self.marks.facts}, title=title)


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
