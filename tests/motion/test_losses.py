import pytest
import torch

from viseme_motion.losses import frame_mean, squared_error

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
