from itertools import pairwise

import pytest
import torch
from torch.testing import assert_close

from viseme_core.types import LAYOUT_SIZES, Landmarks
from viseme_face import layouts
from viseme_face.layouts import (
    LAYOUT_IDS,
    eye_aspect_ratio,
    lip_opening,
    positions,
    select,
    triangles_within,
)
from viseme_face.parts import read_builtin

connections = pytest.importorskip(
    "mediapipe.python.solutions.face_mesh_connections", reason="needs viseme-data[track]"
)


def ids(edges: frozenset[tuple[int, int]]) -> set[int]:
    return {i for edge in edges for i in edge}


def closed_edges(ring: tuple[int, ...]) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in zip(ring, (*ring[1:], ring[0]), strict=True)}


def mesh_edges() -> set[frozenset[int]]:
    return {frozenset(edge) for edge in connections.FACEMESH_TESSELATION}


def test_every_layout_has_the_size_its_type_says_and_no_point_out_of_range() -> None:
    assert {name: len(points) for name, points in LAYOUT_IDS.items()} == LAYOUT_SIZES
    for points in LAYOUT_IDS.values():
        assert len(set(points)) == len(points)
        assert set(points) <= set(range(478))


def test_lips_eyes_brows_and_irises_are_mediapipes() -> None:
    assert {*layouts.LIP_OUTER, *layouts.LIP_INNER} == ids(connections.FACEMESH_LIPS)
    assert set(layouts.RIGHT_EYE) == ids(connections.FACEMESH_RIGHT_EYE)
    assert set(layouts.LEFT_EYE) == ids(connections.FACEMESH_LEFT_EYE)
    both = connections.FACEMESH_RIGHT_EYEBROW | connections.FACEMESH_LEFT_EYEBROW
    assert set(layouts.BROWS) == ids(both)
    assert set(layouts.RIGHT_IRIS[1:]) == ids(connections.FACEMESH_RIGHT_IRIS)
    assert set(layouts.LEFT_IRIS[1:]) == ids(connections.FACEMESH_LEFT_IRIS)
    assert set(layouts.CONTOUR) < ids(connections.FACEMESH_FACE_OVAL)


def test_rings_run_along_edges_of_mediapipes_mesh() -> None:
    lips = {frozenset(edge) for edge in connections.FACEMESH_LIPS}
    assert closed_edges(layouts.LIP_OUTER) | closed_edges(layouts.LIP_INNER) >= lips
    for ring in (
        *layouts.LIP_RINGS,
        layouts.AROUND_LIPS,
        layouts.RIGHT_EYE,
        layouts.LEFT_EYE,
    ):
        assert closed_edges(ring) <= mesh_edges()
    rings = (layouts.AROUND_LIPS, *layouts.LIP_RINGS)
    for outer, inner in pairwise(rings):
        assert {frozenset(pair) for pair in zip(outer, inner, strict=True)} <= mesh_edges()


def test_contour_runs_along_the_face_oval() -> None:
    oval = {frozenset(edge) for edge in connections.FACEMESH_FACE_OVAL}
    assert {frozenset(pair) for pair in pairwise(layouts.CONTOUR)} <= oval


def test_talk131_is_lip_41_jaw_16_upper_face_74() -> None:
    sizes = [
        len(layouts.TALK131[part])
        for part in (layouts.LIP_SLICE, layouts.JAW_SLICE, layouts.POSE_SLICE)
    ]
    assert sizes == [41, 16, 74]
    assert len(layouts.TALK131[layouts.CONTENT_SLICE]) == 57


def test_the_ip_lap_maps_go_both_ways_between_the_same_57_points() -> None:
    ours = torch.tensor(layouts.TALK131[layouts.CONTENT_SLICE])
    theirs = ours[list(layouts.TO_IP_LAP)]
    # IP_LAP: 17 points of the jaw from cheek to cheek, then the outer and the inner lip ring.
    assert theirs[:17].tolist() == list(layouts.CONTOUR[4:21])
    assert theirs[17:37].tolist() == list(layouts.LIP_OUTER)
    assert theirs[37:].tolist() == list(layouts.LIP_INNER)
    assert theirs[list(layouts.FROM_IP_LAP)].tolist() == ours.tolist()


def mirrored() -> list[int]:
    """Each vertex's twin, found on the texture map, where closed lips are apart."""
    uv = read_builtin().uv_V2
    assert uv is not None
    flipped = torch.stack([1 - uv[:468, 0], uv[:468, 1]], -1)
    return torch.cdist(flipped, uv[:468]).argmin(1).tolist()


def test_jaw_lip_and_dlib68_are_symmetric() -> None:
    twin = mirrored()
    for group in (layouts.JAW, layouts.LIP, layouts.UPPER_FACE, layouts.MOUTH):
        assert {twin[i] for i in group} == set(group)
    # The mirror order of the 68 points, as flipping augmentation uses it.
    order = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
    order += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    order += [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
    assert [twin[i] for i in layouts.DLIB68] == [layouts.DLIB68[k] for k in order]


def test_the_right_eye_is_on_the_left_of_the_picture_and_upper_points_are_above() -> None:
    mean = read_builtin().mean_V3
    assert (mean[list(layouts.RIGHT_EYE), 0] < 0).all()
    assert (mean[list(layouts.LEFT_EYE), 0] > 0).all()
    pairs = (*layouts.RIGHT_LID_PAIRS, *layouts.LEFT_LID_PAIRS, *layouts.OUTER_LIP_PAIRS)
    for upper, lower in pairs:
        assert mean[upper, 1] > mean[lower, 1]


def test_paired_points_lie_above_each_other() -> None:
    uv = read_builtin().uv_V2
    assert uv is not None
    for pairs in (
        layouts.LIP_PAIRS,
        layouts.OUTER_LIP_PAIRS,
        layouts.RIGHT_LID_PAIRS,
        layouts.LEFT_LID_PAIRS,
    ):
        upper, lower = torch.tensor(pairs).T
        sideways = uv[upper, 0] - uv[lower, 0]
        assert sideways.abs().max() < 0.02
        assert (uv[upper, 1] < uv[lower, 1]).all()


def test_mouth_and_eyes_are_closed_by_as_many_triangles_as_their_rings_need() -> None:
    triangles = read_builtin().triangles_P3
    # A polygon of n corners falls into n - 2 triangles.
    assert triangles_within(triangles, layouts.LIP_INNER).sum() == 18
    assert triangles_within(triangles, layouts.RIGHT_EYE).sum() == 14
    assert triangles_within(triangles, layouts.LEFT_EYE).sum() == 14


def test_select_takes_the_points_of_the_smaller_layout() -> None:
    full = Landmarks(torch.rand(3, 478, 3), "mp478")
    small = select(full, "dlib68")
    assert small.layout == "dlib68"
    assert_close(small.points_TKD[:, 30], full.points_TKD[:, 4])
    assert select(small, "dlib68") is small


def test_select_refuses_points_that_are_not_there() -> None:
    with pytest.raises(ValueError, match=r"'mp478' needs .* that 'dlib68' lacks"):
        select(Landmarks(torch.rand(1, 68, 2), "dlib68"), "mp478")


def test_positions_finds_rows_of_a_layout() -> None:
    assert positions((152, 61), "talk131").tolist() == [40, 0]
    with pytest.raises(ValueError, match="no mesh points"):
        positions((1,), "talk131")


def test_lip_opening_is_the_mean_gap_over_the_width() -> None:
    points = torch.zeros(2, 478, 2)
    points[:, 78], points[:, 308] = torch.tensor([0.2, 0.5]), torch.tensor([0.6, 0.5])
    for upper, lower in layouts.LIP_PAIRS:
        points[:, upper, 1], points[:, lower, 1] = 0.4, 0.48
    points[1] *= 3
    assert_close(lip_opening(points), torch.tensor([0.2, 0.2]))


def test_eye_aspect_ratio_tells_right_from_left() -> None:
    points = torch.zeros(478, 3)
    points[33, 0], points[362, 0] = 1.0, 2.0
    for upper, _ in layouts.RIGHT_LID_PAIRS:
        points[upper, 1] = 0.3
    assert_close(eye_aspect_ratio(points), torch.tensor([0.3, 0.0]))


def test_ratios_refuse_other_layouts() -> None:
    with pytest.raises(ValueError, match="mp478"):
        lip_opening(torch.zeros(1, 68, 2))
