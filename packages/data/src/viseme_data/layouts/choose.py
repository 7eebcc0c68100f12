"""Which layout a set of files follows."""

from collections.abc import Sequence
from typing import Literal

from viseme_data.layouts import chdtf, folder, hdtf, mead, vfhq, voxceleb
from viseme_data.layouts.facts import CorpusLayout

LayoutName = Literal["auto", "folder", "hdtf", "voxceleb", "mead", "vfhq", "chdtf"]

# Of all files; the rest may be strays that came with a corpus.
_MATCHING = 0.9
# Those that a file's name can prove; any name fits the others.
_PROVABLE = (hdtf.LAYOUT, voxceleb.LAYOUT, mead.LAYOUT, vfhq.LAYOUT)
_ALL = {layout.name: layout for layout in (*_PROVABLE, folder.LAYOUT, chdtf.LAYOUT)}


def choose_layout(name: LayoutName, paths: Sequence[str]) -> CorpusLayout:
    """Return the layout of that name; for `auto` the one that nine files in ten follow.

    Args:
        name: Layout, or `auto`.
        paths: Relative paths with `/`; where no corpus' scheme fits them, `auto` is `folder`.

    Raises:
        ValueError: If there is no such layout.
    """
    if name != "auto":
        if name not in _ALL:
            raise ValueError(f"layout must be auto or one of {', '.join(_ALL)}, got {name!r}")
        return _ALL[name]
    for layout in _PROVABLE:
        matching = sum(layout.facts(path) is not None for path in paths)
        if paths and matching >= _MATCHING * len(paths):
            return layout
    return folder.LAYOUT
