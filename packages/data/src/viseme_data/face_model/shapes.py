"""Deformations of a mirror-symmetric face, as rows of one standard deviation each.

Rows R stand for the covariance R^T R over the coordinates of all vertices. With every person's
mirror image among the people, a covariance falls into two parts that know nothing of each other:
deformations that keep the face symmetric, and those that do the same on both sides with opposite
sign.
"""

from typing import NamedTuple

import torch
from torch import Tensor

# Deviations below this part of the largest are rounding.
_RANK = 1e-6


class Rows(NamedTuple):
    """Deformations (N, V, 3) at one deviation, and which of them keep a face symmetric (N,)."""

    rows_NV3: Tensor
    is_even_N: Tensor

    def mixed(self, covariance_NN: Tensor) -> "Rows":
        """Return rows of which unit coefficients mean what these mean with some covariance.

        What couples symmetric and asymmetric rows is left aside: in mirror images it has the
        opposite sign.
        """
        parts = []
        for even in (True, False):
            own = self.is_even_N == even
            variance_N, turn_NN = torch.linalg.eigh(covariance_NN[own][:, own])
            root_NN = turn_NN * variance_N.clamp_min(0).sqrt()
            flat = (root_NN.T @ self.rows_NV3[own].flatten(1)).flip(0)
            parts.append(flat.unflatten(1, self.rows_NV3.shape[1:]))
        return _joined(*parts)


def twins(uv_V2: Tensor) -> Tensor:
    """Return each vertex's twin on the other side, by the texture map: there lips are apart.

    Raises:
        ValueError: If the map is not the same on both sides.
    """
    flipped = torch.stack([1 - uv_V2[:, 0], uv_V2[:, 1]], -1)
    mirror_V = torch.cdist(flipped, uv_V2).argmin(1)
    if not torch.equal(mirror_V[mirror_V], torch.arange(len(mirror_V))):
        raise ValueError("the mesh has vertices without a twin on its other side")
    return mirror_V


def mirrored(shapes_NV3: Tensor, mirror_V: Tensor) -> Tensor:
    """Return shapes, or deformations, seen in a mirror (..., V, 3)."""
    return shapes_NV3[..., mirror_V, :] * shapes_NV3.new_tensor([-1, 1, 1])


def principal(rows_NV3: Tensor, mirror_V: Tensor) -> Rows:
    """Return orthogonal rows for the covariance of some rows and their mirror images together."""
    other_NV3 = mirrored(rows_NV3, mirror_V)
    parts = []
    for part_NV3 in ((rows_NV3 + other_NV3) / 2, (rows_NV3 - other_NV3) / 2):
        _, size_M, turned_MX = torch.linalg.svd(part_NV3.flatten(1), full_matrices=False)
        kept = size_M > _RANK * size_M[0]
        flat = (size_M[:, None] * turned_MX)[kept]
        parts.append(flat.unflatten(1, rows_NV3.shape[1:]))
    return _joined(*parts)


def reduced(rows: Rows, num: int, weights_V: Tensor, kept: Rows | None = None) -> Rows:
    """Return the few orthogonal rows that keep most of a covariance, the widest first.

    Args:
        rows: Deformations.
        num: How many to keep.
        weights_V: What a squared displacement of each vertex counts when choosing.
        kept: Deformations that must stay within reach, fewer than `num`.

    Raises:
        ValueError: If there are too few rows, or too many to keep.
    """
    scale_X = weights_V.sqrt()[:, None].expand(-1, 3).flatten()
    halves = [_Half(rows, kept, even, scale_X) for even in (True, False)]
    free = num - sum(len(half.kept_MX) for half in halves)
    known = torch.cat([half.size_M for half in halves])
    if not 0 < free <= len(known):
        raise ValueError(
            f"{num} directions are wanted: {num - free} must stay and there are {len(known)} more"
        )
    limit = known.sort(descending=True).values[free - 1]
    joined = _joined(*(half.spanned(half.size_M >= limit) for half in halves))
    order = joined.rows_NV3.flatten(1).norm(dim=1).argsort(descending=True, stable=True)[:num]
    rows_NV3 = joined.rows_NV3[order]
    peak_N1 = rows_NV3.flatten(1).gather(1, rows_NV3.flatten(1).abs().argmax(1, keepdim=True))
    return Rows(rows_NV3 * peak_N1.sign()[..., None], joined.is_even_N[order])


class _Half:
    """Symmetric or asymmetric rows, weighted, with what must stay taken apart."""

    def __init__(self, rows: Rows, kept: Rows | None, even: bool, scale_X: Tensor) -> None:
        self._scale_X = scale_X
        self._flat_NX = rows.rows_NV3[rows.is_even_N == even].flatten(1) * scale_X
        self.kept_MX = self._flat_NX[:0]
        if kept is not None:
            flat = kept.rows_NV3[kept.is_even_N == even].flatten(1) * scale_X
            _, size_M, turned_MX = torch.linalg.svd(flat, full_matrices=False)
            self.kept_MX = turned_MX[size_M > _RANK * flat.norm()]
        rest_NX = self._flat_NX - self._flat_NX @ self.kept_MX.T @ self.kept_MX
        _, size_M, self._turned_MX = torch.linalg.svd(rest_NX, full_matrices=False)
        self.size_M = size_M[size_M > _RANK * self._flat_NX.norm()]

    def spanned(self, chosen_M: Tensor) -> Tensor:
        """Return orthogonal rows for what of the covariance lies in what is kept and chosen."""
        span_MX = torch.cat([self.kept_MX, self._turned_MX[: len(chosen_M)][chosen_M]])
        flat = self._flat_NX @ span_MX.T @ span_MX / self._scale_X
        # Orthogonal again without the weights; the covariance stays what it is.
        _, size_M, turned_MX = torch.linalg.svd(flat, full_matrices=False)
        return (size_M[:, None] * turned_MX)[: len(span_MX)].unflatten(1, (-1, 3))


def _joined(even_NV3: Tensor, odd_NV3: Tensor) -> Rows:
    is_even_N = torch.arange(len(even_NV3) + len(odd_NV3)) < len(even_NV3)
    return Rows(torch.cat([even_NV3, odd_NV3]), is_even_N)


def span(rows_NV3: Tensor) -> Tensor:
    """Return orthonormal rows (M, V * 3) for what some rows span."""
    _, size_M, turned_MX = torch.linalg.svd(rows_NV3.flatten(1), full_matrices=False)
    return turned_MX[size_M > _RANK * size_M[0]]


def without(rows_NV3: Tensor, span_MX: Tensor) -> Tensor:
    """Return what is left of rows (N, V, 3) when their parts in a span are taken out."""
    flat = rows_NV3.flatten(1)
    # Twice: once leaves rounding behind that the next rows would build on.
    for _ in range(2):
        flat = flat - flat @ span_MX.T @ span_MX
    return flat.unflatten(1, rows_NV3.shape[1:])
