"""The listener against numpy, and what its members may and may not see."""

import numpy as np
import pytest
import torch

from tests.motion.small import AUDIO_DIM, FACE, make_batch, pad
from viseme_core import Draws
from viseme_face import lip_opening
from viseme_motion.listener.config import ListenerConfig
from viseme_motion.listener.model import NUM_TARGETS, ListenerModel, in_own_units, opening_of


def make_listener(**config) -> ListenerModel:
    torch.manual_seed(0)
    settings = {"members": 2, "dim": 8, "kernel": 3, "audio_dim": AUDIO_DIM, **config}
    return ListenerModel(ListenerConfig(**settings), FACE)


def draws(step: int = 0, size: int = 4) -> Draws:
    return Draws(0, step, range(size))


def test_movements_are_in_units_of_each_samples_own_spread_as_numpy_has_it():
    batch = pad(make_batch(2), [12, 7], fill=99.0)
    found = in_own_units(batch.expression_BTC, batch.mask_BT)
    for row, length in enumerate((12, 7)):
        values = batch.expression_BTC[row, :length].numpy()
        expected = (values - values.mean(0)) / np.std(values, axis=0)
        np.testing.assert_allclose(found[row, :length].numpy(), expected, atol=1e-5)


def test_a_face_that_never_moves_asks_for_no_movement():
    still = torch.full((1, 12, 64), 0.7)
    found = in_own_units(still, torch.ones(1, 12, dtype=torch.bool))
    assert found.abs().max() < 1e-3


def test_the_opening_is_how_far_the_inner_lips_of_the_mesh_part():
    expression_TC = torch.randn(20, 64, generator=torch.Generator().manual_seed(0))
    points_TK3 = FACE.landmarks(torch.zeros(80), expression_TC, "mp478")
    rest_K3 = FACE.landmarks(torch.zeros(80), torch.zeros(1, 64), "mp478")[0]
    gap_T = points_TK3[:, 13, 1] - points_TK3[:, 14, 1]
    torch.testing.assert_close(
        expression_TC @ opening_of(FACE),
        gap_T - (rest_K3[13, 1] - rest_K3[14, 1]),
        atol=1e-5,
        rtol=0,
    )
    # Up is positive: a mouth that opens grows, as the eye would measure it.
    wide_1C = (3 * opening_of(FACE) / opening_of(FACE).norm())[None]
    wide = FACE.landmarks(torch.zeros(80), wide_1C, "mp478")
    assert lip_opening(wide) > lip_opening(rest_K3[None])


def test_the_loss_is_the_mean_squared_error_of_each_member():
    model = make_listener(dropout=0.0, weight_expression=0.5)
    batch = pad(make_batch(3), [12, 9, 12], fill=5.0)
    losses = {name: value.detach() for name, value in model.loss(batch, draws(size=3)).items()}
    target = model.targets(batch.expression_BTC, batch.mask_BT).detach().numpy()
    opening, expression = [], []
    for member in model.members:
        found = member(batch.audio_BTA, batch.mask_BT).detach().numpy()
        for row, length in enumerate((12, 9, 12)):
            error = (found[row, :length] - target[row, :length]) ** 2
            opening.append(error[:, 0].mean())
            expression.append(error[:, 1:].mean())
    assert float(losses["opening"]) == pytest.approx(np.mean(opening), rel=1e-5)
    assert float(losses["expression"]) == pytest.approx(np.mean(expression), rel=1e-5)
    total = np.mean(opening) + 0.5 * np.mean(expression)
    assert float(losses["loss"]) == pytest.approx(total, rel=1e-5)


def test_the_committee_says_the_mean_of_its_members():
    model, batch = make_listener(members=3), make_batch(2)
    said = [member(batch.audio_BTA, batch.mask_BT) for member in model.members]
    found = model(batch.audio_BTA, batch.mask_BT)
    assert found.shape == (2, 12, NUM_TARGETS)
    torch.testing.assert_close(found, (said[0] + said[1] + said[2]) / 3)
    assert not torch.allclose(said[0], said[1])


def test_a_linear_member_has_the_share_that_is_named():
    model, batch = make_listener(linear_share=0.3), make_batch(2)
    assert model.linear is not None
    torch.nn.init.normal_(model.linear.weight)
    others = torch.stack([member(batch.audio_BTA, batch.mask_BT) for member in model.members])
    linear = model.linear(batch.audio_BTA, batch.mask_BT)
    found = model(batch.audio_BTA, batch.mask_BT)
    torch.testing.assert_close(found, 0.7 * others.mean(0) + 0.3 * linear)
    assert make_listener().linear is None


def test_a_linear_member_is_judged_as_one_more():
    hidden = {"dropout": 0.0, "linear_dropout": 0.0}
    model, batch = make_listener(members=2, linear_share=0.3, **hidden), make_batch(3)
    assert model.linear is not None
    torch.nn.init.normal_(model.linear.weight)
    target = model.targets(batch.expression_BTC, batch.mask_BT)[..., 0]
    errors = [
        float((member(batch.audio_BTA, batch.mask_BT)[..., 0] - target).square().mean().detach())
        for member in (*model.members, model.linear)
    ]
    found = float(model.loss(batch, draws(size=3))["opening"].detach())
    assert found == pytest.approx(np.mean(errors), rel=1e-5)


@pytest.mark.parametrize("linear_share", [0.0, 0.5])
def test_what_stands_in_padding_changes_nothing(linear_share):
    model = make_listener(dropout=0.0, linear_dropout=0.0, linear_share=linear_share)
    if model.linear is not None:
        torch.nn.init.normal_(model.linear.weight)
    one, other = (pad(make_batch(2), [12, 8], fill=fill) for fill in (0.0, 50.0))
    said = [model(batch.audio_BTA, batch.mask_BT)[1, :8] for batch in (one, other)]
    torch.testing.assert_close(*said)
    losses = [model.loss(batch, draws(size=2))["loss"] for batch in (one, other)]
    torch.testing.assert_close(*losses)


def test_dropout_hides_the_share_it_names_and_is_drawn_by_step_and_sample():
    model, batch = make_listener(dropout=0.5), make_batch(4)
    losses = [float(model.loss(batch, draws(step))["loss"].detach()) for step in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
    # A sample draws the same in any company.
    alone = [
        model.loss(make_batch(1, first=i), Draws(0, 0, [i]))["loss"].detach() for i in range(4)
    ]
    assert float(torch.stack(alone).mean()) == pytest.approx(losses[0], rel=1e-5)


def test_half_of_the_features_are_hidden_and_the_others_doubled():
    from viseme_motion.listener.model import _hider

    hidden = _hider(draws(size=1), "x", 0.5)(torch.ones(1, 100, 50), "enter")
    assert set(hidden.unique().tolist()) == {0.0, 2.0}
    assert float(hidden.mean()) == pytest.approx(1.0, abs=0.05)


def test_without_training_nothing_is_hidden():
    model, batch = make_listener(dropout=0.9), make_batch(1)
    said = [model(batch.audio_BTA, batch.mask_BT) for _ in range(2)]
    assert torch.equal(*said)


@pytest.mark.parametrize("linear_share", [0.0, 0.5])
def test_every_parameter_gets_a_gradient(linear_share):
    model = make_listener(linear_share=linear_share)
    model.loss(make_batch(), draws())["loss"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_a_listener_learns_one_batch_by_heart():
    model, batch = make_listener(dropout=0.0, dim=32), make_batch(2, frames=24)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    first = last = 0.0
    for _ in range(200):
        loss = model.loss(batch, draws(size=2))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first, last = first or float(loss.detach()), float(loss.detach())
    assert last < 0.1 * first


def test_a_frame_hears_as_far_as_the_convolutions_reach():
    model = make_listener(num_blocks=2, kernel=3).eval()
    audio = torch.zeros(1, 21, AUDIO_DIM)
    changed = audio.clone()
    changed[0, 10] = 1.0
    mask = torch.ones(1, 21, dtype=torch.bool)
    moved = (model(audio, mask) - model(changed, mask)).abs().sum(-1)[0] > 0
    assert moved.nonzero()[:, 0].tolist() == list(range(8, 13))
