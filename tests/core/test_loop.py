import pytest

from viseme_core.loop import mirror_loop


def test_a_loop_runs_back_and_forth_without_a_jump():
    assert mirror_loop(4, 0, 9).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]


def test_a_loop_may_begin_anywhere():
    assert mirror_loop(4, 5, 9).tolist() == [1, 0, 1, 2]


def test_one_frame_stands_still():
    assert mirror_loop(1, 3, 6).tolist() == [0, 0, 0]


def test_nothing_cannot_be_looped():
    with pytest.raises(ValueError, match="at least one frame"):
        mirror_loop(0, 0, 2)
