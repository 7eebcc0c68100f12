"""Any folder: whoever has a folder is a speaker."""

from pathlib import PurePosixPath

from viseme_data.layouts.facts import ClipFacts, CorpusLayout


def facts(path: str) -> ClipFacts:
    """Return the folder of a file as its speaker; a file at the top is a speaker of its own."""
    place = PurePosixPath(path)
    # One speaker for all files at the top would put all of them into one split.
    return ClipFacts(speaker=place.parent.name or place.stem)


LAYOUT = CorpusLayout("folder", "SPEAKER/anything.mp4", facts)
