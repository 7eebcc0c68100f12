"""The ways in which a film may show the marked picture: whole, mirrored, or a part of it.

Every way is one more question to the film, and chance gets one more try: `weight` says how much of
the level of false alarm each may use. They sum to one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from viseme_pipeline.marks import pattern


@dataclass(frozen=True, kw_only=True)
class View:
    """The part of the marked picture that a film shows, as shares of its sides."""

    name: str
    weight: float
    top: float = 0.0
    left: float = 0.0
    size: float = 1.0
    mirrored: bool = False

    @cached_property
    def waves(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the pattern's waves along the grid's rows and columns, each (GRID, K)."""
        columns = pattern.centres(self.left, self.size)
        if self.mirrored:
            columns = 1 - columns
        return pattern.waves(pattern.centres(self.top, self.size)), pattern.waves(columns)


# A part is found if its place is known to a quarter of a typical wave.
_SIZES = (0.95, 0.9, 0.85, 0.8, 0.75)
_STEP = 0.04


def _parts() -> Iterator[tuple[float, float, float]]:
    for size in _SIZES:
        num = round((1 - size) / _STEP) + 1
        places = np.linspace(0, 1 - size, num)
        for top in places:
            for left in places:
                yield size, float(top), float(left)


def _all_views() -> tuple[View, ...]:
    parts = list(_parts())
    return (
        View(name="whole", weight=0.7),
        View(name="mirrored", weight=0.1, mirrored=True),
        *(
            View(name=f"part of {size:.0%}", weight=0.2 / len(parts), size=size, top=top, left=left)
            for size, top, left in parts
        ),
    )


VIEWS = _all_views()
"""In the order in which they are asked."""
