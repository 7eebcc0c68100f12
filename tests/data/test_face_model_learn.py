import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.data.crowd import crowd, small_prior
from viseme_data.face_model.estimate import Directions, Noise, estimate
from viseme_data.face_model.learn import Learned, learn, one_thread, shrink
from viseme_data.face_model.prior import Knowledge
from viseme_data.face_model.shapes import Rows, mirrored, reduced
from viseme_face.layouts import eye_aspect_ratio, lip_opening

NOISE = Noise()


@pytest.fixture(scope="module")
def prior() -> Knowledge:
    return small_prior()


@pytest.fixture(scope="module")
def truth(prior: Knowledge) -> Knowledge:
    """People differ in four ways only, faces move in three, all unlike the prior's."""
    return prior._replace(
        identity=strong(prior.identity, 4, seed=1), expression=strong(prior.expression, 3, seed=2)
    )


@pytest.fixture(scope="module")
def learned(prior: Knowledge, truth: Knowledge) -> Learned:
    people, _, _ = crowd(truth, 60, 6, flat_noise=1e-3, depth_noise=8e-3)
    return learn(prior, people, rounds=3, noise=NOISE, expression_prior=0.05)


def strong(rows: Rows, num: int, seed: int) -> Rows:
    """Some random mixtures of rows at one and a half deviations, symmetric ones first."""
    draw = torch.Generator().manual_seed(seed)
    mixtures, is_even = [], []
    for k in range(num):
        even = k % 3 != 2
        own = rows.rows_NV3[rows.is_even_N == even].flatten(1)
        weights = torch.randn(len(own), generator=draw, dtype=torch.float64)
        mixtures.append(1.5 * (weights / weights.norm() @ own).unflatten(0, (-1, 3)))
        is_even.append(even)
    return Rows(torch.stack(mixtures), torch.tensor(is_even))


def cosines(found: Rows, true: Rows) -> Tensor:
    """Cosines of the angles between what both span, the least first."""
    flat = [torch.linalg.qr(rows.rows_NV3.flatten(1).T).Q for rows in (found, true)]
    return torch.linalg.svdvals(flat[0].T @ flat[1]).flip(0)


def leading(rows: Rows, num: int) -> Rows:
    return reduced(rows, num, torch.ones(478, dtype=torch.float64))


def test_a_person_is_found_from_exact_landmarks(truth: Knowledge) -> None:
    people, identity_PI, expression_PFE = crowd(truth, 3, 5)
    known = Directions(truth.mean_V3, truth.identity.rows_NV3, truth.expression.rows_NV3)
    for points_FK3, identity_I, expression_FE in zip(
        people, identity_PI, expression_PFE, strict=True
    ):
        with one_thread():
            found = estimate(known, points_FK3, Noise(flat=1e-5, depth=1e-4))
        assert_close(found.identity_I, identity_I, atol=1e-2, rtol=0)
        assert_close(found.expression_FE, expression_FE, atol=1e-2, rtol=0)
        assert found.misfit < 1e-5


def test_errors_of_an_estimate_are_as_large_as_it_says(truth: Knowledge) -> None:
    noise = Noise(flat=4e-3, depth=3e-2)
    people, identity_PI, _ = crowd(truth, 25, 1, flat_noise=4e-3, depth_noise=3e-2)
    known = Directions(truth.mean_V3, truth.identity.rows_NV3, truth.expression.rows_NV3)
    ratios = []
    for points_FK3, identity_I in zip(people, identity_PI, strict=True):
        with one_thread():
            found = estimate(known, points_FK3, noise)
        off_I = found.identity_I - identity_I
        ratios.append(off_I @ torch.linalg.solve(found.identity_error_II, off_I) / len(off_I))
    # A mean over 25 people and 4 directions: chi square over 100 degrees of freedom.
    assert 0.7 < float(torch.stack(ratios).mean()) < 1.4


def test_directions_and_deviations_of_faces_are_recovered(
    learned: Learned, truth: Knowledge
) -> None:
    few = leading(learned.knowledge.identity, 4)
    assert cosines(few, truth.identity)[0] > 0.97
    true_size = torch.linalg.svdvals(truth.identity.rows_NV3.flatten(1))
    # Sixty people give a deviation to about a tenth.
    assert_close(few.rows_NV3.flatten(1).norm(dim=1), true_size, rtol=0.25, atol=0)


def test_directions_and_deviations_of_expressions_are_recovered(
    learned: Learned, truth: Knowledge
) -> None:
    few = leading(learned.knowledge.expression, 3)
    assert cosines(few, truth.expression)[0] > 0.97
    true_size = torch.linalg.svdvals(truth.expression.rows_NV3.flatten(1))
    assert_close(few.rows_NV3.flatten(1).norm(dim=1), true_size, rtol=0.2, atol=0)


def test_the_mean_moves_to_the_people_and_keeps_lips_closed(
    prior: Knowledge, truth: Knowledge
) -> None:
    shift_V3 = 2.0 * prior.identity.rows_NV3[0]
    moved = truth._replace(mean_V3=truth.mean_V3 + shift_V3)
    people, _, _ = crowd(moved, 30, 5)
    mean_V3 = learn(prior, people, rounds=2, noise=NOISE, expression_prior=0.3).knowledge.mean_V3
    found = (mean_V3 - prior.mean_V3).flatten() @ shift_V3.flatten() / shift_V3.square().sum()
    assert 0.6 < float(found) < 1.4
    assert lip_opening(mean_V3) < 1e-9
    assert (eye_aspect_ratio(mean_V3) > 0.1).all()
    assert_close(mirrored(mean_V3, prior.mirror_V), mean_V3)


def test_what_landmarks_do_not_tell_keeps_the_deviation_it_had(prior: Knowledge) -> None:
    people, _, _ = crowd(prior, 20, 5)
    frontal = [points_FK3[:1] for points_FK3 in people[:-1]] + people[-1:]
    blind = Noise(flat=0.05, depth=10.0)
    found = learn(prior, frontal, rounds=1, noise=blind, expression_prior=0.3).knowledge
    before, after = (
        float(known.identity.rows_NV3.square().sum()) ** 0.5 for known in (prior, found)
    )
    assert after / before > 0.9


def test_a_lopsided_crowd_makes_faces_vary_to_both_sides(prior: Knowledge) -> None:
    odd_V3 = 3.0 * prior.identity.rows_NV3[-1]
    shifted = prior._replace(
        mean_V3=prior.mean_V3 + odd_V3,
        identity=Rows(0.1 * prior.identity.rows_NV3, prior.identity.is_even_N),
    )
    people, _, _ = crowd(shifted, 12, 5)
    known = learn(prior, people, rounds=1, noise=NOISE, expression_prior=0.3).knowledge
    unit = odd_V3.flatten() / odd_V3.norm()
    deviation = (known.identity.rows_NV3.flatten(1) @ unit).norm()
    assert 0.7 * odd_V3.norm() < deviation < 1.3 * odd_V3.norm()
    assert abs(float((known.mean_V3 - prior.mean_V3).flatten() @ unit)) < 1e-9


def test_mirrored_people_teach_the_same(prior: Knowledge, truth: Knowledge) -> None:
    people, _, _ = crowd(truth, 8, 5)
    mirrored_people = [
        torch.stack([1 - p[..., 0], p[..., 1], p[..., 2]], -1)[:, prior.mirror_V] for p in people
    ]
    both = [
        learn(prior, crowd_, rounds=2, noise=NOISE, expression_prior=0.3).knowledge
        for crowd_ in (people, mirrored_people)
    ]
    assert_close(both[0].mean_V3, both[1].mean_V3, atol=1e-7, rtol=0)
    for one, other in zip(both[0][1:3], both[1][1:3], strict=True):
        covariances = [
            rows.rows_NV3.flatten(1).T @ rows.rows_NV3.flatten(1) for rows in (one, other)
        ]
        assert_close(covariances[0], covariances[1], atol=1e-8, rtol=0)


def test_learning_twice_gives_the_same_bits(prior: Knowledge, truth: Knowledge) -> None:
    people, _, _ = crowd(truth, 8, 5)
    first, second = (
        learn(prior, people, rounds=1, noise=NOISE, expression_prior=0.3).knowledge
        for _ in range(2)
    )
    assert torch.equal(first.identity.rows_NV3, second.identity.rows_NV3)
    assert torch.equal(first.expression.rows_NV3, second.expression.rows_NV3)
    assert torch.equal(first.mean_V3, second.mean_V3)


def test_shrinking_is_ledoit_and_wolfs() -> None:
    draw = torch.Generator().manual_seed(0)
    samples_PN = torch.randn(15, 6, generator=draw, dtype=torch.float64)
    samples_PN *= torch.tensor([3.0, 1, 1, 1, 0.5, 0.5])
    shrunk, share = shrink(samples_PN[:, :, None] * samples_PN[:, None])
    # The formula of their paper, term by term, with means written as loops.
    num, size = samples_PN.shape
    plain = torch.stack([torch.outer(row, row) for row in samples_PN]).mean(0)
    scale = torch.trace(plain) / size
    distance = sum(
        (plain[i, j] - (scale if i == j else 0)) ** 2 for i in range(size) for j in range(size)
    )
    error = sum(((torch.outer(row, row) - plain) ** 2).sum() for row in samples_PN) / num**2
    assert 0 < share < 1
    assert share == pytest.approx(float(error / distance))
    assert_close(shrunk, (1 - share) * plain + share * scale * torch.eye(6).double())


def test_many_samples_are_hardly_shrunk_and_one_is_shrunk_to_nothing_but_its_size() -> None:
    draw = torch.Generator().manual_seed(0)
    samples_PN = torch.randn(5000, 4, generator=draw, dtype=torch.float64)
    samples_PN[:, 0] *= 3
    _, share = shrink(samples_PN[:, :, None] * samples_PN[:, None])
    assert share < 0.01
    same, share = shrink(torch.eye(4).double()[None] * 2)
    assert share == 1
    assert_close(same, 2 * torch.eye(4).double())


def test_too_few_people_are_refused(prior: Knowledge, truth: Knowledge) -> None:
    people, _, _ = crowd(truth, 7, 5)
    with pytest.raises(ValueError, match=r"7 people are too few.*at least 8.*add videos"):
        learn(prior, people, rounds=1, noise=NOISE, expression_prior=0.3)


def test_people_who_never_move_are_refused(prior: Knowledge, truth: Knowledge) -> None:
    people, _, _ = crowd(truth, 8, 1)
    with pytest.raises(ValueError, match="no expressions to learn from; add videos"):
        learn(prior, people, rounds=1, noise=NOISE, expression_prior=0.3)


def test_missing_landmarks_are_refused(prior: Knowledge, truth: Knowledge) -> None:
    people, _, _ = crowd(truth, 8, 5)
    people[3][2, 5] = torch.nan
    with pytest.raises(ValueError, match="person 3 hold NaN"):
        learn(prior, people, rounds=1, noise=NOISE, expression_prior=0.3)
