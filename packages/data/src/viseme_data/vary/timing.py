"""A face that moves along when its sound is played at another speed.

A frame shows the face at the middle of its samples. So frame t of a clip at speed v shows what was
at the place v (t + 1/2) - 1/2 among the frames of the source.
"""

import torch
from torch import Tensor

from viseme_core.types import FPS, count_frames


def places_at(num_frames: int, speed: float) -> Tensor:
    """Return where among the frames of a clip those of the same at a speed lie, float64 (T,).

    Args:
        num_frames: Frames of the clip.
        speed: How much faster it is played.
    """
    num = count_frames(num_frames / speed / FPS)
    places_T = (torch.arange(num, dtype=torch.float64) + 0.5) * speed - 0.5
    return places_T.clamp(0, num_frames - 1)


def smooth_rows(values_TX: Tensor, places_T: Tensor) -> Tensor:
    """Return rows between rows, by cubics through them.

    Of a movement at 5 Hz, as lips make, straight lines would take away up to a fifth; these take a
    twentieth. The angles of a pose are far from where they jump by a turn.

    Args:
        values_TX: A row per frame.
        places_T: As `places_at` gives them.
    """
    below_T = places_T.floor().long()
    share_T = (places_T - below_T).reshape(-1, *[1] * (values_TX.ndim - 1))
    before, one, two, after = (
        values_TX[(below_T + step).clamp(0, len(values_TX) - 1)].double() for step in (-1, 0, 1, 2)
    )
    # Catmull and Rom's: the slope at a row is that between its neighbours.
    slope, bend = two - before, 2 * before - 5 * one + 4 * two - after
    twist = 3 * (one - two) + after - before
    rows = one + share_T * (slope + share_T * (bend + share_T * twist)) / 2
    return rows.to(values_TX.dtype)


def straight_rows(values_TX: Tensor, places_T: Tensor) -> Tensor:
    """Return rows between rows, which leave the range of none: for shares and the like."""
    below_T = places_T.floor().long()
    share_T = (places_T - below_T).reshape(-1, *[1] * (values_TX.ndim - 1))
    above_T = (below_T + 1).clamp(max=len(values_TX) - 1)
    rows = torch.lerp(values_TX[below_T].double(), values_TX[above_T].double(), share_T)
    return rows.to(values_TX.dtype)


def nearest_rows(values_TX: Tensor, places_T: Tensor) -> Tensor:
    """Return the nearest rows: for numbers of things, which have nothing in between."""
    return values_TX[(places_T + 0.5).floor().long().clamp(max=len(values_TX) - 1)]


def seen_rows(seen_T: Tensor, places_T: Tensor) -> Tensor:
    """Return where both frames that a place lies between were seen."""
    return seen_T[places_T.floor().long()] & seen_T[places_T.ceil().long()]
