"""An autoencoder with its losses: what is minimised, who learns from what, that it learns."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.render.autoencoder.small import CRITIC, NETS, make_batch, make_model
from viseme_core.draws import Draws
from viseme_render.autoencoder.batch import PictureBatch


def draws(step: int = 0, rows=(0, 1)) -> Draws:
    return Draws(0, step, rows)


def grads(model, part: str) -> list:
    return [p.grad for name, p in model.named_parameters() if name.startswith(part)]


def test_the_total_is_the_weighted_sum_of_its_parts():
    model = make_model(pixels=2.0, perceptual=0.3, kl=0.01)
    found = model.loss(make_batch(), draws())
    wanted = 2 * found["pixels"] + 0.3 * found["perceptual"] + 0.01 * found["kl"]
    torch.testing.assert_close(found["loss"], wanted)
    model = make_model("vq", pixels=2.0, perceptual=0.0, codebook=0.7)
    found = model.loss(make_batch(), draws())
    torch.testing.assert_close(found["loss"], 2 * found["pixels"] + 0.7 * found["codebook"])


def test_the_code_book_and_the_encoder_are_drawn_to_each_other():
    model = make_model("vq")
    batch = make_batch()
    net: Any = model.autoencoder.net
    raw = net.encode(batch.frames_BT3HW.flatten(0, 1)).latents
    flat = raw.movedim(1, -1).flatten(0, -2)
    book = net.quantize.embedding.weight
    nearest = book[(flat[:, None] - book).square().sum(-1).argmin(-1)]
    # As latent-diffusion: the book moves by a quarter of what the encoder does.
    wanted = 1.25 * F.mse_loss(nearest, flat)
    torch.testing.assert_close(model.loss(batch, draws())["codebook"], wanted)


def test_in_training_gaussians_are_drawn_and_in_evaluation_they_are_not():
    model, batch = make_model(), make_batch()
    mode = model.reconstruct(batch).picture_B3HW
    torch.testing.assert_close(mode, model.reconstruct(batch).picture_B3HW, rtol=0, atol=0)
    one, same, other = (model.reconstruct(batch, draws(step)) for step in (3, 3, 4))
    torch.testing.assert_close(one.picture_B3HW, same.picture_B3HW, rtol=0, atol=0)
    assert (one.picture_B3HW - other.picture_B3HW).abs().max() > 1e-4
    assert one.posterior is not None
    noise = draws(3).normal("autoencoder/posterior", 3, 4, 4, 4).flatten(0, 1)
    given = one.posterior.mean + (0.5 * one.posterior.logvar).exp() * noise
    torch.testing.assert_close(one.picture_B3HW, model.autoencoder.decode_raw(given))


@pytest.mark.parametrize("kind", NETS)
def test_every_parameter_gets_a_finite_gradient(kind):
    model = make_model(kind, **CRITIC)
    model.loss(make_batch(), draws())["loss"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # A bias before softmax over keys changes no weight; with all patches inside the margin the
        # critic's last bias is drawn both ways alike.
        is_level = name.endswith("to_k.bias") or name == "critic.net.5.bias"
        assert is_level or parameter.grad.abs().max() > 0, name


def test_before_its_start_the_critic_waits_and_gets_gradients_of_zero():
    model = make_model(**{**CRITIC, "adversary_start": 5})
    found = model.loss(make_batch(), draws(4))
    assert "adversary" not in found
    found["loss"].backward()
    assert all(grad is not None and not grad.any() for grad in grads(model, "critic"))
    assert "adversary" in model.loss(make_batch(), draws(5))
    assert "adversary" not in model.loss(make_batch(), draws(-1))


def test_critic_and_autoencoder_learn_from_their_own_loss_alone():
    model, batch = make_model(kl=0.0, **CRITIC), make_batch()
    found = model.loss(batch, draws())
    found["loss"].backward()
    own = [grad.clone() for grad in grads(model, "")]
    model.zero_grad()
    # By hand: the critic from its hinge, with made pictures that carry no gradient.
    made, critic = model.reconstruct(batch, draws()), model.critic
    assert critic is not None
    true = batch.frames_BT3HW.flatten(0, 1)
    hinge = 0.5 * ((1 - critic(true)).relu().mean())
    hinge = hinge + 0.5 * (1 + critic(made.picture_B3HW.detach())).relu().mean()
    of_critic = torch.autograd.grad(hinge, list(critic.parameters()))
    error = found["pixels"] + found["perceptual"]
    assert error.requires_grad
    told = -critic(made.picture_B3HW).mean()
    again = model.losses_of(made, batch, step=-1)["loss"]
    last = model.autoencoder.get_parameter("net.decoder.conv_out.weight")
    norms = [torch.autograd.grad(x, last, retain_graph=True)[0].norm() for x in (again, told)]
    total = again + 0.5 * norms[0] / (norms[1] + 1e-4) * told
    of_autoencoder = torch.autograd.grad(total, list(model.autoencoder.parameters()))
    for one, other in zip(own, [*of_autoencoder, *of_critic], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


def test_the_reference_of_a_picture_is_the_next_one_of_its_clip():
    model, batch = make_model("kl that sees a reference"), make_batch()
    made = model.reconstruct(batch)
    raw = made.raw_BZhw.unflatten(0, (2, 3))
    for row, frame in ((0, 1), (1, 2)):
        other = raw[row, (frame + 1) % 3]
        wanted = model.autoencoder.decode_raw(raw[row, frame][None], other[None])
        torch.testing.assert_close(
            made.picture_B3HW[3 * row + frame], wanted[0], rtol=1e-4, atol=1e-5
        )


def test_the_losses_of_fd2talk_are_its_equations():
    # Eq. 13 to 15 with Z = [E(F1), E(F2)], a mean in place of the sum over pixels.
    model = make_model(
        "kl that sees a reference", error="squared", pixels=3.0, perceptual=0.5, kl=0.0
    )
    batch = make_batch(1, 2)
    first, second = batch.frames_BT3HW[0]
    net: Any = model.autoencoder.net
    codes = [net.post_quant_conv(model.autoencoder.raw_latents(f[None])) for f in (second, first)]
    made = net.decoder(torch.cat(codes, 1))[0]
    features = lambda x: [x, x.diff(dim=-1), x.diff(dim=-2)]  # noqa: E731
    likeness = sum(
        (a - b).abs().mean() for a, b in zip(features(made), features(first), strict=True)
    )
    wanted = 3 * (made - first).square().mean() + 0.5 * likeness
    both = model.reconstruct(batch)
    alone = type(both)(both.picture_B3HW[:1], both.raw_BZhw[:1], None, None)
    found = model.losses_of(alone, PictureBatch(batch.frames_BT3HW[:, :1], batch.index_B), step=-1)
    torch.testing.assert_close(found["loss"], wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["kl", pytest.param("vq", marks=pytest.mark.slow)])
def test_one_batch_is_learned_by_heart(kind):
    model, batch = make_model(kind, perceptual=0.0), make_batch(1, 1)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    losses = []
    for step in range(150):
        optimizer.zero_grad()
        found = model.loss(batch, draws(step, [0]))
        found["loss"].backward()
        optimizer.step()
        losses.append(float(found["pixels"].detach()))
    assert min(losses[-10:]) < losses[0] / (10 if kind == "kl" else 4)


def test_a_new_model_says_that_its_scale_was_not_measured():
    assert float(make_model().autoencoder.scale_factor) == 0
