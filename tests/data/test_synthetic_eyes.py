from itertools import pairwise

import numpy as np
import pytest
import torch

from viseme_core.draws import Draws
from viseme_core.types import FPS
from viseme_data.synthetic.blinks import (
    MAX_RATE_HZ,
    MIN_RATE_HZ,
    Blink,
    EyeStyle,
    close_lids,
    move_gaze,
    plan_blinks,
)


def blinks_of(clips: int, style: EyeStyle, is_pause: torch.Tensor) -> list[list[Blink]]:
    return [plan_blinks(Draws(7, clip, [0]), style, is_pause) for clip in range(clips)]


@pytest.mark.parametrize("rate_hz", [0.28, 0.36, 0.45])
def test_over_minutes_people_blink_as_often_as_their_rate_says(rate_hz: float) -> None:
    is_pause = torch.arange(10 * FPS) % 70 < 15
    started = [
        blink
        for clip in blinks_of(60, EyeStyle(blink_rate_hz=rate_hz), is_pause)
        for blink in clip
        if blink.start_sec >= 0
    ]
    measured = len(started) / 600
    # Ten minutes hold about two hundred blinks, so that chance is below a tenth.
    assert measured == pytest.approx(rate_hz, rel=0.15)
    assert MIN_RATE_HZ - 0.04 < measured < MAX_RATE_HZ + 0.05


def test_blinks_come_more_easily_in_pauses() -> None:
    is_pause = torch.arange(10 * FPS) % 100 < 50
    starts = [
        blink.start_sec
        for clip in blinks_of(80, EyeStyle(), is_pause)
        for blink in clip
        if blink.start_sec >= 0
    ]
    in_pause = np.mean([bool(is_pause[int(start * FPS)]) for start in starts])
    assert in_pause > 0.58


def test_no_blink_begins_before_the_last_is_over() -> None:
    for clip in blinks_of(20, EyeStyle(blink_rate_hz=0.45), torch.zeros(250, dtype=torch.bool)):
        starts = [blink.start_sec for blink in clip]
        assert all(after - before >= 0.5 for before, after in pairwise(starts))
        assert all(blink.end_sec - blink.start_sec < 0.5 for blink in clip)


def test_lids_fall_faster_than_they_rise_and_shut_the_eye() -> None:
    fine = 1000
    blink = Blink(0.2, 0.08, 0.04, 0.18, 1.0)
    # Frames of a camera that takes a thousand pictures a second.
    closed = close_lids([blink._replace(**_scaled(blink, fine / FPS))], fine).numpy()
    speed = np.diff(closed)
    assert closed.max() == 1
    assert speed.max() > 1.5 * -speed.min()
    shut = np.flatnonzero(closed > 0.999)
    assert 0.03 < len(shut) / fine < 0.1


def _scaled(blink: Blink, factor: float) -> dict[str, float]:
    names = ("start_sec", "close_sec", "hold_sec", "open_sec")
    return {name: getattr(blink, name) * factor for name in names}


def test_every_full_blink_shows_on_a_frame() -> None:
    for clip in blinks_of(20, EyeStyle(blink_rate_hz=0.45), torch.zeros(250, dtype=torch.bool)):
        closed = close_lids(clip, 250)
        for blink in clip:
            if blink.depth == 1 and blink.start_sec > 0 and blink.end_sec < 10:
                near = closed[int(blink.start_sec * FPS) : int(blink.end_sec * FPS) + 1]
                assert near.max() > 0.8


def test_eyes_rest_and_jump() -> None:
    still = torch.zeros(500, 3, dtype=torch.float64)
    gaze = torch.cat([move_gaze(Draws(3, clip, [0]), EyeStyle(), 500, still) for clip in range(8)])
    moves = gaze.diff(dim=0).norm(dim=-1)
    assert (moves < 1e-9).double().mean() > 0.85
    assert moves.max() > 0.05
    assert gaze.norm(dim=-1).max() < 0.4


def test_eyes_hold_a_point_while_the_head_turns() -> None:
    turn = torch.zeros(250, 3, dtype=torch.float64)
    turn[:, 1] = 0.2 * torch.sin(torch.arange(250) / 40)
    steady = move_gaze(Draws(3, 0, [0]), EyeStyle(), 250, torch.zeros_like(turn))
    held = move_gaze(Draws(3, 0, [0]), EyeStyle(), 250, turn)
    against = np.corrcoef((held - steady)[:, 1].numpy(), turn[:, 1].numpy())[0, 1]
    assert against < -0.99
