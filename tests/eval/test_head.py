import math

import numpy as np
import pytest
import torch

from viseme_eval.functional.head import head_range, head_speed


def test_an_even_turn_has_its_speed():
    pose_T6 = torch.zeros(26, 6)
    pose_T6[:, 1] = torch.linspace(0, math.radians(10), 26)
    pose_T6[:, 4] = torch.arange(26)  # moves, but does not turn
    assert head_speed(pose_T6).tolist() == pytest.approx([0, 10, 0], abs=1e-4)
    assert head_range(pose_T6).tolist() == pytest.approx([0, 9, 0], abs=1e-4)


def test_a_nod_there_and_back_has_speed_and_range_of_its_size():
    degrees = np.array([0, 2, 4, 2, 0, 2, 4, 2] * 10)
    pose_T3 = torch.zeros(80, 3)
    pose_T3[:, 0] = torch.from_numpy(np.radians(degrees))
    assert float(head_speed(pose_T3)[0]) == pytest.approx(50, rel=1e-5)
    assert float(head_range(pose_T3)[0]) == pytest.approx(4, rel=1e-5)
