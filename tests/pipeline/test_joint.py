"""Joint training: Eq. 6, who learns from what, and other pairs by the same link."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.pipeline.joint_small import make_batch, make_config, make_model
from viseme_core.batches import JointBatch
from viseme_core.draws import Draws
from viseme_core.types import Landmarks
from viseme_face.layouts import CONTENT_SLICE, select
from viseme_landmarks.config import LandmarksConfig
from viseme_pipeline.joint import JointConfig, JointModel, whole_faces


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed: None) -> None:
    """Threads for such small work wait for each other."""
    torch.set_num_threads(1)


def draws(step: int = 0) -> Draws:
    return Draws(0, step, [0, 1])


def first_layer(model: Any) -> nn.Parameter:
    """The weight that sound meets first in the landmark network."""
    return next(p for n, p in model.driving.net.named_parameters() if "sound" in n and p.ndim == 4)


def gradient(loss: Tensor, parameter: nn.Parameter) -> Tensor | None:
    return torch.autograd.grad(loss, parameter, allow_unused=True, retain_graph=True)[0]


def test_completed_and_given_points_become_the_layouts_131():
    mesh = torch.rand(3, 478, 2)
    whole = select(Landmarks(mesh, "mp478"), "talk131").points_TKD
    batch = make_batch(1)
    given = batch.landmark._replace(pose_BTK2=whole[None, :, CONTENT_SLICE.stop :])
    told = whole_faces(whole[None, :, CONTENT_SLICE], batch._replace(landmark=given))
    assert torch.equal(told["landmarks_BTK2"][0], whole)


def test_the_total_is_equation_6():
    model, batch = make_model(), make_batch()
    found = model.loss(batch, draws())
    completed = model.driving.predict(batch.landmark)
    error = (completed - batch.landmark.target_BTK2).abs().mean()
    whole = torch.cat([completed, batch.landmark.pose_BTK2], 2)
    picture = model.renderer.loss(batch.render, draws(), landmarks_BTK2=whole)["loss"]
    torch.testing.assert_close(found["loss"], picture + 10 * error)
    torch.testing.assert_close(found["picture"], picture)
    torch.testing.assert_close(found["landmark"], error)


def test_the_weight_of_the_landmarks_is_the_configs():
    batch = make_batch()
    found = make_model(landmark_weight=3.0).loss(batch, draws())
    torch.testing.assert_close(found["loss"], found["picture"] + 3 * found["landmark"])


def test_the_pictures_error_reaches_the_first_layer_once_zeros_have_moved():
    batch = make_batch()
    still, moved = make_model(is_moved=False), make_model()
    at_zero = gradient(still.loss(batch, draws())["picture"], first_layer(still))
    assert at_zero is None or not at_zero.any()
    reached = gradient(moved.loss(batch, draws())["picture"], first_layer(moved))
    assert reached is not None
    assert reached.isfinite().all()
    assert reached.abs().max() > 0


def test_one_step_of_training_is_enough_to_move_them():
    batch, model = make_batch(), make_model(is_moved=False)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(2):
        optimizer.zero_grad()
        model.loss(batch, draws(step))["loss"].backward()
        optimizer.step()
    reached = gradient(model.loss(batch, draws(2))["picture"], first_layer(model))
    assert reached is not None
    assert reached.any()


def test_apart_the_pictures_error_stays_with_the_renderer():
    batch, model = make_batch(), make_model(end_to_end=False)
    found = model.loss(batch, draws())
    assert gradient(found["picture"], first_layer(model)) is None
    # Drawn by the truth: what the renderer alone would do.
    alone = model.renderer.loss(batch.render, draws())["loss"]
    torch.testing.assert_close(found["picture"], alone, rtol=0, atol=0)
    # And the landmarks learn ten times as fast as alone, by an optimizer that does not care.
    own = gradient(found["loss"], first_layer(model))
    by_itself = gradient(model.driving.loss(batch.landmark)["loss"], first_layer(model))  # type: ignore[attr-defined]
    assert own is not None
    assert by_itself is not None
    torch.testing.assert_close(own, 10 * by_itself)


def test_together_the_renderer_draws_by_what_was_completed():
    batch = make_batch()
    together, apart = make_model(), make_model(end_to_end=False)
    difference = together.loss(batch, draws())["picture"] - apart.loss(batch, draws())["picture"]
    assert difference.abs() > 1e-7
    # With the truth completed, both are the same.
    told = together.losses_of(batch.landmark.target_BTK2, batch, draws())
    torch.testing.assert_close(told["picture"], apart.loss(batch, draws())["picture"])
    assert float(told["landmark"]) == 0


@pytest.mark.parametrize("end_to_end", [True, False], ids=["together", "apart"])
@pytest.mark.parametrize(
    "row", [{}, {"r_align": False}, {"m_align": False}, {"b_sequential": False}], ids=str
)
def test_every_parameter_gets_a_finite_gradient(end_to_end, row):
    model = make_model(end_to_end=end_to_end, talkformer=row)
    model.loss(make_batch(), draws())["loss"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_the_autoencoder_is_frozen_and_none_of_the_weights():
    model = make_model()
    names = {name.partition(".")[0] for name in model.state_dict()}
    assert names == {"driving", "renderer"}
    assert not [name for name in model.state_dict() if "autoencoder" in name]


def test_recomputing_activations_changes_no_gradient():
    batch = make_batch()
    grads = []
    for net in ({}, {"checkpointing": True}):
        model = make_model(net=net)
        model.loss(batch, draws())["loss"].backward()
        grads.append({name: p.grad for name, p in model.named_parameters()})
    assert grads[0].keys() == grads[1].keys()
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad)


class Coefficients(nn.Module):
    """A stage of another kind: coefficients from sound."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(80, 4)

    def predict(self, batch: Any) -> Tensor:
        return self.net(batch.mel_BTMW.mean(-1))

    def losses_of(self, found: Tensor, batch: Any) -> dict[str, Tensor]:
        return {"loss": found.square().mean()}


class Painter(nn.Module):
    """A renderer of another kind: grey pictures as bright as coefficients say."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 1)

    def loss(
        self, batch: Any, draws: Draws, *, motion_BTC: Tensor | None = None
    ) -> dict[str, Tensor]:
        told = torch.zeros(2, 3, 4) if motion_BTC is None else motion_BTC
        made = self.net(told)[..., None, None]
        return {"loss": (made - batch.frames_BT3HW).square().mean()}


def by_motion(found: Tensor, batch: JointBatch) -> dict[str, Tensor]:
    return {"motion_BTC": found}


@pytest.mark.parametrize("end_to_end", [True, False], ids=["together", "apart"])
def test_any_stage_can_be_joined_to_any_renderer_that_takes_its_output(end_to_end):
    model = JointModel(
        Coefficients(), Painter(), link=by_motion, driving_weight=0.5, end_to_end=end_to_end
    )
    batch = make_batch()
    found = model.loss(batch, draws())
    torch.testing.assert_close(found["loss"], found["picture"] + 0.5 * found["landmark"])
    grad = gradient(found["picture"], model.get_parameter("driving.net.weight"))
    assert (grad is not None and bool(grad.any())) == end_to_end


@pytest.mark.slow
def test_one_batch_is_learned_by_heart():
    model, batch = make_model(is_moved=False), make_batch(2)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = model.loss(batch, draws())["loss"]
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 10


def test_faces_of_other_points_are_refused():
    with pytest.raises(ValueError, match=r"131 points of talk131.*30 \+ 74"):
        JointConfig(landmarks=LandmarksConfig(num_lip=20, num_jaw=10))
    with pytest.raises(ValueError, match="landmark_weight must be positive"):
        make_config(landmark_weight=0.0)
