import numpy as np
import torch

from viseme_core.types import CropBox
from viseme_data.windows import (
    coefficient_windows,
    coefficients,
    crop_numbers,
    elsewhere,
    frame_numbers,
    to_float_frames,
)


def test_frames_beyond_the_ends_repeat_the_ends_and_are_masked():
    numbers, mask = frame_numbers(-2, 7, 4)
    assert numbers.tolist() == [0, 0, 0, 1, 2, 3, 3]
    assert mask.tolist() == [False, False, True, True, True, True, False]


def test_coefficient_windows_are_those_of_numpys_edge_padding():
    rows = torch.randn(30, 73)
    padded = np.pad(rows.numpy(), ((13, 13), (0, 0)), mode="edge")
    frames = torch.tensor([0, 5, 17, 29])
    expected = np.stack([padded[f : f + 27] for f in frames.tolist()])
    assert np.array_equal(coefficient_windows(rows, frames).numpy(), expected)


def test_coefficients_are_expression_then_pose_then_crop():
    expression, pose = torch.randn(4, 64), torch.randn(4, 6)
    rows = coefficients(expression, pose, CropBox(300.0, 150.0, 128.0))
    assert torch.equal(rows[:, :64], expression)
    assert torch.equal(rows[:, 64:70], pose)
    # 256 / 128, and the centre in sides.
    assert rows[:, 70:].tolist() == [[2.0, 2.34375, 1.171875]] * 4


def test_crop_numbers_do_not_change_when_source_and_crop_grow_alike_but_for_the_scale():
    small, large = (crop_numbers(CropBox(90.0 * k, 60.0 * k, 50.0 * k)) for k in (1, 3))
    assert torch.allclose(small[1:], large[1:])
    assert torch.allclose(small[0], 3 * large[0])


def test_elsewhere_leaves_the_window_out_unless_nothing_else_is_there():
    assert elsewhere(range(3, 12), 5, 4).tolist() == [3, 4, 9, 10, 11]
    assert elsewhere(range(5, 8), 4, 6).tolist() == [5, 6, 7]


def test_pictures_become_floats_from_minus_one_to_one():
    pictures = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert torch.allclose(to_float_frames(pictures), torch.tensor([-1.0, -0.6, 1.0]))
