"""Silence: heard at any rate and in any pieces, the mouth shut in it and free before sound."""

import math

import pytest
import torch

from viseme_motion.silence import CLOSE_FRAMES, LOOK_FRAMES, LevelStream, SilenceGate

LOUD, ROOM = -20.0, -65.0


def closure_of(levels: list[float], look: int = LOOK_FRAMES) -> list[float]:
    gate = SilenceGate(look)
    gate.hear(levels)
    return gate.closure(len(levels)).tolist()


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 48_000, 7_999])
def test_the_level_is_the_power_of_each_frame_in_decibels(rate_hz):
    generator = torch.Generator().manual_seed(0)
    samples_S = 0.1 * torch.randn(rate_hz + 100, generator=generator)
    stream = LevelStream(rate_hz)
    levels = []
    for piece_S in samples_S.split(331):
        levels += stream.push(piece_S)
    levels += stream.finish()
    edges = [round(i * rate_hz / 25) for i in range(26)]
    for i in range(25):
        power = samples_S[edges[i] : edges[i + 1]].double().square().mean()
        assert levels[i] == pytest.approx(10 * math.log10(power), abs=1e-6)
    # The 100 samples that begin a frame more.
    assert len(levels) == 26
    whole = LevelStream(rate_hz)
    assert whole.push(samples_S) + whole.finish() == levels


def test_digital_silence_has_a_level():
    assert LevelStream(16_000).push(torch.zeros(640)) == [-120.0]


def test_the_mouth_is_shut_within_a_fifth_of_a_second_and_free_when_sound_begins():
    levels = [LOUD] * 20 + [ROOM] * 30 + [LOUD] * 20
    shut = closure_of(levels)
    assert not any(shut[:20])
    assert CLOSE_FRAMES / 25 <= 0.2
    assert shut[20 + CLOSE_FRAMES - 1] == 1.0
    # Open again by the frame in which the sound begins, on its way LOOK_FRAMES before.
    assert all(value == 1.0 for value in shut[24 : 50 - LOOK_FRAMES])
    assert shut[50 - LOOK_FRAMES] < 1
    assert not any(shut[50:])
    steps = torch.tensor(shut).diff().abs()
    assert steps.max() < 0.4


def test_a_pause_shorter_than_the_look_ahead_leaves_the_mouth_alone():
    for pause, shuts in ((LOOK_FRAMES, False), (LOOK_FRAMES + 1, True)):
        assert any(closure_of([LOUD] * 20 + [ROOM] * pause + [LOUD] * 20)) == shuts


def test_levels_between_the_two_thresholds_change_nothing():
    # 26 dB below the loudest: not low enough to begin silence, not high enough to end it.
    assert not any(closure_of([LOUD] * 20 + [LOUD - 26] * 20))
    assert closure_of([LOUD] * 20 + [ROOM] * 10 + [LOUD - 26] * 20)[-10:] == [1.0] * 10


def test_a_quiet_room_does_not_become_speech_however_long_it_lasts():
    shut = closure_of([LOUD] * 20 + [ROOM] * 25 * 120)
    assert set(shut[30:]) == {1.0}


def test_the_voice_may_be_quiet_or_loud():
    for gain in (-15.0, 15.0):
        shut = closure_of([LOUD + gain] * 50 + [LOUD + gain - 45] * 20)
        assert not any(shut[5:50])
        assert shut[-1] == 1.0


def test_pieces_give_the_same_as_the_whole():
    generator = torch.Generator().manual_seed(0)
    levels = (LOUD - 45 * (torch.rand(40, generator=generator) > 0.5)).repeat_interleave(7).tolist()
    whole = closure_of(levels)
    gate, found = SilenceGate(), []
    for start in range(0, len(levels), 10):
        gate.hear(levels[start : start + 10])
        # What a stream can answer by now.
        found += gate.closure(max(0, start + 10 - LOOK_FRAMES - len(found))).tolist()
    assert found + gate.closure(len(levels) - len(found)).tolist() == whole
    assert 0 < sum(whole) < len(whole)
