"""CHDTF, the Mandarin corpus of DisentTalk; its scheme of names is not published.

Taken to be HDTF's: a number at the end counts the clips of what stands before it, and that is the
speaker; in folders, the folder is. `auto` therefore never chooses it.
"""

import re
from pathlib import PurePosixPath

from viseme_data.layouts.facts import ClipFacts, CorpusLayout

_NAME = re.compile(r"(?P<speaker>.*?[^\W\d_].*?)[_-]?\d+")


def facts(path: str) -> ClipFacts:
    """Return the facts of a file by its folder, or its name at the top."""
    place = PurePosixPath(path)
    match = _NAME.fullmatch(place.stem)
    speaker = place.parent.name or (match["speaker"] if match else place.stem)
    return ClipFacts(speaker=speaker, language="cmn")


LAYOUT = CorpusLayout("chdtf", "SPEAKER/000.mp4 or SPEAKER_000.mp4", facts)
