import numpy as np
import torch

from viseme_core.types import CropBox
from viseme_face.driving import coefficient_windows, coefficients, crop_numbers


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
