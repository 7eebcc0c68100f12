"""The mouth shape of every speech sound, kept in a small table.

The shipped targets of jaw, opening and width were learned from real speech, the others come from
phonetics (the file's `about` says more); `viseme_data.synthetic.viseme_learning` learns a table.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from viseme_data.synthetic.phonemes import PAUSE, inventory

CHANNELS = ("jaw", "opening", "width", "protrusion", "tuck", "press", "tongue")
"""What a mouth shape consists of: chin drop, gap of the lips, change of the distance of the corners
and protrusion, each in millimetres of the mean face; how far the lower lip is tucked under the
upper teeth, how hard the lips are pressed and how high the tip of the tongue is, from 0 to 1."""
TABLE_FILE = Path(__file__).parent / "assets" / "visemes.json"


class MouthShape(NamedTuple):
    """What one sound wants of the mouth."""

    target: tuple[float, ...]
    """Value per channel."""
    dominance: tuple[float, ...]
    """How strongly it insists on each against its neighbours."""
    contact: bool
    """The lips touch, whatever the neighbours want."""


@dataclass(frozen=True)
class VisemeTable:
    """Mouth shapes by the name of the sound."""

    shapes: Mapping[str, MouthShape]

    def __post_init__(self) -> None:
        missing = [name for name in inventory().names if name not in self.shapes]
        if missing:
            raise ValueError(f"the table of mouth shapes lacks {missing}; give every sound a shape")
        for name, shape in self.shapes.items():
            if len(shape.target) != len(CHANNELS) or len(shape.dominance) != len(CHANNELS):
                raise ValueError(
                    f"mouth shape {name!r} must have {len(CHANNELS)} targets and dominances "
                    f"({', '.join(CHANNELS)}), got {len(shape.target)} and {len(shape.dominance)}"
                )
            if min(shape.dominance) <= 0:
                raise ValueError(f"mouth shape {name!r} must have dominances above 0")

    @classmethod
    def load(cls, path: Path | str = TABLE_FILE) -> "VisemeTable":
        """Return the table of a file that `save` wrote, by default the shipped one.

        Raises:
            ValueError: If it is no such file, or of other channels.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            channels, rows = tuple(content["channels"]), content["shapes"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"cannot read the table of mouth shapes {str(path)!r}: {error}"
            ) from error
        if channels != CHANNELS:
            raise ValueError(f"{str(path)!r} has channels {channels}, expected {CHANNELS}")
        return cls({name: _read_shape(row) for name, row in rows.items()})

    def save(self, path: Path | str, about: str) -> None:
        """Write the table; the same table gives the same bytes."""
        rows = [
            f"  {json.dumps(name)}: {json.dumps(_write_shape(self.shapes[name]))}"
            for name in inventory().names
        ]
        head = f' "about": {json.dumps(about)},\n "channels": {json.dumps(CHANNELS)},\n'
        content = "{\n" + head + ' "shapes": {\n' + ",\n".join(rows) + "\n }\n}\n"
        Path(path).write_text(content, encoding="utf-8")

    @property
    def digest(self) -> str:
        """Eight hex digits over all numbers."""
        rows = [[name, _write_shape(self.shapes[name])] for name in inventory().names]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:8]

    def targets(self, names: tuple[str, ...]) -> Tensor:
        """Return the targets of some sounds, (P, channels)."""
        return torch.tensor([self.shapes[name].target for name in names], dtype=torch.float64)

    def dominances(self, names: tuple[str, ...]) -> Tensor:
        """Return the dominances of some sounds, (P, channels)."""
        return torch.tensor([self.shapes[name].dominance for name in names], dtype=torch.float64)

    @property
    def rest(self) -> Tensor:
        """Shape of a silent mouth, (channels,)."""
        return self.targets((PAUSE,))[0]

    def with_targets(self, targets: Mapping[str, tuple[float, ...]]) -> "VisemeTable":
        """Return the same table with other targets for some sounds."""
        changed = {
            name: self.shapes[name]._replace(target=target) for name, target in targets.items()
        }
        return VisemeTable({**self.shapes, **changed})


@cache
def builtin_table() -> VisemeTable:
    """Return the shipped table, read once."""
    return VisemeTable.load()


def _read_shape(row: dict) -> MouthShape:
    return MouthShape(tuple(row["target"]), tuple(row["dominance"]), bool(row["contact"]))


def _write_shape(shape: MouthShape) -> dict:
    return {
        "target": [round(value, 4) for value in shape.target],
        "dominance": [round(value, 4) for value in shape.dominance],
        "contact": shape.contact,
    }
