import math

import pytest
import torch

from viseme_core.types import SAMPLES_PER_FRAME
from viseme_eval.functional.quiet import (
    closing_frames,
    find_pauses,
    frame_levels,
    resting_frames,
)


def speech(*parts: tuple[int, float]) -> torch.Tensor:
    """Tones of so many frames and so much amplitude, one after the other."""
    tone = torch.sin(torch.arange(SAMPLES_PER_FRAME) * 2 * math.pi * 20 / SAMPLES_PER_FRAME)
    return torch.cat([amplitude * tone.repeat(frames) for frames, amplitude in parts])


def test_a_level_is_the_power_of_a_frame_in_decibels():
    levels_T = frame_levels(speech((2, 1.0), (2, 0.1), (1, 0.0)), 6)
    half = 10 * math.log10(0.5)
    torch.testing.assert_close(
        levels_T, torch.tensor([half, half, half - 20, half - 20, -120, -120]).double()
    )


def test_pauses_are_stretches_of_eight_frames_far_below_the_loud_ones():
    # 24 dB below is speech, 26 dB is none; seven frames are no pause.
    sound_S = speech(
        (30, 1.0), (9, 10 ** (-24 / 20)), (30, 1.0), (8, 10 ** (-26 / 20)), (30, 0.8), (7, 0.0),
        (20, 1.0), (12, 0.0),
    )  # fmt: skip
    levels_T = frame_levels(sound_S, 146)
    assert find_pauses(levels_T).tolist() == [[69, 77], [134, 146]]
    assert find_pauses(levels_T + 30).tolist() == [[69, 77], [134, 146]]


def test_silence_from_end_to_end_is_no_pause_of_anything():
    assert find_pauses(frame_levels(torch.zeros(0), 20)).tolist() == []
    assert find_pauses(torch.zeros(0)).tolist() == []


def test_lips_have_a_fifth_of_a_second_to_close_and_may_open_before_the_sound():
    pauses_N2 = torch.tensor([[10, 22], [40, 50]])
    assert closing_frames(pauses_N2).tolist() == [[10, 16], [40, 46]]
    rests = resting_frames(pauses_N2, 50).nonzero()[:, 0].tolist()
    # The clip ends with the second pause, so that no sound follows.
    assert rests == [15, 16, 17, *range(45, 50)]


@pytest.mark.parametrize("length", [8, 9])
def test_a_pause_too_short_to_rest_in_has_no_such_frame(length):
    assert not resting_frames(torch.tensor([[5, 5 + length]]), 40).any()
