"""Which expression directions move the lips, which the eyes, and which the rest (Eq. 1, 2).

A direction belongs to a region if closing that region changes it much, measured by its own spread.
Closing is done on the landmarks and the coefficients are fitted again, so that no editing network
is needed.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from viseme_core.types import NUM_EXPRESSION, Motion
from viseme_face import MorphableModel, close_eyes, close_lips
from viseme_face.regions import refit

NUM_LIP = 13
NUM_EYE = 8
# Tells coefficients to stay small when they are fitted again: without it the closing of lips is
# shared out among directions that move a face by less than can be seen.
_REFIT_WEIGHT = 1e-4
BUILTIN_FILE = Path(__file__).parent / "assets" / "subspaces.json"


@dataclass(frozen=True)
class Subspaces:
    """Expression directions by region; those of neither lips nor eyes are global."""

    lip: tuple[int, ...]
    """Directions of the lips, most sensitive first."""
    eye: tuple[int, ...]
    """Directions of the eyes, most sensitive first."""
    face_model: str
    """Face model whose directions these are."""

    def __post_init__(self) -> None:
        chosen = (*self.lip, *self.eye)
        if len(set(chosen)) != len(chosen) or not set(chosen) <= set(range(NUM_EXPRESSION)):
            raise ValueError(
                f"subspaces must name directions 0 to {NUM_EXPRESSION - 1}, each once, got lip "
                f"{list(self.lip)} and eye {list(self.eye)}"
            )
        if not self.lip or not self.eye:
            raise ValueError("subspaces need at least one direction for lips and one for eyes")

    @property
    def rest(self) -> tuple[int, ...]:
        """The global directions (Eq. 2)."""
        taken = {*self.lip, *self.eye}
        return tuple(i for i in range(NUM_EXPRESSION) if i not in taken)

    @property
    def regions(self) -> dict[str, tuple[int, ...]]:
        """Directions by the name of their region."""
        return {"lip": self.lip, "eye": self.eye, "global": self.rest}

    def save(self, path: Path | str) -> None:
        """Write them as JSON."""
        Path(path).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> "Subspaces":
        """Return the subspaces that `save` wrote.

        Raises:
            ValueError: If it is no such file.
        """
        try:
            plain = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(tuple(plain["lip"]), tuple(plain["eye"]), plain["face_model"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"cannot read the subspaces of {str(path)!r}: {error}") from error

    @classmethod
    def shipped(cls, face_model: str) -> "Subspaces":
        """Return the subspaces that come with the built-in face model.

        Raises:
            ValueError: If the face model is another.
        """
        found = cls.load(BUILTIN_FILE)
        if found.face_model != face_model:
            raise ValueError(
                f"the shipped subspaces belong to face model {found.face_model!r}, this is "
                f"{face_model!r}; choose them with `viseme-motion subspaces DATA`"
            )
        return found


def choose(
    motions: Iterable[Motion],
    model: MorphableModel,
    *,
    num_lip: int = NUM_LIP,
    num_eye: int = NUM_EYE,
) -> tuple[Subspaces, dict[str, Tensor]]:
    """Return the subspaces that data show, and the sensitivity (64,) of every direction by region.

    Lips choose first, eyes among the rest: `num_lip` directions of largest |change| / spread.

    Args:
        motions: Motion of many people on this face model.
        model: The face model.
        num_lip: K_lip.
        num_eye: K_eye.
    """
    motions = list(motions)
    if not motions:
        raise ValueError("subspaces are chosen from motion; got no clip")
    spread = torch.cat([motion.expression for motion in motions]).double().std(0)
    edits = {"lip": close_lips, "eye": close_eyes}
    sensitivity = {
        region: _change(motions, model, edit) / spread.clamp(min=1e-9)
        for region, edit in edits.items()
    }
    lip = sensitivity["lip"].argsort(descending=True)[:num_lip].tolist()
    left = sensitivity["eye"].clone()
    left[lip] = -1
    eye = left.argsort(descending=True)[:num_eye].tolist()
    return Subspaces(tuple(lip), tuple(eye), model.name), sensitivity


def _change(
    motions: list[Motion], model: MorphableModel, edit: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return how far closing a region moves each direction at most, averaged over clips.

    The paper's ratio is "of the maximum temporal variation to the standard deviation".
    """
    changes = [
        (refit(model, motion, edit, weight=_REFIT_WEIGHT).expression - motion.expression)
        .abs()
        .amax(0)
        for motion in motions
    ]
    return torch.stack(changes).double().mean(0)
