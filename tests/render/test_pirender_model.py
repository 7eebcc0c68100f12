"""The model's losses in both phases, and what trains."""

import pytest
import torch

from tests.render.pirender_small import KINDS, NET, OURS, make_batch, make_config, make_model
from viseme_core.draws import Draws
from viseme_render.pirender.config import PIRenderConfig, PIRenderLossConfig
from viseme_render.pirender.model import PIRenderModel
from viseme_render.pirender.regions import mouth_weight

WEIGHTS = {"pixels": 0.7, "mouth": 2.0, "landmarks": 0.3, "perceptual": 1.5, "perceptual_warp": 0.5}


def draws(step: int, size: int = 2) -> Draws:
    return Draws(0, step, range(size))


@pytest.mark.parametrize("kind", KINDS)
def test_only_warping_and_mapping_move_in_the_first_phase(kind):
    model = make_model(KINDS[kind], warp_steps=2, **WEIGHTS)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-2)
    kept = {name: value.clone() for name, value in model.named_parameters()}

    def step(number: int) -> set[str]:
        """The networks that move in a step."""
        before = {name: value.clone() for name, value in model.named_parameters()}
        optimizer.zero_grad()
        model.loss(make_batch(), draws(number))["loss"].backward()
        optimizer.step()
        moved = (n for n, v in model.named_parameters() if not torch.equal(v, before[n]))
        return {name.split(".")[1] for name in moved}

    first = {"mapping_net", "warpping_net"}
    assert [step(0), step(1)] == [first, first]
    assert step(2) == first | {"editing_net"}
    for name, value in model.named_parameters():
        if not value.requires_grad:
            assert torch.equal(value, kept[name])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [0, 2], ids=["warping", "both"])
def test_every_parameter_that_trains_gets_a_gradient_in_both_phases(kind, step):
    model = make_model(KINDS[kind], **WEIGHTS)
    model.loss(make_batch(), draws(step))["loss"].backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
        is_unused = ".conv1." in name or ".norm1." in name
        assert parameter.requires_grad != ("editing_net" in name and is_unused), name
        if parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all()
            is_waiting = step == 0 and "editing_net" in name
            assert is_waiting == (not parameter.grad.any() and "editing_net" in name), name


def edges(made: torch.Tensor, true: torch.Tensor, scales: int) -> torch.Tensor:
    """The loss of colours and edges, written down anew."""
    total = torch.zeros(())
    for scale in range(scales):
        a, b = (torch.nn.functional.avg_pool2d(x, 2**scale) for x in (made, true))
        right = [x[..., :, 1:] - x[..., :, :-1] for x in (a, b)]
        down = [x[..., 1:, :] - x[..., :-1, :] for x in (a, b)]
        total += sum((x - y).abs().mean() for x, y in ((a, b), right, down))
    return total / scales


@pytest.mark.parametrize("step", [0, 5], ids=["warping", "both"])
def test_the_loss_is_the_weighted_sum_of_its_parts(step):
    model, batch = make_model(OURS, **WEIGHTS), make_batch()
    found = model.loss(batch, draws(step))
    made = model.render(batch, edit=step >= 2)
    true = batch.frames_BT3HW.flatten(0, 1)
    weight = 1 + 2.0 * mouth_weight(batch.landmarks_BTK2.flatten(0, 1), true.shape[-1])[:, None]

    def pixels(picture: torch.Tensor) -> torch.Tensor:
        return (weight * (picture - true).abs()).mean()

    expected = 0.5 * edges(made.warped_B3HW, true, 2) + 0.7 * pixels(made.warped_B3HW)
    expected = expected + 0.3 * found["landmarks"]
    if step >= 2:
        expected = expected + 1.5 * edges(made.picture_B3HW, true, 2)
        expected = expected + 0.7 * pixels(made.picture_B3HW)
    torch.testing.assert_close(found["loss"], expected)
    assert ("perceptual" in found) == (step >= 2)


def test_frames_of_a_sample_share_its_portrait():
    model, batch = make_model(OURS), make_batch(2, 3)
    made = model.render(batch).picture_B3HW.unflatten(0, (2, 3))
    for b in range(2):
        for t in range(3):
            one = batch._replace(
                **{name: getattr(batch, name)[b : b + 1] for name in batch._fields}
            )
            one = one._replace(
                frames_BT3HW=one.frames_BT3HW[:, t : t + 1],
                motion_window_BTWC=one.motion_window_BTWC[:, t : t + 1],
            )
            alone = model.render(one).picture_B3HW[0]
            torch.testing.assert_close(made[b, t], alone, atol=1e-5, rtol=1e-5)


def test_the_portraits_own_motion_is_heard_by_networks_that_know_it_only():
    for net, is_heard in ((OURS, True), (NET, False)):
        model, batch = make_model(net), make_batch()
        moved = batch._replace(own_motion_BC=batch.own_motion_BC + 1)
        same = torch.equal(model.render(batch).picture_B3HW, model.render(moved).picture_B3HW)
        assert same != is_heard


def test_training_overfits_one_batch():
    torch.manual_seed(0)
    model, batch = PIRenderModel(make_config(OURS, warp_steps=20, **WEIGHTS)), make_batch(2, 1)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-2)
    losses = []
    for step in range(200):
        if step == 150:
            for group in optimizer.param_groups:
                group["lr"] = 2e-3
        found = model.loss(batch, draws(step))
        losses.append(float(found["pixels"].detach()) if "pixels" in found else 0.0)
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
    assert losses[-1] < 0.1 * losses[20]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"style": 1.0}, "style needs a feature network"),
        ({"perceptual": -1.0}, "perceptual must not be negative"),
        ({"scales": 0}, "scales must be at least 1, got 0"),
        ({"perceptual_warp": 0.0}, "nothing to train the warping by"),
    ],
)
def test_losses_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PIRenderLossConfig(**settings)


def test_a_negative_length_of_the_first_phase_is_refused():
    with pytest.raises(ValueError, match="warp_steps must not be negative, got -1"):
        PIRenderConfig(warp_steps=-1)
