import numpy as np
import torch

from viseme_motion.scaling import RunningMoments, Scaler


def test_scaled_data_have_mean_0_and_deviation_1():
    values = torch.randn(500, 3, dtype=torch.float64) * torch.tensor([0.01, 1, 50.0]) + 7
    scale = Scaler(3).double()
    scale.set(values.mean(0), values.std(0, correction=0))
    scaled = scale(values)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(3).double())
    torch.testing.assert_close(scaled.std(0, correction=0), torch.ones(3).double())
    torch.testing.assert_close(scale.undo(scaled), values)


def test_a_scale_changes_nothing_until_it_is_set_and_then_says_so():
    scale = Scaler(4)
    values = torch.randn(2, 4)
    assert torch.equal(scale(values), values)
    assert torch.equal(scale.undo(values), values)
    assert not scale.is_set
    scale.set(torch.zeros(4), torch.tensor([1.0, 1, 2, 1]))
    assert scale.is_set


def test_what_never_moves_in_the_data_is_not_blown_up():
    scale = Scaler(1)
    scale.set(torch.zeros(1), torch.zeros(1))
    assert float(scale(torch.full((1, 1), 1e-4))) == 1.0


def test_a_scale_is_saved_with_the_weights():
    scale, other = Scaler(3), Scaler(3)
    scale.set(torch.tensor([1.0, 2, 3]), torch.tensor([4.0, 5, 6]))
    other.load_state_dict(scale.state_dict())
    assert other.is_set
    assert torch.equal(other(torch.ones(3)), scale(torch.ones(3)))
    assert not list(scale.parameters())


def test_moments_added_up_in_pieces_are_those_of_the_whole():
    # Far from zero, where squares in float32 would lose the spread altogether.
    rows = 50 + 0.01 * torch.randn(300, 2)
    found = RunningMoments(2)
    for piece in (rows[:1], rows[1:120].view(7, 17, 2), rows[120:]):
        found.add(piece)
    mean, std = found.moments()
    np.testing.assert_allclose(mean, rows.double().numpy().mean(0), rtol=1e-6)
    np.testing.assert_allclose(std, rows.double().numpy().std(0), rtol=1e-4)
