"""DisentTalk's losses and sampling against Eq. 3 and 8 to 10, written out."""

import numpy as np
import pytest
import torch

from tests.motion.small import (
    SUBSPACES,
    WINDOWS,
    clean_of,
    make_batch,
    make_expert,
    make_model,
    num_parameters,
)
from viseme_core import Draws
from viseme_core.diffusion import SamplerConfig
from viseme_motion.disenttalk.model import DisentTalkModel
from viseme_motion.known import draw_window
from viseme_motion.request import WindowRequest

MANY = 24


def abar() -> np.ndarray:
    return np.cumprod(1 - np.linspace(1e-4, 0.02, 400))


def make(**config) -> DisentTalkModel:
    model = make_model("disenttalk", **config)
    assert isinstance(model, DisentTalkModel)
    torch.nn.init.normal_(model.net.null_A)
    return model.double()


def spied(model: DisentTalkModel) -> dict:
    """Return what the network is given and answers, filled in by the next pass."""
    seen: dict = {}

    def keep(_, given, named, answer) -> None:
        seen.update(noisy=given[0], step=given[1], answer=answer, **named)

    model.net.register_forward_hook(keep, with_kwargs=True)
    return seen


def test_the_network_is_given_equation_3_and_judged_by_equation_8():
    model, batch = make(), make_batch(MANY, dtype=torch.float64)
    draws, seen = Draws(1, 2, range(MANY)), spied(model)
    losses = model.loss(batch, draws)
    clean = clean_of(model, batch).numpy()
    is_known_BT, mask_BT = (x.numpy() for x in draw_window(batch.mask_BT, WINDOWS, draws))
    noise = draws.normal("diffusion/noise", 12, 64).numpy()
    # The marginal has abar_t where the paper prints beta_t; diffusers keeps it in float32.
    level = abar()[seen["step"].numpy()][:, None, None]
    noisy = np.sqrt(level) * clean + np.sqrt(1 - level) * noise
    noisy = np.where(is_known_BT[..., None], clean, noisy)
    np.testing.assert_allclose(seen["noisy"], noisy, rtol=1e-4, atol=1e-4)
    error = (seen["answer"].detach().numpy() - noise) ** 2
    wanted = [error[b][mask_BT[b] & ~is_known_BT[b]].mean() for b in range(MANY)]
    # The noise is drawn in float32.
    assert losses["noise"].item() == pytest.approx(np.mean(wanted), rel=1e-6)
    assert torch.equal(losses["loss"], losses["noise"])


def test_a_tenth_of_the_samples_hear_the_learned_silence_instead_of_their_sound():
    model, batch = make(), make_batch(60, frames=2, dtype=torch.float64)
    seen = spied(model)
    deaf = 0
    for step in range(10):
        draws = Draws(0, step, range(60))
        model.loss(batch, draws)
        is_null = (seen["audio_BTA"] == model.net.null_A).flatten(1)
        assert torch.equal(is_null.all(1), is_null.any(1))
        assert torch.equal(is_null.all(1), draws.chance("disenttalk/drop_audio", 0.1))
        deaf += int(is_null.all(1).sum())
    # Three deviations of a tenth of 600.
    assert deaf == pytest.approx(60, abs=22)


@pytest.mark.parametrize("drop_audio", [0.0, 0.999])
def test_dropped_sound_teaches_what_stands_for_it_and_the_way_in_learns_either_way(drop_audio):
    model = make(drop_audio=drop_audio)
    model.loss(make_batch(dtype=torch.float64), Draws(0, 0, range(4)))["loss"].backward()
    null, hear = model.net.null_A.grad, model.net.hear.weight.grad
    assert null is not None
    assert hear is not None
    assert bool(null.abs().sum() > 0) is (drop_audio > 0)
    assert hear.abs().sum() > 0


def test_equation_9_weighs_the_two_predictions_against_each_other():
    model, batch = make().eval(), make_batch(2, dtype=torch.float64)
    start_BTC = torch.randn(2, 12, 64, dtype=torch.float64)
    nothing = torch.zeros(2, 12, dtype=torch.bool)
    sampler = SamplerConfig(num_steps=4, guidance_scale=2.5)
    with torch.no_grad():
        found_BTC = model.sample(
            WindowRequest(
                audio_BTA=batch.audio_BTA,
                start_BTC=start_BTC,
                known_BTC=start_BTC,
                is_known_BT=nothing,
                sampler=sampler,
                draws=Draws(0, 0, [0, 1]),
            )
        )
    levels, x = abar(), start_BTC.numpy()
    heard = (batch.audio_BTA - model.audio_scale.mean) / model.audio_scale.std
    rest = {"is_known_BT": nothing, "mask_BT": ~nothing}
    for t in (399, 299, 199, 99):
        past = levels[t - 100] if t >= 100 else 1.0
        with torch.no_grad():
            with_sound, without = (
                model.net(torch.tensor(x), torch.full((2,), t), audio_BTA=audio, **rest).numpy()
                for audio in (heard, model.net.null_A.expand_as(heard))
            )
        noise = 2.5 * with_sound + (1 - 2.5) * without
        clean = (x - np.sqrt(1 - levels[t]) * noise) / np.sqrt(levels[t])
        x = np.sqrt(past) * clean + np.sqrt(1 - past) * noise
    expected = x * model.motion_scale.std.numpy() + model.motion_scale.mean.numpy()
    np.testing.assert_allclose(found_BTC.numpy(), expected, rtol=1e-3, atol=1e-3)


def test_equation_10_asks_lip_directions_of_the_clean_estimate_to_be_in_sync():
    expert = make_expert("disenttalk").double()
    expert.motion_scale.set(torch.full((64,), 0.1), torch.full((64,), 0.5))
    model = make(expert=expert)
    batch, draws = make_batch(MANY, dtype=torch.float64), Draws(1, 2, range(MANY))
    seen = spied(model)
    losses = model.loss(batch, draws)
    is_known_BT, mask_BT = draw_window(batch.mask_BT, WINDOWS, draws)
    is_deaf_B = draws.chance("disenttalk/drop_audio", 0.1)
    assert is_deaf_B.any()
    noise = draws.normal("diffusion/noise", 12, 64).numpy()
    clean, answer = clean_of(model, batch).numpy(), seen["answer"].detach().numpy()
    lips = list(SUBSPACES.lip)
    samples = []
    for b in range(MANY):
        level = abar()[seen["step"][b]]
        noisy = np.sqrt(level) * clean[b] + np.sqrt(1 - level) * noise[b]
        estimate = (noisy - np.sqrt(1 - level) * answer[b]) / np.sqrt(level)
        estimate = np.where(is_known_BT[b, :, None], clean[b], estimate)
        raw = estimate * model.motion_scale.std.numpy() + model.motion_scale.mean.numpy()
        mouth = torch.tensor((raw[:, lips] - 0.1) / 0.5)
        terms = []
        for t in range(10):
            window = slice(t, t + 3)
            if not mask_BT[b, window].all() or is_known_BT[b, window].all():
                continue
            m = expert.expert.motion_encoder(mouth[window][None])[0].detach()
            a = expert.expert.audio_encoder(batch.audio_BTA[b, window][None])[0].detach()
            chance = (1 + float(torch.cosine_similarity(m, a, dim=0))) / 2
            terms.append(-np.log(np.clip(chance, 1e-7, 1 - 1e-7)))
        # A clean estimate is known as well as its noise is low.
        weight = 0.0 if is_deaf_B[b] else level
        samples.append(weight * np.mean(terms) if terms else 0.0)
    # diffusers keeps abar in float32.
    assert losses["sync"].item() == pytest.approx(np.mean(samples), rel=1e-4)
    torch.testing.assert_close(losses["loss"], losses["noise"] + 0.01 * losses["sync"])


def test_without_disentangling_there_is_one_region_and_nothing_else_changes():
    full, one = make(), make(disentangle=False)
    assert full.net.sizes == [13, 8, 43]
    assert one.net.sizes == [64]
    assert [type(b) for b in one.net.blocks] == [type(b) for b in full.net.blocks]
    enters = 64 * 24 + 24
    assert num_parameters(one.net.enter) == enters
    assert num_parameters(full.net.enter) == 64 * 8 + 3 * 8


def test_noise_follows_from_the_velocity_and_its_error_is_that_of_the_velocity():
    model, batch = make(velocity=True), make_batch(MANY, dtype=torch.float64)
    draws, seen = Draws(1, 2, range(MANY)), spied(model)
    losses = model.loss(batch, draws)
    clean = clean_of(model, batch).numpy()
    is_known_BT, mask_BT = (x.numpy() for x in draw_window(batch.mask_BT, WINDOWS, draws))
    noise = draws.normal("diffusion/noise", 12, 64).numpy()
    level = abar()[seen["step"].numpy()][:, None, None]
    velocity = np.sqrt(level) * noise - np.sqrt(1 - level) * clean
    error = (seen["answer"].detach().numpy() - velocity) ** 2
    wanted = [error[b][mask_BT[b] & ~is_known_BT[b]].mean() for b in range(MANY)]
    assert losses["noise"].item() == pytest.approx(np.mean(wanted), rel=1e-4)


def test_with_velocities_a_network_that_knows_the_motion_is_sampled_to_it():
    model, batch = make(velocity=True), make_batch(2, dtype=torch.float64)
    clean = clean_of(model, batch)

    def know(noisy_BTC, step_B, **_):
        level = torch.from_numpy(abar())[step_B].expand(len(noisy_BTC))[:, None, None]
        noise = (noisy_BTC - level.sqrt() * clean) / (1 - level).sqrt()
        return level.sqrt() * noise - (1 - level).sqrt() * clean

    model.net.forward = know
    found_BTC = model.sample(
        WindowRequest(
            audio_BTA=batch.audio_BTA,
            start_BTC=torch.randn_like(clean),
            known_BTC=torch.zeros_like(clean),
            is_known_BT=torch.zeros(clean.shape[:2], dtype=torch.bool),
            sampler=SamplerConfig(solver="ddim", num_steps=20),
            draws=Draws(0, 0, range(2)),
        )
    )
    torch.testing.assert_close(model.motion_scale(found_BTC), clean, rtol=0, atol=1e-3)


def test_errors_are_weighted_by_what_they_move():
    model, batch = make(), make_batch(MANY, dtype=torch.float64)
    moves_C = torch.rand(64, dtype=torch.float64) + 0.1
    model.importance.set(moves_C, 0.5)
    draws, seen = Draws(1, 2, range(MANY)), spied(model)
    found = model.loss(batch, draws)["noise"].item()
    is_known_BT, mask_BT = (x.numpy() for x in draw_window(batch.mask_BT, WINDOWS, draws))
    error = (seen["answer"].detach() - draws.normal("diffusion/noise", 12, 64)).numpy() ** 2
    weight = (moves_C * model.motion_scale.std).numpy()
    error *= weight / weight.mean()
    wanted = [error[b][mask_BT[b] & ~is_known_BT[b]].mean() for b in range(MANY)]
    assert found == pytest.approx(np.mean(wanted), rel=1e-4)
