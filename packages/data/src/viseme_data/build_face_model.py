"""Make the built-in face model from MediaPipe's canonical mesh.

    python -m viseme_data.build_face_model face_landmarker.task builtin.safetensors

Identity: smooth deformations of the mesh, its low Laplacian frequencies times x, y and z, without
rigid motion. Expression: hand-made gestures first, then smooth deformations of mouth, eyes and
brows, orthogonal to all before. No face was measured for it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from viseme_core.types import NUM_EXPRESSION, NUM_IDENTITY
from viseme_face.layouts import (
    BROWS,
    LEFT_EYE,
    LEFT_IRIS,
    LIP_PAIRS,
    MOUTH,
    RIGHT_EYE,
    RIGHT_IRIS,
)
from viseme_face.parts import FaceParts, write_face_file
from viseme_face.regions import adjacency

from viseme_data.canonical import Canonical, complete, read_canonical
from viseme_data.gestures import Gestures

CARD = {
    "license": "Apache-2.0",
    "made_from": "canonical face mesh in MediaPipe's face_landmarker.task, Apache-2.0",
    "made_by": "python -m viseme_data.build_face_model",
    "how": "lips closed, iris points added; identity: smooth mesh deformations; expression: "
    "hand-made gestures, then local smooth deformations; no face was measured",
    "units": "decimetres; y up, z towards the viewer; expression 1 is full strength",
}
"""What the file says about itself."""
GESTURE_STD = 0.3
"""Standard deviation of every expression coefficient; 1 is a gesture at full strength."""
NUM_SYMMETRIC = 52
"""Identity directions that keep a face symmetric; they come first."""

# Root mean square over the vertices of one standard deviation of the smoothest direction.
_IDENTITY_RMS_DM = 0.025
# Deviations fall with the frequency to this power: a random face then still looks like one.
_IDENTITY_DECAY = 1.6
# Asymmetric directions are this much weaker: faces are nearly symmetric.
_ASYMMETRY = 0.3
# Largest displacement of a local deformation at coefficient 1.
_HARMONIC_PEAK_DM = 0.06
# A unit direction of which earlier ones leave less than this is left out.
_NEW = 0.3
_LIP_PAIR_EDGES = 10
_REGIONS = ((MOUTH, 2, 17), ((*RIGHT_EYE, *LEFT_EYE), 2, 10), (BROWS, 2, 64))
"""Vertices, rings around them, and how many local deformations; the last fills up."""


def build(mesh: Canonical) -> FaceParts:
    """Return the built-in model of a 468-vertex canonical mesh; no randomness is involved."""
    vertices_V3, uv_V2, triangles_P3 = complete(mesh)
    identity_IV3 = identity_directions(vertices_V3, uv_V2, triangles_P3)
    expression_EV3 = expression_directions(vertices_V3, triangles_P3)
    return FaceParts(
        family="builtin",
        mean_V3=vertices_V3.float(),
        identity_basis_IV3=identity_IV3.float(),
        expression_basis_EV3=expression_EV3.float(),
        identity_std_I=torch.ones(NUM_IDENTITY),
        expression_std_E=torch.full((NUM_EXPRESSION,), GESTURE_STD),
        triangles_P3=triangles_P3,
        landmarks={"mp478": torch.arange(len(vertices_V3))},
        uv_V2=uv_V2,
    )


def identity_directions(vertices_V3: Tensor, uv_V2: Tensor, triangles_P3: Tensor) -> Tensor:
    """Return 80 smooth deformations (80, V, 3), symmetric ones first, one deviation each."""
    adjacent_VV = adjacency(triangles_P3, len(vertices_V3))
    for upper, lower in LIP_PAIRS:
        # Where lips touch, a face shape must not open them.
        adjacent_VV[upper, lower] = adjacent_VV[lower, upper] = _LIP_PAIR_EDGES
    for iris, eye in ((RIGHT_IRIS, RIGHT_EYE), (LEFT_IRIS, LEFT_EYE)):
        for i in iris:
            adjacent_VV[i, list(eye)] = adjacent_VV[list(eye), i] = 1
    squared_V, modes_VM = torch.linalg.eigh(_laplacian(adjacent_VV))
    mirror_V = _mirror(uv_V2)
    rigid = _rigid_motions(vertices_V3)
    kept: dict[bool, list[Tensor]] = {True: [], False: []}
    for k in range(1, len(squared_V)):
        even = float((modes_VM[:, k] * modes_VM[mirror_V, k]).sum()) > 0
        for axis in (1, 0, 2):
            symmetric = even != (axis == 0)
            wanted = NUM_SYMMETRIC if symmetric else NUM_IDENTITY - NUM_SYMMETRIC
            direction = torch.zeros_like(vertices_V3)
            direction[:, axis] = modes_VM[:, k]
            rest = _without(direction, [*rigid, *(d for ds in kept.values() for d in ds)])
            if len(kept[symmetric]) == wanted or rest.norm() < _NEW:
                continue
            strength = _IDENTITY_RMS_DM * (squared_V[1] / squared_V[k]) ** (_IDENTITY_DECAY / 2)
            strength *= (1 if symmetric else _ASYMMETRY) * len(vertices_V3) ** 0.5
            kept[symmetric].append(rest / rest.norm() * strength)
        if sum(map(len, kept.values())) == NUM_IDENTITY:
            break
    return torch.stack(kept[True] + kept[False])


def expression_directions(vertices_V3: Tensor, triangles_P3: Tensor) -> Tensor:
    """Return 64 directions (64, V, 3): gestures, then local deformations; 1 is full strength."""
    gestures = Gestures(vertices_V3, triangles_P3)
    # Gestures stay whole, so that a coefficient reads as what it does; they are far from
    # dependent (condition about 15), and everything after them is orthogonal to them all.
    kept = list(gestures.all().values())
    spanned = _orthogonal(kept)
    adjacent_VV = adjacency(gestures.skin.triangles_P3, len(vertices_V3))
    for region, rings, count in _REGIONS:
        end = min(len(kept) + count, NUM_EXPRESSION)
        for direction in _local_modes(adjacent_VV, vertices_V3, region, rings):
            if len(kept) == end:
                break
            rest = _without(direction, spanned)
            if rest.norm() > _NEW:
                spanned.append(rest)
                kept.append(rest * _HARMONIC_PEAK_DM / rest.norm(dim=-1).max())
    return torch.stack(kept)


def _local_modes(
    adjacent_VV: Tensor, vertices_V3: Tensor, region: Sequence[int], rings: int
) -> list[Tensor]:
    """Smooth deformations around a region that vanish at its rim, smoothest first."""
    inside_V = torch.zeros(len(vertices_V3), dtype=torch.bool)
    inside_V[list(region)] = True
    for _ in range(rings):
        inside_V |= adjacent_VV[inside_V].any(0)
    rows = inside_V.nonzero()[:, 0]
    laplacian_NN = _laplacian(adjacent_VV)[rows][:, rows]
    # The two sides of a face have equal frequencies; a hair of x keeps the solver from mixing them.
    tilt_N = 1e-6 * vertices_V3[rows, 0]
    _, modes_NM = torch.linalg.eigh(laplacian_NN + torch.diag(tilt_N))
    directions = []
    for mode_N in modes_NM.T:
        for axis in (1, 0, 2):
            direction = torch.zeros_like(vertices_V3)
            direction[rows, axis] = mode_N * mode_N[mode_N.abs().argmax()].sign()
            directions.append(direction)
    return directions


def _laplacian(adjacent_VV: Tensor) -> Tensor:
    return torch.diag(adjacent_VV.sum(1)) - adjacent_VV


def _mirror(uv_V2: Tensor) -> Tensor:
    """Return each vertex's twin on the other side, by the texture map: there lips are apart."""
    flipped = torch.stack([1 - uv_V2[:, 0], uv_V2[:, 1]], -1)
    return torch.cdist(flipped, uv_V2).argmin(1)


def _rigid_motions(vertices_V3: Tensor) -> list[Tensor]:
    """Return three shifts and three small turns, orthogonal to each other."""
    axes = [axis.expand_as(vertices_V3) for axis in torch.eye(3, dtype=vertices_V3.dtype)]
    return _orthogonal([*axes, *(torch.linalg.cross(axis, vertices_V3) for axis in axes)])


def _orthogonal(directions: Sequence[Tensor]) -> list[Tensor]:
    """Return directions with the same span in which each is orthogonal to those before it."""
    kept: list[Tensor] = []
    for direction in directions:
        kept.append(_without(direction, kept))
    return kept


def _without(direction: Tensor, others: Sequence[Tensor]) -> Tensor:
    """Return what is left of a direction when its parts along others are taken out."""
    # Twice: once leaves rounding behind that the next directions would build on.
    for _ in range(2):
        for other in others:
            direction = direction - other * ((direction * other).sum() / other.square().sum())
    return direction


def main(arguments: Sequence[str] | None = None) -> None:
    """Read a bundle, write the model."""
    parser = argparse.ArgumentParser(prog="python -m viseme_data.build_face_model")
    parser.add_argument("task", type=Path, help="MediaPipe's face_landmarker.task")
    parser.add_argument("output", type=Path, help="safetensors file to write")
    chosen = parser.parse_args(arguments)
    write_face_file(build(read_canonical(chosen.task)), chosen.output, CARD)


if __name__ == "__main__":
    main()
