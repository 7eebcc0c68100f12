import torch

from viseme_data.windows import (
    elsewhere,
    frame_numbers,
    to_float_frames,
)


def test_frames_beyond_the_ends_repeat_the_ends_and_are_masked():
    numbers, mask = frame_numbers(-2, 7, 4)
    assert numbers.tolist() == [0, 0, 0, 1, 2, 3, 3]
    assert mask.tolist() == [False, False, True, True, True, True, False]


def test_elsewhere_leaves_the_window_out_unless_nothing_else_is_there():
    assert elsewhere(range(3, 12), 5, 4).tolist() == [3, 4, 9, 10, 11]
    assert elsewhere(range(5, 8), 4, 6).tolist() == [5, 6, 7]


def test_pictures_become_floats_from_minus_one_to_one():
    pictures = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert torch.allclose(to_float_frames(pictures), torch.tensor([-1.0, -0.6, 1.0]))
