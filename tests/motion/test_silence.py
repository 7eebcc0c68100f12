"""Silence: heard at any rate and in any pieces, the mouth shut in it and free before sound."""

import math

import pytest
import torch

from viseme_motion.silence import LOOK_FRAMES, WAIT_FRAMES, LevelStream, SilenceGate

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
    assert not any(shut[: 20 + WAIT_FRAMES])
    assert all(value == 1.0 for value in shut[20 + 5 : 50 - LOOK_FRAMES])
    # Open again by the frame in which the sound begins, on its way LOOK_FRAMES before.
    assert shut[50 - LOOK_FRAMES] < 1
    assert not any(shut[50:])
    steps = torch.tensor(shut).diff().abs()
    assert steps.max() < 0.4


def test_a_pause_of_less_than_three_tenths_of_a_second_leaves_the_mouth_alone():
    assert not any(closure_of([LOUD] * 20 + [ROOM] * 7 + [LOUD] * 20))


def test_the_shortest_pause_shuts_the_mouth_once_and_leaves_it_free_when_sound_begins():
    shut = closure_of([LOUD] * 20 + [ROOM] * 8 + [LOUD] * 20)
    assert shut[20:28] == pytest.approx([0, 0, 0, 1 / 3, 2 / 3, 1, 2 / 3, 1 / 3])
    assert not any(shut[:20] + shut[28:])


def test_without_looking_ahead_sound_opens_the_mouth_that_has_begun_to_close():
    shut = closure_of([LOUD] * 20 + [ROOM] * 5 + [LOUD] * 20, look=0)
    assert shut[20:28] == pytest.approx([0, 0, 0, 1 / 3, 2 / 3, 1 / 3, 0, 0])


def test_levels_between_the_two_thresholds_change_nothing():
    # 24.6 dB below the loudest: not low enough to begin silence, not high enough to end it. Speech
    # fades from memory by 0.4 dB until then.
    assert not any(closure_of([LOUD] * 20 + [LOUD - 24.6] * 20))
    assert closure_of([LOUD] * 20 + [ROOM] * 10 + [LOUD - 24.6] * 20)[-10:] == [1.0] * 10


def test_the_thresholds_are_25_and_24_decibels_below_the_loudest():
    assert any(closure_of([LOUD] * 20 + [LOUD - 25.2] * 20))
    assert not any(closure_of([LOUD] * 20 + [ROOM] * 10 + [LOUD - 23.8] * 20)[-20:])


def test_a_quiet_room_does_not_become_speech_however_long_it_lasts():
    shut = closure_of([LOUD] * 20 + [ROOM] * 25 * 120)
    assert set(shut[30:]) == {1.0}


def test_the_voice_may_be_quiet_or_loud():
    for gain in (-15.0, 15.0):
        shut = closure_of([LOUD + gain] * 50 + [LOUD + gain - 45] * 20)
        assert not any(shut[5:50])
        assert shut[-1] == 1.0


@pytest.mark.parametrize("size", [1, 10])
def test_pieces_give_the_same_as_the_whole(size):
    generator = torch.Generator().manual_seed(0)
    # Pauses of 8 frames and of twice as many and more: in the shortest, closing must be remembered.
    levels = (LOUD - 45 * (torch.rand(40, generator=generator) > 0.5)).repeat_interleave(8).tolist()
    whole = closure_of(levels)
    gate, found = SilenceGate(), []
    for start in range(0, len(levels), size):
        gate.hear(levels[start : start + size])
        # What a stream can answer by now.
        found += gate.closure(max(0, start + size - LOOK_FRAMES - len(found))).tolist()
    assert found + gate.closure(len(levels) - len(found)).tolist() == whole
    assert 0 < sum(whole) < len(whole)
