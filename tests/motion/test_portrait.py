"""Windows cut from samples, and the frame that a network is shown of them."""

import pytest
import torch

from tests.motion.small import SYSTEMS, WINDOWS, make_batch, make_model, nets_of, pad
from viseme_core import Draws
from viseme_core.diffusion import SamplerConfig
from viseme_motion.generation import generate_windows
from viseme_motion.portrait import PORTRAIT_DIM, SHOWN, cut_samples, describe

both = pytest.mark.parametrize("system", SYSTEMS)
MANY = 200


def test_windows_are_cut_at_one_place_from_everything():
    batch = make_batch(MANY, 20)
    cut = cut_samples(batch, 12, Draws(0, 0, range(MANY))).batch
    firsts = []
    for b in range(MANY):
        at = (batch.audio_BTA[b, :, 0] == cut.audio_BTA[b, 0, 0]).nonzero().item()
        for name in ("expression_BTC", "pose_BT6", "audio_BTA", "mask_BT"):
            assert torch.equal(getattr(cut, name)[b], getattr(batch, name)[b, at : at + 12])
        firsts.append(at)
    # Every place is taken, none much more than a ninth of the time.
    assert set(firsts) == set(range(9))
    assert max(map(firsts.count, set(firsts))) < MANY / 5


def test_windows_hold_no_padding_if_a_sample_is_long_enough_and_else_begin_with_it():
    lengths = [20, 15, 12, 7]
    batch = pad(make_batch(4, 20), lengths, fill=99.0)
    cut = cut_samples(batch, 12, Draws(3, 0, range(4))).batch
    assert cut.mask_BT.sum(1).tolist() == [12, 12, 12, 7]
    assert torch.equal(cut.audio_BTA[3, :7], batch.audio_BTA[3, :7])


def test_the_frame_that_is_shown_is_a_real_one_and_most_samples_are_shown_one():
    batch = pad(make_batch(MANY, 20), [5] * MANY, fill=99.0)
    portrait_BC = cut_samples(batch, 12, Draws(0, 0, range(MANY))).portrait_BC
    is_shown_B = portrait_BC.isfinite().all(1)
    assert float(is_shown_B.float().mean()) == pytest.approx(SHOWN, abs=0.08)
    found = set()
    for b in is_shown_B.nonzero()[:, 0]:
        same_T = (batch.expression_BTC[b, :5] == portrait_BC[b]).all(-1)
        found.add(int(same_T.nonzero().item()))
    assert found == set(range(5))


def test_nothing_shown_is_told_apart_from_a_mean_face():
    portrait_BC = torch.zeros(2, PORTRAIT_DIM - 1)
    portrait_BC[1] = torch.nan
    described = describe(portrait_BC)
    assert described[0].tolist() == [0.0] * (PORTRAIT_DIM - 1) + [1.0]
    assert described[1].tolist() == [0.0] * PORTRAIT_DIM


@both
def test_a_portrait_moves_what_is_generated_only_where_it_is_known(system):
    model, audio_BTA = make_model(system, portrait=True), torch.randn(2, 15, 6)
    sampler = SamplerConfig(solver="dpm++", num_steps=3)

    def made(*portraits: float) -> torch.Tensor:
        portrait_BC = torch.tensor(portraits)[:, None].expand(-1, 64)
        return generate_windows(model, audio_BTA, sampler, portrait_BC=portrait_BC)

    nan = torch.nan
    alone_BTC = generate_windows(model, audio_BTA, sampler)
    assert torch.equal(made(nan, nan), alone_BTC)
    one_BTC = made(0.3, nan)
    torch.testing.assert_close(one_BTC[1], alone_BTC[1])
    assert (one_BTC[0] - alone_BTC[0]).abs().amax() > 1e-3


@both
def test_a_network_that_is_not_told_has_no_weights_for_it_and_the_portrait_no_say(system):
    told, deaf = make_model(system, portrait=True), make_model(system)
    extra = {name for net in nets_of(told).values() for name, _ in net.named_parameters()}
    extra -= {name for net in nets_of(deaf).values() for name, _ in net.named_parameters()}
    assert extra == {"portrait.weight", "portrait.bias"}
    sampler = SamplerConfig(solver="dpm++", num_steps=3)
    audio_BTA, portrait_BC = torch.randn(1, 15, 6), torch.randn(1, 64)
    shown_BTC = generate_windows(deaf, audio_BTA, sampler, portrait_BC=portrait_BC)
    assert torch.equal(shown_BTC, generate_windows(deaf, audio_BTA, sampler))


@both
def test_training_teaches_the_way_in_of_the_portrait(system):
    model = make_model(system, portrait=True)
    batch = make_batch(6, WINDOWS.length + 8)
    model.loss(batch, Draws(0, 0, range(6)))["loss"].backward()
    for name, net in nets_of(model).items():
        assert net.portrait.weight.grad.abs().sum() > 0, name
