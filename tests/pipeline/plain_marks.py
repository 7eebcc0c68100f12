"""Marks that change nothing and remember what they were asked, for tests of all but marks."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass
class PlainMarks:
    """Stands where `viseme_pipeline.marks` would."""

    starts: list[int] = field(default_factory=list)
    frames: list[np.ndarray] = field(default_factory=list)
    facts: list[dict[str, str]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    LABEL: str = "AI generated"

    def Watermark(self) -> "PlainMarks":  # noqa: N802, as the real one is called
        return self

    def embed(self, frames_THW3: np.ndarray, start: int) -> np.ndarray:
        self.starts.append(start)
        self.frames.append(frames_THW3.copy())
        return frames_THW3

    def draw_label(self, frames_THW3: np.ndarray, text: str) -> np.ndarray:
        self.labels.append(text)
        return frames_THW3

    def check_label(self, text: str, size: tuple[int, int]) -> None:
        pass

    def check_provenance(self) -> None:
        pass

    def write_provenance(self, path: Path, *, facts: dict[str, str], title: str) -> None:
        assert path.is_file()
        assert title.endswith(".mp4")
        self.facts.append(facts)

    def detect(self, path: Path) -> Any:
        @dataclass
        class Found:
            found: bool = "marked" in Path(path).name

            def describe(self) -> str:
                return "found" if self.found else "nothing"

        return Found()
