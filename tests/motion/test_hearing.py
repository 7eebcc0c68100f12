"""What frames of sound learn of those around them."""

from typing import Any

import pytest
import torch
from torch import nn

from viseme_motion.hearing import SoundContext, build_hearing

FRAMES, AUDIO_DIM = 15, 6
REAL = torch.ones(1, FRAMES, dtype=torch.bool)
REACH = 4
"""(1 + 2 + 1) frames of convolutions over three."""


def heard(hearing: nn.Module, moved: int) -> torch.Tensor:
    """Return which frames change when one frame of sound does."""
    audio_BTA = torch.randn(1, FRAMES, AUDIO_DIM)
    other_BTA = audio_BTA.clone()
    other_BTA[:, moved] += 1
    return (hearing(audio_BTA, REAL) - hearing(other_BTA, REAL)).abs().amax((0, 2)) > 0


def test_a_frame_hears_as_far_to_either_side():
    changed_T = heard(SoundContext(AUDIO_DIM, 8, is_causal=False), moved=7)
    assert changed_T.nonzero().flatten().tolist() == list(range(7 - REACH, 7 + REACH + 1))


def test_a_causal_frame_hears_twice_as_far_back_and_nothing_to_come():
    changed_T = heard(SoundContext(AUDIO_DIM, 8, is_causal=True), moved=4)
    assert changed_T.nonzero().flatten().tolist() == list(range(4, 4 + 2 * REACH + 1))


@pytest.mark.parametrize("is_causal", [False, True])
def test_it_says_what_the_convolutions_written_out_say(is_causal):
    hearing: Any = SoundContext(AUDIO_DIM, 8, is_causal=is_causal).double()
    audio_TA = torch.randn(FRAMES, AUDIO_DIM, dtype=torch.float64)
    state = [hearing.enter(row) for row in audio_TA]
    for i, dilation in enumerate((1, 2, 1)):
        normed = [hearing.norms[i](row) for row in state]
        weight, bias = hearing.around[i].weight, hearing.around[i].bias
        after = []
        for t in range(FRAMES):
            total = bias
            for tap in range(3):
                at = t + (tap - (2 if is_causal else 1)) * dilation
                if 0 <= at < FRAMES:
                    total = total + weight[:, :, tap] @ normed[at]
            after.append(state[t] + hearing.within[i](nn.functional.gelu(total)))
        state = after
    expected_TA = audio_TA + torch.stack([hearing.leave(row) for row in state])
    torch.testing.assert_close(hearing(audio_TA[None], REAL)[0], expected_TA)


def test_width_0_leaves_features_as_they_are():
    audio_BTA = torch.randn(2, FRAMES, AUDIO_DIM)
    hearing = build_hearing(AUDIO_DIM, 0, is_causal=True)
    assert not list(hearing.parameters())
    assert torch.equal(hearing(audio_BTA, REAL), audio_BTA)


@pytest.mark.parametrize("is_causal", [False, True])
def test_padding_sounds_like_the_end_of_the_window(is_causal):
    hearing = SoundContext(AUDIO_DIM, 8, is_causal=is_causal).double()
    audio_BTA = torch.randn(1, FRAMES, AUDIO_DIM, dtype=torch.float64)
    is_real_BT = REAL & (torch.arange(FRAMES) < 9)
    short = hearing(audio_BTA[:, :9], is_real_BT[:, :9])
    torch.testing.assert_close(hearing(audio_BTA, is_real_BT)[:, :9], short)
