import torch

from viseme_render.pirender.scale import CoefficientScale


def test_coefficients_come_out_with_mean_0_and_deviation_1():
    rows = torch.randn(300, 73, dtype=torch.float64) * torch.linspace(0.01, 5, 73).double() + 3
    scale = CoefficientScale().double()
    assert torch.equal(scale(rows), rows)
    assert not scale.is_set
    scale.set(rows.mean(0), rows.std(0, correction=0))
    assert scale.is_set
    torch.testing.assert_close(scale(rows).mean(0), torch.zeros(73).double())
    torch.testing.assert_close(scale(rows).std(0, correction=0), torch.ones(73).double())


def test_what_never_moved_in_training_says_nothing_later():
    deviation = torch.ones(73)
    deviation[70:] = 0
    scale = CoefficientScale()
    scale.set(torch.full((73,), 0.5), deviation)
    rows = torch.randn(5, 73)
    assert not scale(rows)[:, 70:].any()
    torch.testing.assert_close(scale(rows)[:, :70], rows[:, :70] - 0.5)
