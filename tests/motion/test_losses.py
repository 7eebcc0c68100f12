import pytest
import torch

from viseme_motion.losses import Importance, frame_mean, squared_error

MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]]).bool()


def test_samples_count_alike_however_long_they_are():
    values = torch.tensor([[1.0, 2, 3, 4], [10, 20, 99, 99], [99, 99, 99, 99]])
    assert frame_mean(values, MASK).item() == pytest.approx((2.5 + 15 + 0) / 3)


def test_squared_error_is_the_mean_of_squares_over_channels_frames_and_samples():
    predicted, target = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    samples = []
    for b in range(3):
        squares = [
            sum(float(predicted[b, t, c] - target[b, t, c]) ** 2 for c in range(5)) / 5
            for t in range(4)
            if MASK[b, t]
        ]
        samples.append(sum(squares) / max(len(squares), 1))
    expected = torch.tensor(sum(samples) / 3, dtype=torch.float64)
    torch.testing.assert_close(squared_error(predicted, target, MASK), expected)


def test_the_loss_of_a_batch_is_the_mean_of_those_of_its_halves():
    values = torch.randn(4, 6)
    mask = torch.arange(6) < torch.tensor([6, 1, 3, 2])[:, None]
    halves = [frame_mean(values[i::2], mask[i::2]) for i in (0, 1)]
    torch.testing.assert_close(frame_mean(values, mask), sum(halves) / 2)


def test_weights_multiply_squared_errors_of_their_channels():
    predicted, target = torch.randn(2, 3, 4, 2, dtype=torch.float64)
    weight_C = torch.tensor([3.0, 0.5], dtype=torch.float64)
    root_C = weight_C.sqrt()
    expected = squared_error(root_C * predicted, root_C * target, MASK)
    torch.testing.assert_close(squared_error(predicted, target, MASK, weight_C), expected)


@pytest.mark.parametrize(("power", "ratio"), [(0.0, 1), (0.5, 6), (1.0, 36)])
def test_errors_count_by_the_power_of_what_they_move(power, ratio):
    importance = Importance(2)
    importance.set(torch.tensor([0.1, 0.3]), power)
    # The second moves three times as far a unit, and is twice as large a unit.
    weight_C = importance(torch.tensor([1.0, 2.0]))
    assert float(weight_C[1] / weight_C[0]) == pytest.approx(ratio)
    assert float(weight_C.mean()) == pytest.approx(1)


def test_coefficients_that_move_nothing_still_count_a_little():
    importance = Importance(2)
    importance.set(torch.tensor([0.0, 1.0]), 1.0)
    assert (importance(torch.ones(2)) > 0).all()
    assert not importance.state_dict()
