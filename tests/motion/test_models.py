"""What both systems owe those who train them: padding, gradients, seeds, known frames, learning."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.motion.small import (
    SYSTEMS,
    WINDOWS,
    clean_of,
    make_batch,
    make_expert,
    make_model,
    pad,
)
from viseme_core import Draws
from viseme_core.diffusion import SamplerConfig
from viseme_motion.build import MotionModel
from viseme_motion.disenttalk.model import DisentTalkModel
from viseme_motion.known import draw_window
from viseme_motion.request import WindowRequest

both = pytest.mark.parametrize("system", SYSTEMS)


def judged(system: str, **config) -> Any:
    return make_model(system, expert=make_expert(system), **config)


def draw(model: MotionModel, batch, known_BT: Tensor, seed: int = 0) -> Tensor:
    """Return motion generated for a batch with some frames given."""
    frames = batch.mask_BT.shape[1]
    draws = Draws(seed, 0, batch.index_B)
    given_BTC = torch.cat([batch.expression_BTC, batch.pose_BT6], -1)[..., : model.channels]
    start_BTC = draws.normal("start", frames, model.channels, like=batch.audio_BTA)
    sampler = SamplerConfig(solver="dpm++", num_steps=4)
    with torch.no_grad():
        return model.sample(
            WindowRequest(
                audio_BTA=batch.audio_BTA,
                start_BTC=start_BTC,
                known_BTC=given_BTC,
                is_known_BT=known_BT,
                sampler=sampler,
                draws=draws,
            )
        )


@both
def test_what_stands_in_padding_changes_no_loss(system):
    model, lengths = judged(system), [12, 7, 3, 12]
    batch = make_batch()
    losses = [model.loss(pad(batch, lengths, fill=x), Draws(5, 0, range(4))) for x in (0.0, 9.0)]
    assert "sync" in losses[0]
    for name, value in losses[0].items():
        torch.testing.assert_close(losses[1][name], value)


@both
def test_the_loss_of_a_batch_is_the_mean_of_those_of_its_halves(system):
    model, draws = judged(system).double(), Draws(5, 0, range(4))
    batch = pad(make_batch(dtype=torch.float64), [12, 7, 5, 12], fill=0.0)
    whole = model.loss(batch, draws)
    halves = [
        model.loss(batch._make(v[i::2] for v in batch), Draws(5, 0, range(i, 4, 2))) for i in (0, 1)
    ]
    for name, value in whole.items():
        torch.testing.assert_close((halves[0][name] + halves[1][name]) / 2, value)


@both
@pytest.mark.parametrize("drop_audio", [0.0, 0.999])
def test_every_weight_gets_a_finite_gradient_and_the_frozen_expert_none(system, drop_audio):
    expert = make_expert(system)
    config = {"drop_audio": drop_audio} if system == "disenttalk" else {}
    model = make_model(system, expert=expert, **config)
    batch = pad(make_batch(), [12, 7, 2, 12], fill=0.0)
    # With known frames in some samples, and with none in any.
    for step in range(2):
        model.zero_grad(set_to_none=True)
        model.loss(batch, Draws(0, step, range(4)))["loss"].backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
    assert all(p.grad is None and not p.requires_grad for p in expert.parameters())
    assert not any("expert" in name for name in model.state_dict())


@both
def test_the_expert_is_used_only_where_the_sync_loss_is_on(system):
    for off in ({"sync": False}, {"weight_sync": 0.0}):
        plain = make_model(system).loss(make_batch(), Draws(0, 0, range(4)))
        losses = judged(system, **off).loss(make_batch(), Draws(0, 0, range(4)))
        assert "sync" not in losses
        assert torch.equal(losses["loss"], plain["loss"])
    assert "sync" in judged(system).loss(make_batch(), Draws(0, 0, range(4)))


@both
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(system):
    model, batch = judged(system), make_batch()
    nothing = torch.zeros(4, 12, dtype=torch.bool)
    for value in (
        lambda seed: model.loss(batch, Draws(seed, 0, range(4)))["loss"],
        lambda seed: draw(model, batch, nothing, seed),
    ):
        assert torch.equal(value(1), value(1))
        assert not torch.equal(value(1), value(2))


@both
def test_known_frames_keep_their_bits_and_the_others_follow_them(system):
    model, batch = make_model(system), make_batch(2)
    known_BT = (torch.arange(12) < 5).expand(2, -1)
    found_BTC = draw(model, batch, known_BT)
    given_BTC = torch.cat([batch.expression_BTC, batch.pose_BT6], -1)[..., : model.channels]
    assert torch.equal(found_BTC[:, :5], given_BTC[:, :5])
    other = batch._replace(expression_BTC=batch.expression_BTC + 1)
    moved = (draw(model, other, known_BT) - found_BTC).abs().amax((0, 2))
    assert (moved[5:] > 1e-4).all()


@both
def test_what_is_not_known_has_no_say_in_what_is_generated(system):
    model, batch = make_model(system), make_batch(2)
    known_BT = (torch.arange(12) < 5).expand(2, -1)
    junk_BT1 = torch.where(known_BT, 0.0, 77.0)[..., None]
    other = batch._replace(expression_BTC=batch.expression_BTC + junk_BT1)
    assert torch.equal(draw(model, other, known_BT), draw(model, batch, known_BT))


@both
def test_a_network_that_knows_the_answer_has_no_error_where_it_is_asked(system):
    model, batch = make_model(system), make_batch()
    draws = Draws(0, 0, range(4))
    clean_BTC = clean_of(model, batch)
    is_known_BT, mask_BT = draw_window(batch.mask_BT, WINDOWS, draws)
    wanted_BT1 = (mask_BT & ~is_known_BT)[..., None]

    def answer(target_BTC: Tensor, junk: float):
        return lambda *_: torch.where(wanted_BT1, target_BTC, junk)

    # Junk where nothing is asked must not count.
    if isinstance(model, DisentTalkModel):
        noise_BTC = draws.normal("diffusion/noise", 12, 64)
        model.net.register_forward_hook(answer(noise_BTC, 99.0))
    else:
        model.nets["expression"].register_forward_hook(answer(clean_BTC[..., :64], 99.0))
        model.nets["pose"].register_forward_hook(answer(clean_BTC[..., 64:], 99.0))
    assert model.loss(batch, draws)["loss"] == 0


@both
def test_one_batch_is_learned_to_a_tenth_of_the_first_loss_in_200_steps(system):
    size: Any = {"dim": 96} if system == "disenttalk" else {"dim": 64, "num_layers": 2}
    model, batch = make_model(system, **size), make_batch(8)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    history = []
    for _ in range(200):
        # The same draws in every step: one batch is one batch with its noise.
        loss = model.loss(batch, Draws(0, 0, range(8)))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
        if loss.item() < 0.1 * history[0]:
            break
    assert history[-1] < 0.1 * history[0], f"{history[0]:.3f} to {history[-1]:.3f}"
