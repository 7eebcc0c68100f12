"""HDTF: `WDA_BarackObama_000.mp4`, `WRA_MarcoRubio_001.mp4`, `RD_Radio34_002.mp4`.

Weekly addresses are named after the person, with a digit for further ones of the same person;
radio programmes by a number, one guest each. What follows the number are pieces that users cut.
"""

import re
from pathlib import PurePosixPath

from viseme_data.layouts.facts import ClipFacts, CorpusLayout

_NAME = re.compile(r"(?:(?:WDA|WRA)_(?P<person>[^_]+?)\d*|RD_(?P<radio>[^_]+))_\d+(?:_.*)?")


def facts(path: str) -> ClipFacts | None:
    """Return the facts of a file by its name."""
    match = _NAME.fullmatch(PurePosixPath(path).stem)
    if match is None:
        return None
    return ClipFacts(speaker=match["person"] or f"RD_{match['radio']}", language="en")


LAYOUT = CorpusLayout("hdtf", "WDA_BarackObama_000.mp4 or RD_Radio34_002.mp4", facts)
