import numpy as np
import pytest
import torch

from tests.render.talkformer.small import SIZE, Spy, draws_of, make_batch, make_model
from viseme_core.diffusion import DiffusionConfig, SamplerConfig
from viseme_render.talkformer.framing import framed, framed_points

ROWS, SIDE = SIZE // 8, SIZE // 4
"""Rows of half a latent, and its side."""


def alpha_bar() -> np.ndarray:
    """Latent-diffusion's schedule, whose root is linear."""
    beta = np.linspace(0.0015**0.5, 0.0195**0.5, 1000) ** 2
    return np.cumprod(1 - beta)


def packed(pictures: np.ndarray) -> np.ndarray:
    """(..., 3, H, W) as (..., 48, H / 4, W / 4), twice as large."""
    *lead, _, height, width = pictures.shape
    cut = pictures.reshape(*lead, 3, height // 4, 4, width // 4, 4)
    n = len(lead)
    order = (*range(n), n + 2, n + 4, n, n + 1, n + 3)
    return 2 * cut.transpose(order).reshape(*lead, 48, height // 4, width // 4)


def test_the_loss_is_equation_1_on_the_lower_half():
    model, batch = make_model(), make_batch()
    model.net = spy = Spy(model.net)
    losses = model.loss(batch, draws_of(batch))
    noise = draws_of(batch).normal("talkformer/noise", 3, 48, ROWS, SIDE).numpy()
    expected = np.mean((noise - 0.25) ** 2)
    assert float(losses["loss"]) == pytest.approx(expected, rel=1e-5)
    assert spy.seen[0].shape == (2, 3, 48, SIDE, SIDE)


def test_only_the_lower_half_is_noised():
    model, batch = make_model(), make_batch()
    model.net = spy = Spy(model.net)
    model.loss(batch, draws_of(batch))
    clean = packed(framed(batch.frames_BT3HW, SIZE, model.config.zoom).numpy())
    noise = draws_of(batch).normal("talkformer/noise", 3, 48, ROWS, SIDE).numpy()
    step = draws_of(batch).integers("talkformer/step", 1000).numpy()
    share = alpha_bar()[step][:, None, None, None, None]
    below = np.sqrt(share) * clean[..., ROWS:, :] + np.sqrt(1 - share) * noise
    np.testing.assert_allclose(spy.seen[0][..., :ROWS, :], clean[..., :ROWS, :], atol=1e-5)
    np.testing.assert_allclose(spy.seen[0][..., ROWS:, :], below, atol=1e-4)


def test_ddim_is_its_formula():
    model, batch = make_model(is_moved=True), make_batch(1)
    frames = framed(batch.frames_BT3HW, SIZE, model.config.zoom)
    reference = framed(batch.reference_B3HW, SIZE, model.config.zoom)
    upper = model.encode_upper(frames)
    start = torch.randn(upper.shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        appearance = model.look(reference)
        previous = appearance.latent_BZhw[:, None].expand(-1, 2, -1, -1, -1)
        conditions = model.net.conditions(batch.landmarks_BTK2, appearance, previous)
        found = model.sample(upper, conditions, start, draws_of(batch), SamplerConfig(num_steps=4))
        x = start.numpy().astype(np.float64)
        for t, before in ((999, 749), (749, 499), (499, 249), (249, None)):
            whole = torch.cat([upper, torch.from_numpy(x).float()], -2)
            eps = model.net(whole, torch.tensor([t]), conditions)[..., ROWS:, :].numpy()
            share = alpha_bar()[t]
            clean = (x - np.sqrt(1 - share) * eps) / np.sqrt(share)
            later = 1.0 if before is None else alpha_bar()[before]
            x = np.sqrt(later) * clean + np.sqrt(1 - later) * eps
    np.testing.assert_allclose(found[..., ROWS:, :].numpy(), x, rtol=2e-3, atol=2e-3)
    assert torch.equal(found[..., :ROWS, :], upper)


def test_the_image_loss_reaches_given_landmarks_once_the_zeros_have_moved():
    batch = make_batch()
    for is_moved in (False, True):
        model = make_model(is_moved=is_moved)
        points = batch.landmarks_BTK2.clone().requires_grad_()
        model.loss(batch, draws_of(batch), landmarks_BTK2=points)["loss"].backward()
        assert points.grad is not None
        assert bool(points.grad.any()) == is_moved


def test_given_landmarks_take_the_place_of_the_batchs():
    model, batch = make_model(is_moved=True, mouth=1.0), make_batch()
    model.net = spy = Spy(model.net)
    given = 1 - batch.landmarks_BTK2
    model.loss(batch, draws_of(batch), landmarks_BTK2=given)
    torch.testing.assert_close(spy.points, framed_points(given, 40, model.config.zoom))


def test_crops_of_any_size_are_taken():
    model = make_model(is_moved=True)
    batch = make_batch(side=80)
    smaller = batch._replace(
        **{
            name: torch.nn.functional.avg_pool2d(getattr(batch, name).flatten(0, -4), 2).reshape(
                *getattr(batch, name).shape[:-2], 40, 40
            )
            for name in ("frames_BT3HW", "reference_B3HW", "previous_B23HW")
        }
    )
    large, small = (model.loss(b, draws_of(b))["loss"].item() for b in (batch, smaller))
    # An average over two pixels is not quite what smoothing to the network's size is.
    assert large == pytest.approx(small, rel=0.02)


def test_single_frames_are_frames_of_the_window_with_the_two_before_them():
    model, batch = make_model(b_sequential=False, drop_previous=0.0), make_batch(6)
    model.net = spy = Spy(model.net)
    draws = draws_of(batch)
    model.loss(batch, draws)
    chosen = draws.integers("talkformer/frame", 3)
    assert len(set(chosen.tolist())) == 3
    film = torch.cat([batch.previous_B23HW, batch.frames_BT3HW], 1)
    for sample, frame in enumerate(chosen.tolist()):
        before = framed(film[sample, frame : frame + 2], SIZE, model.config.zoom)
        np.testing.assert_allclose(spy.previous[sample], packed(before.numpy()), atol=1e-5)
        upper = framed(film[sample, frame + 2], SIZE, model.config.zoom)
        np.testing.assert_allclose(
            spy.seen[0][sample, 0, :, :ROWS], packed(upper.numpy())[:, :ROWS], atol=1e-5
        )
        point = framed_points(batch.landmarks_BTK2[sample, frame], 40, model.config.zoom)
        torch.testing.assert_close(spy.points[sample, 0], point)


def test_motion_frames_are_sometimes_the_reference():
    model, batch = make_model(drop_previous=0.5), make_batch(8)
    model.net = spy = Spy(model.net)
    model.loss(batch, draws_of(batch))
    is_dropped = draws_of(batch).chance("talkformer/drop_previous", 0.5)
    assert 0 < int(is_dropped.sum()) < 8
    reference = packed(framed(batch.reference_B3HW, SIZE, model.config.zoom).numpy())
    for sample, dropped in enumerate(is_dropped.tolist()):
        same = np.allclose(spy.previous[sample], reference[sample][None], atol=1e-5)
        assert same == dropped


def test_frames_may_share_their_noise():
    model, batch = make_model(shared_noise=True), make_batch()
    model.net = spy = Spy(model.net)
    loss = float(model.loss(batch, draws_of(batch))["loss"])
    noise = draws_of(batch).normal("talkformer/noise", 3, 48, ROWS, SIDE).numpy()[:, :1]
    assert loss == pytest.approx(np.mean((noise - 0.25) ** 2), rel=1e-5)
    clean = packed(framed(batch.frames_BT3HW, SIZE, model.config.zoom).numpy())[..., ROWS:, :]
    step = draws_of(batch).integers("talkformer/step", 1000).numpy()
    share = alpha_bar()[step][:, None, None, None, None]
    found = (spy.seen[0][..., ROWS:, :].numpy() - np.sqrt(share) * clean) / np.sqrt(1 - share)
    np.testing.assert_allclose(found, np.broadcast_to(noise, found.shape), atol=5e-3)


def test_places_around_the_mouth_count_more():
    batch = make_batch()
    middle = torch.tensor([0.5, 0.75]).expand(2, 3, 131, 2).clone()
    middle[..., 0, 0] -= 0.1
    middle[..., 10, 0] += 0.1
    batch = batch._replace(landmarks_BTK2=middle)
    plain, weighted = make_model(), make_model(mouth=4.0)
    for model in (plain, weighted):
        model.net = Spy(model.net)
    noise = draws_of(batch).normal("talkformer/noise", 3, 48, ROWS, SIDE)
    error = (noise - 0.25).square().mean((0, 1, 2))
    found = float(weighted.loss(batch, draws_of(batch))["loss"])
    assert found > float(plain.loss(batch, draws_of(batch))["loss"])
    assert float(error.mean()) < found < 5 * float(error.mean())
    assert float(weighted.loss(batch, draws_of(batch))["ldm"]) == pytest.approx(
        float(error.mean()), rel=1e-5
    )


@pytest.mark.parametrize("target", ["noise", "clean", "velocity"])
def test_a_perfect_network_has_no_loss_and_draws_the_truth(target):
    process = DiffusionConfig(schedule="squaredcos_cap_v2", target=target)
    model, batch = make_model(diffusion=process), make_batch(1)
    frames = framed(batch.frames_BT3HW, SIZE, model.config.zoom)
    truth = model.encode(frames)

    class Oracle(Spy):
        def forward(self, noisy, step, conditions):
            share = model.process.alpha_bar(step).double()[:, None, None, None, None]
            noise = (noisy - share.sqrt() * truth) / (1 - share).sqrt()
            return model.process.target_of(truth, noise.float(), step)

    model.net = Oracle(model.net)
    assert float(model.loss(batch, draws_of(batch))["loss"]) < 1e-6
    reference = model.look(framed(batch.reference_B3HW, SIZE, model.config.zoom))
    start = torch.randn(1, 3, 48, ROWS, SIDE, generator=torch.Generator().manual_seed(0))
    conditions = model.net.conditions(batch.landmarks_BTK2, reference, truth[:, :2])
    upper = model.encode_upper(frames)
    found = model.sample(upper, conditions, start, draws_of(batch), SamplerConfig(num_steps=5))
    torch.testing.assert_close(model.decode(found), frames, atol=2e-3, rtol=0)


def test_a_network_may_predict_how_far_the_clean_latent_is_from_the_reference():
    process = DiffusionConfig(target="clean")
    model, batch = make_model(diffusion=process, reference_deviation=0.3), make_batch()
    model.net = Spy(model.net)
    found = float(model.loss(batch, draws_of(batch))["loss"])
    clean = packed(framed(batch.frames_BT3HW, SIZE, model.config.zoom).numpy())[..., ROWS:, :]
    reference = packed(framed(batch.reference_B3HW, SIZE, model.config.zoom).numpy())
    wrong = reference[:, None, :, ROWS:] + 0.3 * 0.25 - clean
    assert found == pytest.approx(np.mean(wrong**2), rel=1e-5)


def test_one_batch_is_learned_by_heart():
    torch.manual_seed(0)
    process = DiffusionConfig(target="clean")
    model, batch = make_model(diffusion=process, temp_attn=False), make_batch(2, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(100):
        losses.append(model.loss(batch, draws_of(batch))["loss"])
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1].item() < losses[0].item() / 10
