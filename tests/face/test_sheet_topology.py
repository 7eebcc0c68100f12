from collections import Counter

import pytest
import torch

from viseme_face.sheet.topology import (
    FIRST_RING,
    FOLDS,
    NUM_FACE,
    PER_EDGE,
    RIM,
    border_points,
    topology,
)


def edges() -> Counter[tuple[int, int]]:
    corners = topology().triangles_P3.tolist()
    return Counter((ids[k], ids[(k + 1) % 3]) for ids in corners for k in range(3))


def test_every_edge_has_two_sides_but_the_border_and_the_slits():
    counted = edges()
    assert max(counted.values()) == 1
    single = {edge for edge in counted if edge[::-1] not in counted}
    num_columns = PER_EDGE * len(RIM)
    last_ring = FIRST_RING + len(topology().reach_N) - num_columns
    border = {edge for edge in single if min(edge) >= last_ring}
    assert len(border) == num_columns
    # Both sides of a slit of n pairs have n + 1 edges along the middle line.
    slits = single - border
    assert len(slits) == 2 * (9 + 1) + 4 * (7 + 1)
    folds = set(range(NUM_FACE, FIRST_RING))
    assert all(set(edge) & folds for edge in slits)


def test_the_sheet_is_a_disc_with_three_slits():
    triangles_P3 = topology().triangles_P3
    num_vertices = len(triangles_P3.unique())
    counted = edges()
    num_edges = len({frozenset(edge) for edge in counted})
    # Euler's number of a disc is 1; each slit that is open takes one away.
    assert num_vertices - num_edges + len(triangles_P3) == 1 - 3


def test_folds_come_in_pairs_that_meet_half_way():
    for here, there in FOLDS:
        assert (there, here) in FOLDS
    assert len(FOLDS) == 2 * (9 + 7 + 7)


@pytest.mark.parametrize("centre", [(0.5, 0.5), (0.4, 0.6), (0.62, 0.45)])
@pytest.mark.parametrize("roll", [0.0, 0.5, -1.2])
def test_the_border_is_gone_round_once_and_holds_the_corners(centre, roll):
    points_C2 = border_points(torch.tensor(centre), topology().angle_C - roll)
    assert ((points_C2 == 0) | (points_C2 == 1)).any(1).all()
    assert ((points_C2 == 0) | (points_C2 == 1)).all(1).sum() == 4
    # The polygon through them is the whole square: its area is 1, clockwise on screen.
    after_C2 = points_C2.roll(-1, 0)
    area = (points_C2[:, 0] * after_C2[:, 1] - points_C2[:, 1] * after_C2[:, 0]).sum() / 2
    assert float(area) == pytest.approx(1, abs=1e-5)
