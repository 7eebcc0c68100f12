import torch
from torch import nn

from viseme_core.nets import FeedForward


def test_feed_forward_is_two_linear_layers_with_the_exact_gelu_between():
    layer = FeedForward(3, expansion=2).double()
    first, last = layer[0], layer[2]
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)
    frames_BTD = torch.randn(2, 4, 3, dtype=torch.float64)
    hidden = frames_BTD @ first.weight.T + first.bias
    hidden = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
    torch.testing.assert_close(layer(frames_BTD), hidden @ last.weight.T + last.bias)


def test_every_frame_is_treated_by_itself():
    layer = FeedForward(3)
    frames_BTD = torch.randn(2, 4, 3)
    changed = frames_BTD.clone()
    changed[:, 2] += 1
    moved = (layer(frames_BTD) - layer(changed)).abs().amax(-1) > 0
    assert moved.tolist() == [[False, False, True, False]] * 2
