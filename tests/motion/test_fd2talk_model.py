"""FD2Talk's losses and sampling against the paper's equations, written out in numpy."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.motion.small import (
    FACE,
    WINDOWS,
    clean_of,
    make_batch,
    make_expert,
    make_model,
    nets_of,
    num_parameters,
)
from viseme_core import Draws
from viseme_core.diffusion import SamplerConfig
from viseme_motion.fd2talk.model import FD2TalkModel
from viseme_motion.known import draw_window
from viseme_motion.request import WindowRequest

PARTS = {"expression": slice(0, 64), "pose": slice(64, 70)}


def abar(num_steps: int = 1000) -> np.ndarray:
    return np.cumprod(1 - np.linspace(1e-4, 0.02, num_steps))


def spied(model: FD2TalkModel) -> dict[str, dict]:
    """Return what each network is given and answers, filled in by the next pass."""
    seen: dict[str, dict] = {}
    for name, net in nets_of(model).items():

        def keep(_: object, given: tuple, named: dict, answer: Tensor, name: str = name) -> None:
            noisy_BTC, step_B = given
            seen[name] = {"noisy": noisy_BTC, "step": step_B, "answer": answer, **named}

        net.register_forward_hook(keep, with_kwargs=True)
    return seen


def test_networks_are_given_equation_2_and_judged_by_equations_8_9_and_12():
    model = make_model("fd2talk", weight_expression=0.7, weight_pose=0.3).double()
    batch, draws = make_batch(8, dtype=torch.float64), Draws(1, 2, range(8))
    seen = spied(model)
    losses = model.loss(batch, draws)
    clean = clean_of(model, batch).numpy()
    is_known_BT, mask_BT = (x.numpy() for x in draw_window(batch.mask_BT, WINDOWS, draws))
    assert is_known_BT.any()
    expected = {}
    for name, part in PARTS.items():
        noise = draws.normal(f"{name}/noise", 12, part.stop - part.start).numpy()
        # diffusers keeps abar in float32.
        level = abar()[seen[name]["step"].numpy()][:, None, None]
        noisy = np.sqrt(level) * clean[..., part] + np.sqrt(1 - level) * noise
        noisy = np.where(is_known_BT[..., None], clean[..., part], noisy)
        np.testing.assert_allclose(seen[name]["noisy"], noisy, rtol=1e-4, atol=1e-4)
        error = (seen[name]["answer"].detach().numpy() - clean[..., part]) ** 2
        expected[name] = np.mean([error[b][mask_BT[b] & ~is_known_BT[b]].mean() for b in range(8)])
        assert losses[name].item() == pytest.approx(expected[name], rel=1e-12)
    assert not torch.equal(seen["expression"]["step"], seen["pose"]["step"])
    total = 0.7 * expected["expression"] + 0.3 * expected["pose"]
    assert losses["loss"].item() == pytest.approx(total, rel=1e-12)


def test_a_pose_that_is_centred_is_learned_around_the_mean_of_the_data():
    model = make_model("fd2talk", centre_pose=True).double()
    batch, draws = make_batch(8, dtype=torch.float64), Draws(1, 2, range(8))
    model.motion_scale.mean[64:] = torch.tensor([0.1, -0.2, 0.3, 1.0, 2.0, -6.0])
    mask_BT = batch.mask_BT.numpy()
    pose = batch.pose_BT6.numpy().copy()
    for b in range(8):
        pose[b] += model.motion_scale.mean[64:].numpy() - pose[b][mask_BT[b]].mean(0)
    plain = make_model("fd2talk").double()
    plain.load_state_dict(model.state_dict())
    expected = plain.loss(batch._replace(pose_BT6=torch.from_numpy(pose)), draws)
    found = model.loss(batch, draws)
    assert found["pose"].item() == pytest.approx(expected["pose"].item(), rel=1e-12)
    # Where the camera stands is then nothing to learn.
    moved = batch._replace(pose_BT6=batch.pose_BT6 + torch.randn(8, 1, 6).double())
    assert model.loss(moved, draws)["loss"].item() == pytest.approx(found["loss"].item(), rel=1e-9)
    assert plain.loss(moved, draws)["loss"].item() != pytest.approx(found["loss"].item(), rel=1e-3)


def test_the_sync_loss_is_minus_log_of_the_cosine_of_mouths_on_the_predicted_mesh():
    expert = make_expert("fd2talk").double()
    model = make_model("fd2talk", expert=expert, weight_sync=0.5).double()
    batch, draws = make_batch(8, dtype=torch.float64), Draws(1, 2, range(8))
    seen = spied(model)
    losses = model.loss(batch, draws)
    is_known_BT, mask_BT = draw_window(batch.mask_BT, WINDOWS, draws)
    found = seen["expression"]["answer"] * model.motion_scale.std[:64]
    found = torch.where(
        is_known_BT[..., None], batch.expression_BTC, found + model.motion_scale.mean[:64]
    )
    ids, mouth = FACE.mouth_ids(), expert.mouth
    assert mouth is not None
    samples = []
    for b in range(8):
        mesh_TV3 = FACE(batch.identity_BI[b].float(), found[b].detach().float())[:, ids]
        mesh_TV3 = (mesh_TV3 - FACE.mean_V3[ids].mean(0)) / mouth.width
        minus_log = []
        for t in range(10):
            window = slice(t, t + 3)
            if not mask_BT[b, window].all() or is_known_BT[b, window].all():
                continue
            v = expert.expert.motion_encoder(mesh_TV3[window].double().flatten(1)[None])[0]
            a = expert.expert.audio_encoder(expert.audio_scale(batch.audio_BTA[b, window])[None])
            v, a = v.detach().numpy(), a[0].detach().numpy()
            cosine = v @ a / max(np.linalg.norm(v) * np.linalg.norm(a), 1e-8)
            minus_log.append(-np.log(np.clip(cosine, 1e-7, 1 - 1e-7)))
        samples.append(np.mean(minus_log) if minus_log else 0.0)
    # The face model is in float32.
    assert losses["sync"].item() == pytest.approx(np.mean(samples), rel=1e-4)
    total = losses["expression"] + losses["pose"] + 0.5 * losses["sync"]
    torch.testing.assert_close(losses["loss"], total)


def test_the_sync_loss_teaches_the_expression_transformer_alone():
    model = make_model("fd2talk", expert=make_expert("fd2talk"))
    model.loss(make_batch(), Draws(0, 0, range(4)))["sync"].backward()
    gradients = {
        name: sum(float(p.grad.abs().sum()) for p in net.parameters() if p.grad is not None)
        for name, net in nets_of(model).items()
    }
    assert gradients["expression"] > 0
    assert gradients["pose"] == 0


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_sampling_walks_equation_5_with_known_frames_clean_in_every_step(eta):
    model = make_model("fd2talk").double().eval()
    batch, draws = make_batch(2, dtype=torch.float64), Draws(4, 0, [0, 1])
    start_BTC = torch.randn(2, 12, 70, dtype=torch.float64)
    is_known_BT = (torch.arange(12) < torch.tensor([[5], [0]])).expand(2, -1)
    known_BTC = torch.cat([batch.expression_BTC, batch.pose_BT6], -1)
    with torch.no_grad():
        found_BTC = model.sample(
            WindowRequest(
                audio_BTA=batch.audio_BTA,
                start_BTC=start_BTC,
                known_BTC=known_BTC,
                is_known_BT=is_known_BT,
                sampler=SamplerConfig(num_steps=5, eta=eta),
                draws=draws,
            )
        )
    condition = {
        "audio_BTA": (batch.audio_BTA - model.audio_scale.mean) / model.audio_scale.std,
        "is_known_BT": is_known_BT,
        "mask_BT": torch.ones(2, 12, dtype=torch.bool),
    }
    clean = clean_of(model, batch).numpy()
    held, levels = is_known_BT[..., None].numpy(), abar()
    parts = []
    for name, part in PARTS.items():
        fresh = draws.generators("sampling/fresh")
        x = start_BTC[..., part].numpy()
        for t in (999, 799, 599, 399, 199):
            past = levels[t - 200] if t >= 200 else 1.0
            x = np.where(held, clean[..., part], x)
            with torch.no_grad():
                step_B = torch.full((2,), t)
                guess = model.nets[name](torch.tensor(x), step_B, **condition).numpy()
            # The paper prints the root too short: it is over 1 - abar_{t-1} - sigma_t^2.
            sigma = eta * np.sqrt((1 - past) / (1 - levels[t]) * (1 - levels[t] / past))
            noise = (x - np.sqrt(levels[t]) * guess) / np.sqrt(1 - levels[t])
            x = np.sqrt(past) * guess + np.sqrt(1 - past - sigma**2) * noise
            if eta:
                shape = x.shape[1:]
                x = x + sigma * np.stack(
                    [torch.randn(1, *shape, generator=g, dtype=torch.float64)[0] for g in fresh]
                )
        parts.append(np.where(held, clean[..., part], x))
    scale = model.motion_scale
    expected = np.concatenate(parts, -1) * scale.std.numpy() + scale.mean.numpy()
    # diffusers keeps abar in float32, and 1 - abar of the first step is 1e-4.
    np.testing.assert_allclose(found_BTC.numpy(), expected, rtol=1e-3, atol=1e-3)


def test_a_single_transformer_replaces_two_of_its_size_and_draws_one_step_for_both():
    single, two = make_model("fd2talk", single_transformer=True), make_model("fd2talk")
    seen = spied(single)
    single.loss(make_batch(), Draws(0, 0, range(4)))
    assert list(seen) == ["both"]
    assert seen["both"]["noisy"].shape == (4, 12, 70)
    sizes = {name: num_parameters(net) for name, net in nets_of(two).items()}
    # Each coefficient costs a column of the way in, a row of the way out and a bias.
    per_coefficient = 16 + 16 + 1
    assert num_parameters(single) == sizes["expression"] + 6 * per_coefficient
    assert num_parameters(single) == sizes["pose"] + 64 * per_coefficient


def test_without_alignment_nothing_but_the_mask_changes():
    aligned, free = make_model("fd2talk"), make_model("fd2talk", alignment=False)
    assert {n: v.shape for n, v in aligned.state_dict().items()} == {
        n: v.shape for n, v in free.state_dict().items()
    }
    assert all(net.reach == 3 for net in nets_of(aligned).values())
    assert all(net.reach is None for net in nets_of(free).values())
