"""The linear member against numpy."""

import numpy as np
import torch

from viseme_core import Draws
from viseme_motion.listener.model import _hider
from viseme_motion.listener.net import LinearMember


def test_it_says_a_weighted_sum_of_the_frames_around_and_of_none_beyond_the_ends():
    torch.manual_seed(0)
    member = LinearMember(3, 2, 3)
    for parameter in member.parameters():
        torch.nn.init.normal_(parameter)
    audio_BTA = torch.randn(1, 6, 3)
    mask_BT = torch.arange(6)[None] < 5
    found = member(audio_BTA, mask_BT)[0].detach().numpy()
    weight, bias = member.weight.detach().numpy(), member.bias.detach().numpy()
    heard = np.zeros((8, 3))
    heard[1:6] = audio_BTA[0, :5]
    for frame in range(5):
        expected = bias + sum(weight[:, :, k] @ heard[frame + k] for k in range(3))
        np.testing.assert_allclose(found[frame], expected, atol=1e-5)


def test_with_a_share_hidden_it_wants_to_be_the_ridge_regression_of_that_penalty():
    rng = np.random.default_rng(0)
    mixing = np.array([[1.0, 0.8, 0.0], [0.0, 0.6, 0.0], [0.0, 0.0, 1.0]])
    heard = rng.normal(size=(400, 3)) @ mixing
    wanted = heard @ [1.0, -1.0, 0.5] + rng.normal(size=400)
    share = 0.6
    gram = heard.T @ heard
    penalty = share / (1 - share) * np.diag(np.diag(gram))
    ridge = np.linalg.solve(gram + penalty, heard.T @ wanted)
    plain = np.linalg.solve(gram, heard.T @ wanted)

    audio_BTA = torch.tensor(heard, dtype=torch.float32)[None].expand(300, -1, -1)
    target_BT = torch.tensor(wanted, dtype=torch.float32)
    hide = _hider(Draws(0, 0, range(300)), "linear", share)
    slopes = {}
    for name, weights in (("ridge", ridge), ("plain", plain)):
        member = LinearMember(3, 1, 1)
        with torch.no_grad():
            member.weight.copy_(torch.tensor(weights)[None, :, None])
            member.bias.zero_()
        found_BT1 = member(audio_BTA, torch.ones(300, 400, dtype=torch.bool), hide)
        loss = (found_BT1[..., 0] - target_BT).square().mean()
        slopes[name] = float(torch.autograd.grad(loss, member.weight)[0].norm())
    assert slopes["ridge"] < 0.03 * slopes["plain"]
