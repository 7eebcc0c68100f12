from typing import Any

import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.testing import assert_close

from tests.face.models import random_model, random_truth
from viseme_face.fitting import FitResult, fit_clip, fit_identity
from viseme_face.morphable import MorphableModel
from viseme_face.pose import pose_vertices, project


def posed(model: MorphableModel, truth: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    identity, expression, pose = truth
    return pose_vertices(model(identity, expression), pose)


def refitted(model: MorphableModel, fit: FitResult) -> Tensor:
    return pose_vertices(model(fit.identity, fit.expression), fit.pose)


def degrees_apart(first_T6: Tensor, second_T6: Tensor) -> float:
    turns = [
        Rotation.from_euler("ZYX", p[:, [2, 1, 0]].double().numpy()) for p in (first_T6, second_T6)
    ]
    return float((turns[0].inv() * turns[1]).magnitude().max()) * 57.29578


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_points_in_space_give_the_truth_of_a_random_model(seed: int) -> None:
    model = random_model(seed=seed)
    truth = random_truth(model, 40, seed=seed)
    fit = fit_clip(model, posed(model, truth), "mp478")
    assert degrees_apart(fit.pose, truth[2]) < 0.1
    error = (fit.expression - truth[1]).norm(dim=1) / truth[1].norm(dim=1)
    assert error.max() < 1e-3
    assert_close(fit.identity, truth[0], atol=1e-3, rtol=0)
    assert_close(fit.pose[:, 3:], truth[2][:, 3:], atol=1e-4, rtol=0)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("source", ["builtin", "random"])
def test_crop_points_are_reprojected(source: str, seed: int) -> None:
    model = MorphableModel.builtin() if source == "builtin" else random_model(seed=seed)
    truth = random_truth(model, 60, seed=seed)
    image = project(posed(model, truth))
    fit = fit_clip(model, image, "mp478")
    assert (project(refitted(model, fit)) - image).abs().max() < 1e-4
    assert fit.residual.max() < 5e-5
    assert degrees_apart(fit.pose, truth[2]) < 0.5


@pytest.mark.parametrize("dims", [2, 3])
def test_a_single_frame_is_enough(dims: int) -> None:
    model = MorphableModel.builtin()
    camera = posed(model, random_truth(model, 1))
    points = camera if dims == 3 else project(camera)
    fit = fit_clip(model, points, "mp478")
    assert (project(refitted(model, fit)) - project(camera)).abs().max() < 1e-4


def test_large_turns_of_the_head_are_found() -> None:
    model = MorphableModel.builtin()
    identity, expression, pose = random_truth(model, 12)
    pose[:, 1] = torch.linspace(-1.2, 1.2, 12)
    pose[:, 2] = torch.linspace(2.0, -2.0, 12)
    image = project(posed(model, (identity, expression, pose)))
    fit = fit_clip(model, image, "mp478")
    assert (project(refitted(model, fit)) - image).abs().max() < 1e-4


def test_one_call_equals_frame_by_frame_with_a_known_identity() -> None:
    model = random_model()
    truth = random_truth(model, 5)
    image = project(posed(model, truth))
    whole = fit_clip(model, image, "mp478", identity=truth[0])
    for t in range(5):
        one = fit_clip(model, image[t : t + 1], "mp478", identity=truth[0])
        assert_close(one.expression[0], whole.expression[t], atol=1e-4, rtol=0)
        assert_close(one.pose[0], whole.pose[t], atol=1e-4, rtol=0)
    assert torch.equal(whole.identity, truth[0])


@pytest.mark.parametrize("known", [True, False])
def test_the_result_is_the_least_of_its_cost(known: bool) -> None:
    # In float64 autograd knows the gradient of the documented cost; it must vanish at the fit.
    model = MorphableModel.builtin().double()
    truth = tuple(part.double() for part in random_truth(model, 3))
    image = project(posed(model, truth))  # type: ignore[arg-type]
    image = image + 0.002 * torch.randn(image.shape, dtype=torch.float64)
    weights, noise = torch.rand(478, dtype=torch.float64), 1e-3
    given = truth[0] if known else None
    fit = fit_clip(model, image, "mp478", identity=given, weights=weights, noise=noise)
    identity = fit.identity.clone().requires_grad_()
    expression = fit.expression.clone().requires_grad_()
    pose = fit.pose.clone().requires_grad_()
    predicted = project(pose_vertices(model(identity, expression), pose))
    cost = (weights * (predicted - image).square().sum(-1)).sum()
    cost = cost + noise**2 * (expression / model.expression_std_E).square().sum()
    # What all frames share has its prior once.
    cost = cost + noise**2 * (identity / model.identity_std_I).square().sum()
    cost.backward()
    fitted = (expression, pose) if known else (identity, expression, pose)
    for part in fitted:
        assert part.grad is not None
        assert part.grad.abs().max() < 1e-8


def test_noise_is_neither_amplified_nor_explained_away() -> None:
    model = MorphableModel.builtin()
    truth = random_truth(model, 60)
    clean = project(posed(model, truth))
    noise = 0.002
    fit = fit_clip(model, clean + noise * torch.randn(clean.shape), "mp478", noise=noise)
    # 956 numbers and 70 unknowns per frame: the fit follows a part of the noise, not all of it.
    assert 0.9 * noise < fit.residual.mean() / 2**0.5 < 1.0 * noise
    error = (project(refitted(model, fit)) - clean).square().mean().sqrt()
    assert error < 0.5 * noise
    assert (fit.expression / model.expression_std_E).abs().max() < 5
    assert (fit.identity / model.identity_std_I).abs().max() < 5


def test_a_larger_noise_pulls_coefficients_towards_zero() -> None:
    model = MorphableModel.builtin()
    image = project(posed(model, random_truth(model, 4)))
    sizes = [
        float(fit_clip(model, image, "mp478", noise=noise).expression.norm())
        for noise in (1e-4, 1e-2, 1.0)
    ]
    assert sizes[0] > sizes[1] > sizes[2]
    assert sizes[2] < 0.1 * sizes[0]


def test_points_of_weight_zero_and_nan_points_change_nothing() -> None:
    model = random_model()
    truth = random_truth(model, 6)
    image = project(posed(model, truth))
    weights = torch.ones(6, 478)
    weights[2, 100:300] = 0
    hidden = image.clone()
    hidden[2, 100:300] = 7.0
    unseen = image.clone()
    unseen[2, 100:300] = torch.nan
    by_weight = fit_clip(model, hidden, "mp478", weights=weights)
    by_nan = fit_clip(model, unseen, "mp478")
    assert_close(by_weight.expression, by_nan.expression)
    assert (project(refitted(model, by_nan)) - image).abs().max() < 1e-4


def test_identity_alone_is_that_of_the_whole_fit() -> None:
    model = MorphableModel.builtin()
    image = project(posed(model, random_truth(model, 40)))
    image[3] = torch.nan
    options: dict[str, Any] = {"weights": torch.linspace(0, 2, 478), "noise": 1e-3}
    alone = fit_identity(model, image, "mp478", **options)
    assert torch.equal(alone, fit_clip(model, image, "mp478", **options).identity)
    assert not torch.equal(alone, fit_identity(model, image, "mp478"))


def test_missing_frames_are_nan_until_filled() -> None:
    model = random_model()
    truth = random_truth(model, 7)
    points = posed(model, truth)
    points[0] = torch.nan
    points[3, 4:] = torch.nan  # four points are not a face
    points[4] = torch.nan
    fit = fit_clip(model, points, "mp478")
    assert fit.valid.tolist() == [False, True, True, False, False, True, True]
    assert fit.pose[~fit.valid].isnan().all()
    assert fit.residual[~fit.valid].isnan().all()
    assert degrees_apart(fit.pose[fit.valid], truth[2][fit.valid]) < 0.1
    with pytest.raises(ValueError, match=r"3 frames are missing, first 0.*filled"):
        fit.to_motion()
    motion = fit.filled().to_motion()
    assert torch.equal(motion.pose[0], fit.pose[1])
    third = fit.expression[2] + (fit.expression[5] - fit.expression[2]) / 3
    assert_close(motion.expression[3], third)
    assert motion.face_model == model.name


def test_a_robust_scale_forgives_outliers() -> None:
    model = MorphableModel.builtin()
    truth = random_truth(model, 6)
    image = project(posed(model, truth))
    spoiled = image.clone()
    spoiled[:, ::20] += 0.1 * torch.randn(6, 24, 2)
    plain = fit_clip(model, spoiled, "mp478", noise=5e-4)
    robust = fit_clip(model, spoiled, "mp478", noise=5e-4, robust_scale=0.005)
    errors = [
        float((project(refitted(model, fit)) - image).square().mean().sqrt())
        for fit in (plain, robust)
    ]
    assert errors[1] < 0.1 * errors[0]


def test_smaller_layouts_fit_their_points() -> None:
    model = MorphableModel.builtin()
    identity, expression, pose = random_truth(model, 8)
    for layout in ("talk131", "dlib68"):
        points = pose_vertices(model.landmarks(identity, expression, layout), pose)
        fit = fit_clip(model, project(points), layout)
        assert fit.residual.max() < 1e-4


@pytest.mark.parametrize("dims", [2, 3])
def test_coinciding_points_are_an_error_with_the_frame(dims: int) -> None:
    points = torch.rand(3, 478, dims)
    points[1] = 0.5
    points[0] = torch.nan
    with pytest.raises(ValueError, match="frame 1 coincide"):
        fit_clip(random_model(), points, "mp478")


def test_a_clip_without_a_face_is_an_error() -> None:
    with pytest.raises(ValueError, match="no frame has 6 visible points"):
        fit_clip(random_model(), torch.full((3, 478, 2), torch.nan), "mp478")


@pytest.mark.parametrize(
    ("dims", "unit", "message"),
    [
        (2, 128, r"\[0, 1\] of the crop, but those of frame 2 lie"),
        (3, 10, r"decimetres.*frame 2 lie .*divide centimetres by 10"),
    ],
)
def test_points_in_another_unit_are_refused(dims: int, unit: float, message: str) -> None:
    model = random_model()
    camera = posed(model, random_truth(model, 3))
    points = camera if dims == 3 else project(camera)
    fit_clip(model, points, "mp478")
    points[2] *= unit
    with pytest.raises(ValueError, match=message):
        fit_clip(model, points, "mp478")


def test_a_wild_guess_among_the_points_is_refused_instead_of_fitted() -> None:
    points = torch.rand(3, 478, 2)
    points[1, 7] = 1e30
    with pytest.raises(ValueError, match=r"those of frame 1 lie inf .*wild guesses with NaN"):
        fit_clip(random_model(), points, "mp478")


def test_a_fit_carries_no_gradient() -> None:
    points = torch.rand(2, 478, 2)
    plain = fit_clip(random_model(), points, "mp478")
    fit = fit_clip(random_model(), points.clone().requires_grad_(), "mp478")
    assert not fit.pose.requires_grad
    assert torch.equal(fit.pose, plain.pose)


@pytest.mark.gpu
def test_a_fit_on_the_gpu_is_the_fit_on_the_cpu() -> None:
    model = MorphableModel.builtin()
    # Frames of unlike difficulty, so that some are done while others go on.
    identity, expression, pose = random_truth(model, 40)
    pose[::4, 1] = 1.2
    points = project(posed(model, (identity, expression, pose)))
    here = fit_clip(model, points, "mp478")
    there = fit_clip(MorphableModel.builtin().cuda(), points.cuda(), "mp478")
    assert there.pose.is_cuda
    assert_close(there.pose.cpu(), here.pose, atol=1e-3, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64])
def test_points_of_another_type_are_refused(dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match=f"float32 or float64, got {dtype}"):
        fit_clip(random_model(), torch.ones(2, 478, 2, dtype=dtype), "mp478")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"noise": -1e-3}, "noise must be finite and at least 0, got -0.001"),
        ({"noise": float("nan")}, "noise must be finite and at least 0, got nan"),
        ({"robust_scale": 0.0}, "robust_scale must be above 0, got 0.0"),
        ({"identity": torch.full((80,), torch.nan)}, "identity holds NaN or infinity"),
    ],
)
def test_options_out_of_range_are_refused_by_name(option: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_clip(random_model(), torch.rand(2, 478, 2), "mp478", **option)


def test_wrong_shapes_are_refused_by_name() -> None:
    model = random_model()
    with pytest.raises(ValueError, match=r"has landmarks .*, not 'mp468'"):
        fit_clip(model, torch.rand(3, 468, 2), "mp468")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"points_TKD \(mp478\)"):
        fit_clip(model, torch.rand(3, 68, 2), "mp478")
    with pytest.raises(ValueError, match="must end in 2"):
        fit_clip(model, torch.rand(3, 478, 4), "mp478")
    with pytest.raises(ValueError, match="weights must have shape"):
        fit_clip(model, torch.rand(3, 478, 2), "mp478", weights=torch.ones(3))
    with pytest.raises(ValueError, match="weights must be finite"):
        fit_clip(model, torch.rand(3, 478, 2), "mp478", weights=-torch.ones(478))
    with pytest.raises(ValueError, match="identity must have shape"):
        fit_clip(model, torch.rand(3, 478, 2), "mp478", identity=torch.zeros(3))
