from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.motion.small import (
    AUDIO_DIM,
    FACE,
    SUBSPACES,
    SYSTEMS,
    make_batch,
    make_expert,
    num_parameters,
    pad,
)
from viseme_core import Draws
from viseme_motion.experts import WindowEncoder

both = pytest.mark.parametrize("system", SYSTEMS)


def test_the_expert_of_fd2talk_sees_every_vertex_of_the_mouth_and_hears_scaled_sound():
    expert, batch = make_expert("fd2talk"), make_batch(2)
    expert.audio_scale.set(torch.full((AUDIO_DIM,), 1.0), torch.full((AUDIO_DIM,), 2.0))
    seen, heard = expert.pair(batch)
    assert seen.shape == (2, 12, 3 * len(FACE.mouth_ids()))
    torch.testing.assert_close(heard, (batch.audio_BTA - 1) / 2)
    other = batch._replace(identity_BI=batch.identity_BI + 1)
    assert not torch.allclose(expert.pair(other)[0], seen)


def test_the_expert_of_disenttalk_sees_the_scaled_lip_directions_and_nothing_else():
    expert, batch = make_expert("disenttalk"), make_batch(2)
    expert.motion_scale.set(torch.arange(64.0), torch.full((64,), 4.0))
    seen, _ = expert.pair(batch)
    lips = list(SUBSPACES.lip)
    expected = (batch.expression_BTC[..., lips] - torch.tensor(lips).float()) / 4
    torch.testing.assert_close(seen, expected)
    junk = batch.expression_BTC + 1
    junk[..., lips] -= 1
    other = batch._replace(identity_BI=batch.identity_BI + 1, expression_BTC=junk)
    torch.testing.assert_close(expert.pair(other)[0], seen)


@pytest.mark.parametrize("is_positive", [False, True])
def test_a_window_encoder_is_convolutions_on_top_of_its_input_and_a_linear_map_of_the_window(
    is_positive,
):
    encoder: Any = WindowEncoder(3, 4, 5, is_positive=is_positive).double()
    windows = torch.randn(6, 5, 3, dtype=torch.float64)
    hidden = encoder.enter(windows)
    for convolution in encoder.convolutions:
        normed = F.pad(F.relu(F.layer_norm(hidden, (4,))), (0, 0, 1, 1))
        around = sum(normed[:, k : k + 5] @ convolution.weight[..., k].T for k in range(3))
        hidden = hidden + around + convolution.bias
    expected = encoder.leave(F.relu(hidden).flatten(1))
    found = encoder(windows)
    torch.testing.assert_close(found, expected.clamp(min=0) if is_positive else expected)
    assert bool((found < 0).any()) is not is_positive


@both
def test_probabilities_of_an_expert_follow_its_system(system):
    probability = make_expert(system).expert.probability(torch.tensor([-0.5, 0.5]))
    low, high = (0.0, 0.5) if system == "fd2talk" else (0.25, 0.75)
    torch.testing.assert_close(probability, torch.tensor([low, high]), rtol=0, atol=2e-7)


@both
def test_windows_that_touch_padding_or_hold_nothing_generated_do_not_count(system):
    expert, batch = make_expert(system), make_batch(1)
    frames = torch.arange(12)
    mask_BT, known_BT = (frames < 9)[None], (frames < 5)[None]
    plain = expert.expert.sync_loss(*expert.pair(batch))[0]
    loss = expert.sync_loss(batch, batch.expression_BTC, mask_BT, known_BT)
    # Of the windows of three frames, 0 to 2 are given whole and 7 to 9 touch padding.
    torch.testing.assert_close(loss, plain[3:7].mean())
    weighted = expert.sync_loss(
        batch, batch.expression_BTC, mask_BT, known_BT, weight_B=torch.tensor([0.25])
    )
    torch.testing.assert_close(weighted, plain[3:7].mean() / 4)


@both
def test_gradients_of_the_sync_loss_reach_lips_that_were_generated(system):
    expert, batch = make_expert(system).requires_grad_(False), make_batch(1)
    expression_BTC = batch.expression_BTC.clone().requires_grad_(True)
    frames = torch.arange(12)
    expert.sync_loss(batch, expression_BTC, (frames < 9)[None], (frames < 5)[None]).backward()
    assert expression_BTC.grad is not None
    slope_C = expression_BTC.grad[0, 5:9].abs().amax(0)
    moved = set(slope_C.nonzero()[:, 0].tolist())
    assert moved == (set(SUBSPACES.lip) if system == "disenttalk" else set(range(64)))
    assert expression_BTC.grad[0, 9:].abs().sum() == 0


@both
def test_an_expert_learns_to_tell_true_sound_from_shifted_and_finds_a_lag(system):
    expert = make_expert(system, dim=32)
    torch.manual_seed(2)
    from_sound = torch.randn(AUDIO_DIM, 64) * FACE.expression_std_E

    def clips(size: int, seed: int):
        batch = make_batch(size, 20, first=seed)
        return batch._replace(
            expression_BTC=batch.audio_BTA @ from_sound, identity_BI=0 * batch.identity_BI
        )

    optimizer = torch.optim.Adam(expert.parameters(), lr=3e-3)
    train = clips(128, 0)
    with torch.no_grad():
        pair = expert.pair(train)
    for step in range(150):
        rows = torch.arange(32) + 32 * (step % 4)
        losses = expert.loss(pair[0][rows], pair[1][rows], Draws(0, step, rows))
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    seen, heard = expert.pair(clips(64, 1000))
    assert expert.loss(seen, heard, Draws(1, 0, range(64)))["accuracy"] > 0.9
    late = torch.cat([seen[:, :3], seen[:, :-3]], 1)
    lags = expert.lag_curve(late, heard, max_lag=5).mean(0)
    assert lags.argmax() - 5 == 3


def test_size_and_windows_of_an_expert_follow_its_config():
    assert num_parameters(make_expert("fd2talk", dim=8)) < num_parameters(make_expert("fd2talk"))
    config = make_expert("disenttalk", window=4, min_shift=2, max_shift=6).expert.config
    assert (config.window, config.min_shift, config.max_shift) == (4, 2, 6)


def test_lips_of_an_expert_can_be_chosen():
    assert make_expert("disenttalk", lip=(3, 1)).lips == (3, 1)
    assert make_expert("disenttalk").lips == SUBSPACES.lip


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_stands_in_padding_changes_nothing_of_the_experts_training(system):
    expert, draws = make_expert(system, max_shift=4), Draws(0, 0, range(3))
    found = []
    for fill in (0.0, 99.0):
        batch = pad(make_batch(3, 12), [12, 9, 7], fill=fill)
        found.append(expert.loss(*expert.pair(batch), draws, batch.mask_BT.sum(1)))
    assert torch.equal(found[0]["loss"], found[1]["loss"])
    whole = make_batch(3, 12)
    told, untold = (
        expert.loss(*expert.pair(whole), draws, length_B)["loss"]
        for length_B in (whole.mask_BT.sum(1), None)
    )
    assert torch.equal(told, untold)
