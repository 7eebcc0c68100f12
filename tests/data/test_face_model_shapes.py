import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from viseme_data.canonical import complete, read_canonical
from viseme_data.face_model.shapes import Rows, mirrored, principal, reduced, twins

MESH = complete(read_canonical())
MIRROR_V = twins(MESH.uv_V2)


def random_rows(num: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return 0.02 * torch.randn(num, 478, 3, generator=draw, dtype=torch.float64)


def covariance(rows_NV3: Tensor) -> Tensor:
    flat = rows_NV3.flatten(1)
    return flat.T @ flat


def test_the_canonical_face_is_its_own_mirror_image() -> None:
    assert_close(mirrored(MESH.vertices_V3, MIRROR_V), MESH.vertices_V3)
    # Right eye's outer corner and left eye's, irises' centres, chin.
    assert [int(MIRROR_V[i]) for i in (33, 468, 152)] == [263, 473, 152]


def test_a_mesh_without_twins_is_refused() -> None:
    with pytest.raises(ValueError, match="without a twin"):
        twins(MESH.uv_V2 * torch.tensor([0.5, 1.0]))


def test_principal_rows_have_the_covariance_of_the_rows_and_their_mirror_images() -> None:
    rows_NV3 = random_rows(5)
    both = torch.cat([rows_NV3, mirrored(rows_NV3, MIRROR_V)]) / 2**0.5
    found = principal(rows_NV3, MIRROR_V)
    assert_close(covariance(found.rows_NV3), covariance(both))
    sign_N = torch.where(found.is_even_N, 1.0, -1.0).double()[:, None, None]
    assert_close(mirrored(found.rows_NV3, MIRROR_V), sign_N * found.rows_NV3)


def test_mixed_rows_have_the_covariance_that_was_asked_for() -> None:
    rows = principal(random_rows(4), MIRROR_V)
    wanted_NN = torch.diag(torch.arange(1.0, 9.0, dtype=torch.float64))
    wanted_NN[0, 1] = wanted_NN[1, 0] = 0.5
    flat = rows.rows_NV3.flatten(1)
    mixed = rows.mixed(wanted_NN)
    assert torch.equal(mixed.is_even_N, rows.is_even_N)
    assert_close(covariance(mixed.rows_NV3), flat.T @ wanted_NN @ flat)


def test_reduced_rows_are_the_leading_eigenvectors_in_plain_weights() -> None:
    rows = principal(random_rows(6), MIRROR_V)
    few = reduced(rows, 5, torch.ones(478, dtype=torch.float64))
    # The covariance has the eigenvalues of the rows' Gram matrix, which is small.
    all_ = rows.rows_NV3.flatten(1)
    variance, mixing = torch.linalg.eigh(all_ @ all_.T)
    vectors = all_.T @ mixing / variance.clamp_min(0).sqrt()
    flat = few.rows_NV3.flatten(1)
    assert_close(flat.square().sum(1), variance.flip(0)[:5])
    unit = flat / flat.norm(dim=1, keepdim=True)
    assert_close((unit @ vectors[:, -5:].flip(1)).diagonal().abs(), torch.ones(5).double())
    peaks = flat.gather(1, flat.abs().argmax(1, keepdim=True))
    assert (peaks > 0).all()


def test_weights_change_what_is_kept_and_nothing_loses_its_right_angles() -> None:
    rows = principal(random_rows(6), MIRROR_V)
    weights_V = torch.ones(478, dtype=torch.float64)
    weights_V[:40] = 100
    few = reduced(rows, 5, weights_V).rows_NV3
    plain = reduced(rows, 5, torch.ones(478, dtype=torch.float64)).rows_NV3
    gram = few.flatten(1) @ few.flatten(1).T
    assert_close(gram, torch.diag(gram.diagonal()), atol=1e-12, rtol=0)
    near = covariance(few[:, :40]).trace() / covariance(plain[:, :40]).trace()
    assert near > covariance(few[:, 40:]).trace() / covariance(plain[:, 40:]).trace()


def test_what_must_stay_within_reach_does_though_it_is_the_least_of_all() -> None:
    rows = principal(random_rows(6), MIRROR_V)
    weak = Rows(rows.rows_NV3[[5]] * 1e-3, rows.is_even_N[[5]])
    shrunk_NV3 = rows.rows_NV3.clone()
    shrunk_NV3[5] *= 1e-3
    rows = Rows(shrunk_NV3, rows.is_even_N)
    weights_V = torch.linspace(1, 3, 478, dtype=torch.float64)

    def left_over(few: Rows) -> float:
        wanted = weak.rows_NV3.flatten()
        flat = few.rows_NV3.flatten(1)
        rest = wanted - flat.T @ torch.linalg.lstsq(flat.T, wanted).solution
        return float(rest.norm() / wanted.norm())

    assert left_over(reduced(rows, 4, weights_V)) > 0.5
    assert left_over(reduced(rows, 4, weights_V, weak)) < 1e-6


def test_more_directions_than_there_are_are_refused() -> None:
    rows = principal(random_rows(3), MIRROR_V)
    with pytest.raises(ValueError, match="7 directions are wanted"):
        reduced(rows, 7, torch.ones(478, dtype=torch.float64))
