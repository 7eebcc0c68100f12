"""What validation and test of each system look at; the module logs what judges find.

A judge knows one system's batches. It holds no state, and the model is handed to it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from viseme_core.draws import Draws


class Score(NamedTuple):
    """A mean over some samples or frames."""

    name: str
    """What it is."""
    value: Tensor
    """The mean, ()."""
    number: int
    """Over how many; 0 where there is none."""


class FaceFinder(Protocol):
    """Finds faces in pictures: the datamodule does."""

    def found_points(self, pictures_T3HW: Tensor, points_TK2: Tensor) -> Tensor:
        """Return `mp478` landmarks (T, 478, 2) in [0, 1] of pictures; NaN where no face is found.

        Args:
            pictures_T3HW: Pictures in [-1, 1].
            points_TK2: Landmarks in [0, 1] that say where the face is.
        """
        ...


class Judge(Protocol):
    """Judges the pictures of one system."""

    def scores(self, model: Any, batch: Any, draws: Draws) -> Iterator[Score]:
        """Yield what validation and test look at, `loss` among them."""
        ...

    def test_scores(
        self, model: Any, batch: Any, draws: Draws, faces: FaceFinder
    ) -> Iterator[Score]:
        """Yield all that test looks at."""
        ...

    def films(self, model: Any, batch: Any) -> Tensor:
        """Return films to look at, (B, T, 3, H, W), pictures side by side."""
        ...

    def sheet(self, model: Any, batch: Any) -> Tensor:
        """Return a picture to look at, (3, H, W): a row each of what was given, made and true."""
        ...


def mean_of(name: str, values_T: Tensor) -> Score:
    """Return the mean of values that are finite: a reference may be one of the frames itself.

    Args:
        name: What they are.
        values_T: One of each frame, (T,).
    """
    found = values_T[values_T.isfinite()]
    count = len(found)
    return Score(name, found.mean() if count else found.new_zeros(()), count)
