"""VoxCeleb 1 and 2: `id00012/21Uxsk56VDQ/00001.mp4`, or `id10283#7l0n0RKmYvU#00001...mp4`.

The second is what the usual cropping scripts write. Sound is kept apart by VoxCeleb 2, as
`aac/id00012/21Uxsk56VDQ/00001.m4a` beside `mp4/id00012/...`.
"""

import re

from viseme_data.layouts.facts import ClipFacts, CorpusLayout

_PATH = re.compile(
    r"(?P<root>(?:.*/)?)(?P<place>(?P<speaker>id\d{5})/[\w-]{11}(?:\.\w+)?/\d{5})[^/]*"
)
_FLAT = re.compile(r"(?:.*/)?(?P<speaker>id\d{5})#[\w-]{11}#\d+.*")


def facts(path: str) -> ClipFacts | None:
    """Return the facts of a file by its path."""
    match = _PATH.fullmatch(path)
    if match is None:
        flat = _FLAT.fullmatch(path)
        return ClipFacts(speaker=flat["speaker"]) if flat else None
    root = match["root"]
    sound = f"{root[:-4]}aac/{match['place']}.m4a" if f"/{root}".endswith("/mp4/") else ""
    return ClipFacts(speaker=match["speaker"], sound=sound)


LAYOUT = CorpusLayout("voxceleb", "id00012/21Uxsk56VDQ/00001.mp4", facts)
