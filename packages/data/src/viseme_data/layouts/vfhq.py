"""VFHQ: `Clip+2W4R9ZOOzSs+P0+C0+F1537-1825.mp4`: video, person in it, clip, frames."""

import re
from pathlib import PurePosixPath

from viseme_data.layouts.facts import ClipFacts, CorpusLayout

_NAME = re.compile(r"Clip\+(?P<video>.{11})\+P(?P<person>\d+)\+C\d+(?:\+F\d+-\d+)?.*")


def facts(path: str) -> ClipFacts | None:
    """Return the facts of a file by its name."""
    match = _NAME.fullmatch(PurePosixPath(path).stem)
    return ClipFacts(speaker=f"{match['video']}+P{match['person']}") if match else None


LAYOUT = CorpusLayout("vfhq", "Clip+2W4R9ZOOzSs+P0+C0+F1537-1825.mp4", facts)
