"""MEAD: `M003/video/front/angry/level_1/001.mp4`, and the same joined into one name by `_`.

Sound is kept apart, as `M003/audio/angry/level_1/001.m4a`.
"""

import re

from viseme_data.layouts.facts import ClipFacts, CorpusLayout

EMOTIONS = ("angry", "contempt", "disgusted", "fear", "happy", "neutral", "sad", "surprised")
VIEWS = ("front", "down", "top", "left_30", "left_60", "right_30", "right_60")

_SPEAKER = r"(?P<speaker>[MW]\d{3})"
_VIEW, _EMOTION = f"(?:{'|'.join(VIEWS)})", f"(?:{'|'.join(EMOTIONS)})"
_PATH = re.compile(
    rf"(?P<root>(?:.*/)?){_SPEAKER}/video/{_VIEW}/(?P<emotion>{_EMOTION})/level_(?P<level>\d)"
    rf"/(?P<take>\d{{3}})\.\w+"
)
_FLAT = re.compile(
    rf"(?:.*/)?{_SPEAKER}_(?:{_VIEW}_)?"
    rf"(?:(?P<emotion>{_EMOTION})_level_(?P<level>\d)|level_(?P<level2>\d)_(?P<emotion2>{_EMOTION}))"
    rf"_\d{{3}}\.\w+"
)


def facts(path: str) -> ClipFacts | None:
    """Return the facts of a file by its path."""
    if match := _PATH.fullmatch(path):
        folder = f"{match['root']}{match['speaker']}/audio/{match['emotion']}"
        return ClipFacts(
            speaker=match["speaker"],
            language="en",
            emotion=match["emotion"],
            emotion_level=int(match["level"]),
            sound=f"{folder}/level_{match['level']}/{match['take']}.m4a",
        )
    if match := _FLAT.fullmatch(path):
        return ClipFacts(
            speaker=match["speaker"],
            language="en",
            emotion=match["emotion"] or match["emotion2"],
            emotion_level=int(match["level"] or match["level2"]),
        )
    return None


LAYOUT = CorpusLayout("mead", "M003/video/front/angry/level_1/001.mp4", facts)
