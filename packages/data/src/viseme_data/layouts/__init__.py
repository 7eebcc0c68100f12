"""How corpora name their files: a relative path to speaker, language and emotion.

layout = choose_layout("auto", ["M003/video/front/angry/level_1/001.mp4", ...])
layout.facts("M003/video/front/angry/level_1/001.mp4").speaker      # "M003"
"""

from viseme_data.layouts.choose import LayoutName, choose_layout
from viseme_data.layouts.facts import ClipFacts, CorpusLayout

__all__ = ["ClipFacts", "CorpusLayout", "LayoutName", "choose_layout"]
