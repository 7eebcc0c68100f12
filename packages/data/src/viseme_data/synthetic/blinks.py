"""Eyes: when they blink, how lids move, and where they look.

Blinks come 0.28 to 0.45 times a second, twice as easily in pauses; a lid falls in under a tenth of
a second and rises two to three times slower (Evinger et al., "Eyelid movements", 1991). Between
blinks eyes rest on a point and jump to the next.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from viseme_core.draws import Draws
from viseme_core.types import FPS

MIN_RATE_HZ, MAX_RATE_HZ = 0.28, 0.45
"""Range of blinks per second over people."""
_REFRACTORY_SEC = 0.5
_PAUSE_ODDS = 2.2
# Hazards are looked at this often, and from this long before the clip, so that a blink or the wait
# after one may be under way when it begins.
_STEP_SEC, _BEFORE_SEC = 0.01, 4.0
_CLOSE_SEC, _OPEN_SEC = (0.06, 0.09), (0.12, 0.22)
_HOLD_SEC = (0.015, 0.05)
_FULL_SHARE = 0.88
_FIXATION_SEC, _AVERTED_SEC = (0.8, 2.8), (0.4, 1.2)
_SACCADE_SEC = 0.045
_CONTACT_RAD = 0.025
_AVERT_RAD = (0.08, 0.2)


@dataclass(frozen=True, kw_only=True)
class EyeStyle:
    """How a person blinks and looks."""

    blink_rate_hz: float = 0.36
    """Blinks per second."""
    averted_share: float = 0.3
    """How often the eyes leave the listener when they move."""


class Blink(NamedTuple):
    """One blink."""

    start_sec: float
    close_sec: float
    hold_sec: float
    open_sec: float
    depth: float
    """1 shuts the eye."""

    @property
    def end_sec(self) -> float:
        """When the lid is up again."""
        return self.start_sec + self.close_sec + self.hold_sec + self.open_sec


def plan_blinks(draws: Draws, style: EyeStyle, is_pause_T: Tensor) -> list[Blink]:
    """Return the blinks of a clip, those that begin before it included if they reach into it.

    Args:
        draws: Draws of one clip.
        style: The person's.
        is_pause_T: In which frames nobody speaks.
    """
    num_steps = round((_BEFORE_SEC + len(is_pause_T) / FPS) / _STEP_SEC)
    luck, kind = (draws.uniform(f"blinks/{name}", num_steps)[0] for name in ("luck", "kind"))
    shape = draws.uniform("blinks/shape", num_steps, 3)[0]
    # Between blinks, after the wait, the hazard that makes up the rate; pauses take their part.
    hazard_hz = 1 / (1 / style.blink_rate_hz - _REFRACTORY_SEC)
    pause_share = float(is_pause_T.double().mean())
    speech_odds = 1 / (1 + (_PAUSE_ODDS - 1) * pause_share)
    blinks: list[Blink] = []
    free_from = -math.inf
    for step in range(num_steps):
        now_sec = step * _STEP_SEC - _BEFORE_SEC
        frame = max(0, int(now_sec * FPS))
        odds = speech_odds * (_PAUSE_ODDS if now_sec >= 0 and is_pause_T[frame] else 1.0)
        if now_sec < 0:
            odds = 1.0
        if now_sec < free_from or float(luck[step]) >= odds * hazard_hz * _STEP_SEC:
            continue
        blinks.append(_blink(now_sec, shape[step].tolist(), float(kind[step])))
        free_from = now_sec + _REFRACTORY_SEC
    return [blink for blink in blinks if blink.end_sec > 0]


def close_lids(blinks: list[Blink], num_frames: int) -> Tensor:
    """Return how far the lids are closed in every frame, (T,), 0 to 1."""
    times_T = (torch.arange(num_frames, dtype=torch.float64) + 0.5) / FPS
    closed_T = torch.zeros(num_frames, dtype=torch.float64)
    for blink in blinks:
        down_T = ((times_T - blink.start_sec) / blink.close_sec).clamp(0, 1)
        up_sec = blink.start_sec + blink.close_sec + blink.hold_sec
        up_T = ((times_T - up_sec) / blink.open_sec).clamp(0, 1)
        # The upper lid falls at a run and creeps up the last of its way.
        shape_T = down_T.square() * (3 - 2 * down_T) * (1 - up_T).square() * (1 + 2 * up_T)
        closed_T = torch.maximum(closed_T, blink.depth * shape_T)
    return closed_T


def move_gaze(draws: Draws, style: EyeStyle, num_frames: int, turn_T3: Tensor) -> Tensor:
    """Return where the eyes look in the head, (T, 2): rx, ry in radians as in a pose.

    Eyes hold a point in the room while the head turns, mostly the listener at the camera.

    Args:
        draws: Draws of one clip.
        style: The person's.
        num_frames: T.
        turn_T3: The head's angles.
    """
    seconds = num_frames / FPS
    most = int(seconds / min(_AVERTED_SEC)) + 2
    luck = draws.uniform("gaze/luck", most, 3)[0].double()
    where = draws.normal("gaze/where", most, 2)[0].double()
    times_T = (torch.arange(num_frames, dtype=torch.float64) + 0.5) / FPS
    gaze_T2 = torch.zeros(num_frames, 2, dtype=torch.float64)
    now_sec, place = -float(luck[0, 0]), torch.zeros(2, dtype=torch.float64)
    for number in range(most):
        is_averted = bool(luck[number, 0] < style.averted_share) and number > 0
        low, high = _AVERTED_SEC if is_averted else _FIXATION_SEC
        target = where[number] * _CONTACT_RAD
        if is_averted:
            target = _averted(where[number], float(luck[number, 2]))
        moved_T = ((times_T - now_sec) / _SACCADE_SEC).clamp(0, 1)[:, None]
        gaze_T2 = torch.where(moved_T > 0, torch.lerp(place, target, moved_T), gaze_T2)
        now_sec += low + (high - low) * float(luck[number, 1])
        place = target
    held_T2 = gaze_T2 - 0.9 * (turn_T3[:, :2] - turn_T3[:, :2].mean(0))
    return held_T2.clamp(-0.4, 0.4)


def _averted(direction_2: Tensor, luck: float) -> Tensor:
    # More to the side than up or down.
    unit_2 = direction_2 / direction_2.norm().clamp_min(1e-3)
    size = _AVERT_RAD[0] + luck * (_AVERT_RAD[1] - _AVERT_RAD[0])
    return unit_2 * size * torch.tensor([0.6, 1.0], dtype=torch.float64)


def _blink(start_sec: float, shape: list[float], kind: float) -> Blink:
    close, hold, reopen = (
        low + luck * (high - low)
        for luck, (low, high) in zip(shape, (_CLOSE_SEC, _HOLD_SEC, _OPEN_SEC), strict=True)
    )
    depth = 1.0 if kind < _FULL_SHARE else 0.5 + 0.4 * (kind - _FULL_SHARE) / (1 - _FULL_SHARE)
    return Blink(start_sec, close, hold, reopen, depth)
