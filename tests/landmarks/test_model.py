"""Eq. 2 against NumPy, padding, references, windows, and that gradients reach everything."""

import numpy as np
import pytest
import torch

from tests.landmarks.small import make_batch, make_model, pad
from viseme_core.batches import LandmarkBatch
from viseme_core.draws import Draws
from viseme_landmarks.geometry import carry_references


def part(batch: LandmarkBatch, rows: slice) -> LandmarkBatch:
    return LandmarkBatch(*(values[rows] for values in batch))


def test_the_loss_is_equation_2_over_the_number_of_its_coordinates():
    model, batch = make_model().double(), make_batch(dtype=torch.float64)
    with torch.no_grad():
        found = model.predict(batch).numpy()
        losses = model.loss(batch, Draws(0, 0, batch.index_B))
    total = 0.0
    for sample in range(3):
        for frame in range(5):
            away = found[sample, frame] - batch.target_BTK2[sample, frame].numpy()
            total += np.abs(away[:41]).sum() + np.abs(away[41:]).sum()
    assert float(losses["loss"]) == pytest.approx(total / (3 * 5 * 57 * 2), rel=1e-12)
    # Lip and jaw are the two norms of the sum.
    both = 41 * losses["lip"] + 16 * losses["jaw"]
    assert float(both / 57) == pytest.approx(float(losses["loss"]), rel=1e-12)


def test_padding_changes_neither_loss_nor_real_frames():
    model = make_model().double().train()
    lengths = [5, 2, 1]
    zero, large = (pad(make_batch(dtype=torch.float64), lengths, fill=fill) for fill in (0.0, 9.0))
    with torch.no_grad():
        assert torch.equal(model.loss(zero)["loss"], model.loss(large)["loss"])
        found = model.predict(large)
        for i, length in enumerate(lengths):
            cut = LandmarkBatch._make(v[i : i + 1] for v in zero)
            cut = cut._replace(
                **{
                    name: getattr(cut, name)[:, :length]
                    for name in ("mel_BTMW", "pose_BTK2", "target_BTK2", "mask_BT")
                }
            )
            alone = model.predict(cut)[0]
            torch.testing.assert_close(found[i, :length], alone, rtol=0, atol=1e-12)


def test_a_batch_is_the_mean_of_its_halves_whatever_is_padding():
    model = make_model().double()
    batch = pad(make_batch(4, dtype=torch.float64), [5, 1, 3, 5], fill=0.0)
    with torch.no_grad():
        whole = model.loss(batch)["loss"]
        halves = [model.loss(part(batch, rows))["loss"] for rows in (slice(0, 2), slice(2, 4))]
    assert float(whole) == pytest.approx(float(sum(halves)) / 2, rel=1e-12)


@pytest.mark.parametrize("num_references", [1, 3, 5, 10])
def test_every_number_of_references_of_table_iv_trains_and_counts(num_references):
    model = make_model(num_references=num_references)
    batch = make_batch(references=num_references)
    loss = model.loss(batch)["loss"]
    (gradient,) = torch.autograd.grad(
        model.loss(batch._replace(reference_BNK2=batch.reference_BNK2.requires_grad_()))["loss"],
        batch.reference_BNK2,
    )
    assert torch.isfinite(loss)
    assert (gradient.abs().sum((0, 2, 3)) > 0).all()


@pytest.mark.parametrize(
    ("settings", "heard"),
    [
        ({"num_frames": 1}, [6]),
        ({"num_frames": 5}, [4, 5, 6, 7, 8]),
        ({"num_frames": 5, "hop": 5}, [5, 6, 7, 8, 9]),
    ],
)
def test_a_frame_is_heard_in_the_windows_that_it_is_in_and_nowhere_else(settings, heard):
    model = make_model(**settings)
    batch = make_batch(1, 13)
    other = batch.mel_BTMW.clone()
    other[:, 6] += 1
    with torch.no_grad():
        moved = model.predict(batch._replace(mel_BTMW=other)) - model.predict(batch)
    changed = (moved[0].abs().amax((1, 2)) > 1e-7).nonzero().flatten().tolist()
    assert changed == heard


def test_long_samples_are_their_windows_one_by_one():
    model, batch = make_model(), make_batch(2, 8)
    with torch.no_grad():
        found = model.predict(batch)
        for frame in range(8):
            start = min(max(frame - 2, 0), 3)
            rows = slice(start, start + 5)
            window = batch._replace(
                mel_BTMW=batch.mel_BTMW[:, rows],
                pose_BTK2=batch.pose_BTK2[:, rows],
                target_BTK2=batch.target_BTK2[:, rows],
                mask_BT=batch.mask_BT[:, rows],
            )
            alone = model.predict(window)[:, frame - start]
            torch.testing.assert_close(found[:, frame], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("base", ["none", "references"])
def test_heads_that_say_nothing_leave_the_mean_face_or_the_carried_references(base):
    model, batch = make_model(base=base), make_batch()
    for head in (model.net.lip, model.net.jaw):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
    with torch.no_grad():
        found = model.predict(batch)
    expected = model.scale.mean_K2[:57].expand_as(found)
    if base == "references":
        content, pose = batch.reference_BNK2.split([57, 74], 2)
        expected = carry_references(content, pose, batch.pose_BTK2)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("is_long", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"base": "references"},
        {"norm": "batch", "dropout": 0.1},
        {"num_frames": 1},
        {"convention": "ip_lap", "num_lip": 40, "num_jaw": 17},
    ],
)
def test_a_gradient_reaches_every_parameter_and_the_inputs(settings, is_long):
    model = make_model(**settings).train()
    batch = make_batch(frames=7 if is_long else model.config.num_frames)
    batch = batch._replace(mel_BTMW=batch.mel_BTMW.requires_grad_())
    model.loss(batch)["loss"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name
    assert batch.mel_BTMW.grad is not None
    assert (batch.mel_BTMW.grad.abs().sum((2, 3)) > 0).all()


def test_gradients_of_what_is_predicted_are_those_of_finite_differences():
    # As joint training needs it: through predict, to the first layers of every encoder.
    model, batch = make_model(base="references").double(), make_batch(1, dtype=torch.float64)
    weights = torch.randn(1, 5, 57, 2).double()

    def value() -> torch.Tensor:
        return (model.predict(batch) * weights).sum()

    value().backward()
    for name in ("sound", "pose", "reference"):
        weight = getattr(model.net, name)[0].conv.weight
        index = weight.grad.abs().argmax()
        with torch.no_grad():
            flat = weight.flatten()
            start = flat[index].item()
            ends = []
            for step in (1e-6, -1e-6):
                weight.view(-1)[index] = start + step
                ends.append(float(value()))
            weight.view(-1)[index] = start
        slope = (ends[0] - ends[1]) / 2e-6
        assert slope == pytest.approx(float(weight.grad.flatten()[index]), rel=1e-4), name


def test_one_batch_is_learned_by_heart():
    model, batch = make_model(), make_batch(2, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = model.loss(batch)["loss"]
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0] / 10


def test_faces_of_other_points_are_completed_too():
    model = make_model(num_lip=4, num_jaw=3, num_pose=9)
    found = model.predict(make_batch(counts=(7, 9)))
    assert found.shape == (3, 5, 7, 2)


def test_loss_does_not_depend_on_what_else_is_drawn():
    model, batch = make_model(), make_batch()
    one, two = (model.loss(batch, Draws(seed, 3, batch.index_B))["loss"] for seed in (0, 1))
    assert torch.equal(one, two)


def test_predictions_are_the_same_for_a_sample_in_any_batch():
    model = make_model()
    with torch.no_grad():
        together = model.predict(make_batch(3))[2]
        alone = model.predict(make_batch(1, first=2))[0]
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mel_BTMW": (3, 5, 80, 15)}, r"mel_BTMW must have shape \(B, T, 80, 16\)"),
        ({"pose_BTK2": (3, 5, 73, 2)}, r"pose_BTK2 must have shape \(B, T, 74, 2\)"),
        ({"pose_BTK2": (3, 4, 74, 2)}, "pose_BTK2 must have shape .* with T = 5"),
        ({"reference_BNK2": (3, 5, 57, 2)}, r"reference_BNK2 must have shape \(B, R, 131, 2\)"),
        ({"target_BTK2": (3, 5, 57, 3)}, "target_BTK2 must have shape"),
    ],
)
def test_batches_of_another_shape_are_refused_by_name(change, message):
    batch = make_batch()._replace(**{name: torch.rand(shape) for name, shape in change.items()})
    with pytest.raises(ValueError, match=message):
        make_model().predict(batch)


def test_a_batch_without_references_is_refused():
    batch = make_batch()
    with pytest.raises(ValueError, match="at least one reference"):
        make_model().predict(batch._replace(reference_BNK2=batch.reference_BNK2[:, :0]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions_work(dtype):
    model = make_model(base="references").to(dtype)
    found = model.predict(make_batch(dtype=dtype))
    exact = make_model(base="references").predict(make_batch())
    assert found.dtype == dtype
    tolerance = 0.05 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(found.float(), exact, rtol=0, atol=tolerance)
