"""The plan of windows: every frame once, from the middle, whenever it can come out."""

import pytest
import torch

from viseme_landmarks.windows import CompletionPlan

PLANS = [(5, 1), (5, 5), (5, 2), (1, 1), (4, 1), (7, 3)]


@pytest.mark.parametrize(("length", "hop"), PLANS)
@pytest.mark.parametrize("num_frames", [1, 2, 5, 6, 13])
def test_every_frame_is_kept_once_and_in_order(length, hop, num_frames):
    plan = CompletionPlan(length, hop)
    windows = plan.windows(range(plan.num_blocks(num_frames)), num_frames)
    kept = windows.frames_XL[windows.window_T, windows.row_T]
    assert kept.tolist() == list(range(num_frames))
    assert windows.frames_XL.min() >= 0
    assert windows.frames_XL.max() < num_frames
    assert windows.frames_XL.shape[1] == min(length, num_frames)


def test_with_a_hop_of_one_a_frame_sees_as_much_before_as_after():
    windows = CompletionPlan(5, 1).windows(range(9), 9)
    assert windows.row_T.tolist() == [0, 1, 2, 2, 2, 2, 2, 3, 4]
    assert windows.frames_XL[4].tolist() == [2, 3, 4, 5, 6]


@pytest.mark.parametrize(("length", "hop"), PLANS)
def test_a_block_that_is_ready_is_the_same_whatever_follows_and_none_waits_longer(length, hop):
    plan = CompletionPlan(length, hop)
    total = 40
    whole = plan.windows(range(plan.num_blocks(total)), total)
    for num_frames in range(1, 20):
        ready = plan.num_ready(num_frames)
        if ready:
            early = plan.windows(range(ready), num_frames)
            assert torch.equal(early.frames_XL, whole.frames_XL[:ready])
        # The first block that is not ready wants a frame that has not come.
        assert whole.frames_XL[ready].max() >= num_frames
