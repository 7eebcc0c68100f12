"""The sync network as it is trained."""

from dataclasses import replace

import pytest
import torch

from tests.eval.syncnet_toys import TOY, pairs, trained
from viseme_core.config import from_plain
from viseme_core.draws import Draws
from viseme_eval.functional.sync import cosine_offset
from viseme_eval.syncnet.config import AugmentConfig, SyncConfig
from viseme_eval.syncnet.model import SyncModel
from viseme_eval.syncnet.scoring import judge


@pytest.fixture(scope="module")
def toy():
    return trained()


def embed(model, seen, heard):
    with torch.no_grad():
        return model.embed_seen(seen)[0], model.embed_heard(heard)[0]


@pytest.mark.parametrize("lag", [-9, -1, 0, 4, 10])
def test_a_network_trained_in_a_toy_world_finds_known_offsets(toy, lag):
    seen, heard = pairs(1, 90, seed=1000)
    # The mouth of frame t + lag moves with the sound of frame t.
    late_seen = seen[:, max(0, -lag) : 90 + min(0, -lag)]
    late_heard = heard[:, max(0, lag) : 90 + min(0, lag)]
    streams = embed(toy, late_seen, late_heard)

    assert float(cosine_offset(*streams).offset) == lag
    curve = toy.lag_curve(late_seen, late_heard, 12)
    assert int(curve[0].argmax()) - 12 == lag


def test_a_network_trained_in_a_toy_world_tells_right_from_shifted(toy):
    streams = embed(toy, *pairs(1, 90, seed=1001))

    assert float(judge(*streams).accuracy) > 0.95


def test_an_untrained_network_guesses():
    torch.manual_seed(0)
    streams = embed(SyncModel(TOY).eval(), *pairs(1, 400, seed=1002))

    assert 0.35 < float(judge(*streams).accuracy) < 0.65


def test_shifting_sound_and_mouth_together_changes_nothing(toy):
    seen, heard = pairs(1, 90, seed=1003)
    whole = embed(toy, seen, heard)
    later = embed(toy, seen[:, 7:], heard[:, 7:])

    # Near the new beginning the level is a mean over fewer frames.
    for early, late in zip(whole, later, strict=True):
        torch.testing.assert_close(late[TOY.surround :], early[7 + TOY.surround :])


def test_one_batch_is_learnt_to_below_a_tenth_of_its_first_loss():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = SyncModel(TOY)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    seen, heard = pairs(4, 30, seed=5)
    losses = []
    for _ in range(200):
        loss = model.loss(seen, heard, Draws(0, 0, range(4)))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 10


def test_every_parameter_gets_a_finite_gradient():
    model = SyncModel(replace(TOY, dropout=0.1, augment=AugmentConfig()))
    model.loss(*pairs(2, 40), Draws(0, 0, range(2)))["loss"].backward()

    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_the_loss_of_a_batch_is_the_mean_of_its_parts_in_any_order():
    model = SyncModel(replace(TOY, augment=AugmentConfig()))
    seen, heard = pairs(4, 40)
    whole = model.loss(seen, heard, Draws(1, 2, [5, 6, 7, 8]))
    order = torch.tensor([3, 1, 2, 0])
    halves = [
        model.loss(seen[half], heard[half], Draws(1, 2, [5 + int(i) for i in half]))
        for half in order.split(2)
    ]

    for name, value in whole.items():
        mean = sum(half[name] for half in halves) / 2
        torch.testing.assert_close(value, mean)


def test_clips_are_disturbed_in_training_only():
    model = SyncModel(replace(TOY, augment=AugmentConfig()))
    seen, heard = pairs(2, 40)
    losses = [
        model.train(mode).loss(seen, heard, Draws(0, 0, range(2)))["loss"].item()
        for mode in (True, False, False)
    ]

    assert losses[0] != losses[1] == losses[2]
    plain = SyncModel(TOY)
    plain.load_state_dict(model.state_dict())
    assert plain.loss(seen, heard, Draws(0, 0, range(2)))["loss"].item() == losses[1]


def test_samples_that_are_too_short_for_the_shifts_are_refused():
    model = SyncModel(TOY)
    model.loss(*pairs(1, TOY.shortest), Draws(0, 0, [0]))

    with pytest.raises(ValueError, match=r"at least window \+ 2 max_shift = 25, got 24"):
        model.loss(*pairs(1, TOY.shortest - 1), Draws(0, 0, [0]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window": 6}, "window must be odd"),
        ({"surround": 0}, "surround must be at least 1"),
        ({"min_shift": 9, "max_shift": 5}, "min_shift <= max_shift"),
        ({"augment": {"jitter": -1.0}}, "augment.jitter must be at least 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(wrong, message):
    with pytest.raises(ValueError, match=message):
        from_plain(SyncConfig, wrong)
