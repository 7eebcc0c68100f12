"""The head around the face: how it hangs on it."""

from collections import Counter
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from viseme_face.head import build_head
from viseme_face.head_shape import LOWER_OVAL, UPPER_OVAL, HairStyle, HeadShape
from viseme_face.parts import read_builtin
from viseme_face.surfaces import HAIR, SKIN, HeadMesh

STYLES: tuple[HairStyle, ...] = ("bald", "short", "full", "bob", "long")


def mean_head(hair: HairStyle = "bald") -> HeadMesh:
    return build_head(read_builtin().mean_V3, HeadShape(hair=hair))


def vertices(head: HeadMesh) -> Tensor:
    return torch.cat([read_builtin().mean_V3, head.rest_N3])


def edges(triangles_P3: Tensor) -> Counter[tuple[int, int]]:
    return Counter(
        (int(ids[k]), int(ids[(k + 1) % 3])) for ids in triangles_P3.tolist() for k in range(3)
    )


def test_the_oval_of_the_face_is_where_the_face_ends():
    face = edges(read_builtin().triangles_P3)
    border = {edge for edge in face if edge[::-1] not in face}
    oval = {frozenset(pair) for pair in pairwise(UPPER_OVAL)}
    oval |= {frozenset(pair) for pair in pairwise(LOWER_OVAL)}
    assert oval == {frozenset(edge) for edge in border}


def test_no_gap_is_left_at_the_oval():
    face = edges(read_builtin().triangles_P3)
    border = {edge for edge in face if edge[::-1] not in face}
    around = edges(mean_head().triangles_P3)
    # What continues the face runs along each edge the other way, so both face outwards.
    assert all(around[end, start] == 1 for start, end in border)


@pytest.mark.parametrize("hair", STYLES)
def test_every_vertex_number_and_number_per_vertex_fits(hair: HairStyle):
    head = mean_head(hair)
    count = len(head.rest_N3)
    assert int(head.triangles_P3.max()) == 478 + count - 1
    assert head.follow_NK.shape == (count, len(LOWER_OVAL))
    assert head.stay_N.shape == head.occlusion_N.shape == (count,)
    assert head.uv_P32.shape == (len(head.triangles_P3), 3, 2)
    assert head.part_P.shape == (len(head.triangles_P3),)
    assert vertices(head).isfinite().all()


def test_the_skull_faces_outwards():
    head = mean_head()
    triangles = head.triangles_P3[head.part_P == SKIN]
    a, b, c = vertices(head)[triangles].unbind(1)
    normal = torch.linalg.cross(b - a, c - a)
    outward = ((a - torch.tensor([0.0, 0.2, -0.75])) * normal).sum(1)
    # Above the ears, where the grid narrows to its poles, it dips a little.
    top = (a[:, 1] > 0.5) & (a[:, 0].abs() < 0.7)
    assert top.sum() > 100
    assert (outward[top] > 0).all()


def test_hair_lies_outside_the_skull():
    head = mean_head("full")
    points = vertices(head)
    hair = points[head.triangles_P3[head.part_P == HAIR].unique()]
    skin = points[head.triangles_P3[head.part_P == SKIN].unique()]
    assert hair[:, 1].max() > skin[:, 1].max()
    assert hair[:, 2].min() < skin[:, 2].min()


def test_long_hair_hangs_lower_than_short_hair():
    lowest = []
    for style in STYLES[1:]:
        head = mean_head(style)
        lowest.append(float(vertices(head)[head.triangles_P3[head.part_P == HAIR], 1].min()))
    short, full, bob, long = lowest
    assert long < bob < min(short, full)


def test_skin_under_the_jaw_follows_it_and_the_neck_stays():
    head = mean_head()
    moved = torch.zeros(len(LOWER_OVAL), 3)
    moved[:, 1] = -0.2
    change = (head.follow_NK @ moved)[:, 1]
    assert change.min() < -0.15
    assert (change <= 0).all()
    low = head.rest_N3[:, 1] < -1.25
    assert low.any()
    assert (head.stay_N[low] == 1).all()
    assert (change[low] == 0).all()


def test_the_same_seed_gives_the_same_hair_and_another_another():
    face = read_builtin().mean_V3
    first, again, other = (
        build_head(face, HeadShape(hair="full", seed=seed)).rest_N3 for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
