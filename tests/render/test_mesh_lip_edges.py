import pytest
import torch

from tests.face.portraits import SIZE, sitter
from viseme_face.layouts import LIP_INNER, LIP_RINGS
from viseme_face.sheet.lip_edges import along, lip_edges, without_inside
from viseme_face.sheet.warp import PortraitWarp
from viseme_render.mesh.light import share_inside
from viseme_render.mesh.portrait import MeshPortrait

UPPER, LOWER = slice(3, 8), slice(13, 18)
"""Middle points of the upper and the lower inner lip, by their place in the ring."""


def flat_mouth() -> torch.Tensor:
    """A mouth open by a tenth of the picture, lips a tenth high, in eleven straight columns."""
    points = torch.full((468, 2), 0.5)
    for number, ring in enumerate(LIP_RINGS):
        height = 0.05 + 0.1 * (3 - number) / 3
        columns = torch.linspace(0.2, 0.8, 11)
        rise = torch.tensor([0.0] + [height] * 9 + [0.0])
        points[list(ring[:11])] = torch.stack([columns, 0.5 - rise], 1)
        points[list(ring[11:])] = torch.stack([columns[1:-1], 0.5 + rise[1:-1]], 1).flip(0)
    return points


def mouth_picture(teeth_above: float, teeth_below: float, size: int = 400) -> torch.Tensor:
    """White within so much of the lips' height from the tracked edges, red beyond."""
    rows = (torch.arange(size) + 0.5) / size
    inside = (rows > 0.45 - 0.1 * teeth_above) & (rows < 0.55 + 0.1 * teeth_below)
    white, red = torch.ones(3), torch.tensor([0.6, -0.5, -0.4])
    return torch.where(inside[None, :, None], white[:, None, None], red[:, None, None]).expand(
        3, size, size
    )


def test_teeth_outside_of_the_tracked_lips_are_found_on_the_side_where_they_are():
    ends = lip_edges(mouth_picture(0.1, 0.3), flat_mouth())
    # A column in forty, and a little more so that no half white is left.
    assert ((ends[UPPER] - 0.1).abs() < 0.05).all()
    assert ((ends[LOWER] - 0.3).abs() < 0.05).all()
    assert (ends[LOWER] >= 0.3 - 1e-6).all()


@pytest.mark.parametrize(("redness", "is_inside"), [(0.3, True), (0.45, False)])
def test_what_is_hardly_nearer_to_teeth_than_to_lips_is_a_lip(redness, is_inside):
    white, red = torch.ones(3), torch.tensor([0.6, -0.5, -0.4])
    picture = mouth_picture(0.0, 0.0).clone()
    # A strip of between lip and teeth over a fifth of the lower lip's height.
    rows = (torch.arange(400) + 0.5) / 400
    picture[:, (rows > 0.55) & (rows < 0.57)] = torch.lerp(white, red, redness)[:, None, None]
    ends = lip_edges(picture, flat_mouth())[LOWER]
    assert (ends > 0.15).all() if is_inside else (ends < 0.05).all()


def test_lips_that_begin_where_the_tracker_saw_them_are_left_alone():
    ends = lip_edges(mouth_picture(0.0, 0.0), flat_mouth())
    assert (ends[UPPER] < 0.05).all()
    assert (ends[LOWER] < 0.05).all()


def test_a_mouth_as_red_as_its_lips_is_left_alone():
    picture = torch.tensor([0.6, -0.5, -0.4])[:, None, None].expand(3, 64, 64)
    assert (lip_edges(picture, flat_mouth()) == 0).all()


def test_lips_without_their_inside_keep_the_outer_ring_and_the_order_of_all():
    points = flat_mouth()
    moved = without_inside(points, torch.full((20,), 0.3))
    assert torch.equal(moved[list(LIP_RINGS[0])], points[list(LIP_RINGS[0])])
    heights = 0.5 - torch.stack([moved[list(ring)][UPPER, 1] for ring in LIP_RINGS])
    # Rings stood at 0, 1/3, 2/3 and 1 of the height; the inner one now stands at 0.3 of it.
    wanted = 0.15 - 0.1 * 0.7 * torch.arange(4) / 3
    torch.testing.assert_close(heights, wanted[:, None].expand(-1, 5))
    same = without_inside(points, torch.zeros(20))
    torch.testing.assert_close(same, points)


def test_shares_of_a_bent_way_are_shares_of_its_length():
    corner = torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 1.0]])[:, None]
    places = along(corner, torch.tensor([[0.0], [0.5], [0.75], [0.875], [1.0]]))[:, 0]
    wanted = torch.tensor([[0.0, 0.0], [2.0, 0.0], [3.0, 0.0], [3.0, 0.5], [3.0, 1.0]])
    torch.testing.assert_close(places, wanted)


def test_an_open_mouth_keeps_its_own_lips_and_a_closed_one_takes_them_from_further_out():
    person = sitter(0, opening=0.8)
    reference = person.reference
    inner, outer = list(LIP_RINGS[3])[13:18], list(LIP_RINGS[0])[13:18]
    # Teeth painted over the inner half of the lower lip, as where a tracker takes them for it.
    points = reference.landmarks.points_TKD[0, :, :2]
    half = torch.lerp(points[inner], points[outer], 0.3)
    frame = reference.frame_3HW.clone()
    for (x, y), (_, top) in zip(half.tolist(), points[inner].tolist(), strict=True):
        column, low, high = int(x * SIZE), int(top * SIZE) - 3, int(y * SIZE)
        frame[:, low : high + 1, column - 3 : column + 4] = 0.9
    frame[:, share_inside(SIZE * points, LIP_INNER, SIZE) > 0.5] = 0.9
    painted = type(reference)(**{**vars(reference), "frame_3HW": frame})
    warp = PortraitWarp(painted, person.model)
    pose = reference.pose.expand(2, -1)
    moved = warp.move(torch.stack([reference.expression, person.closed_E]), pose)
    own, shut = moved.source_TN2
    torch.testing.assert_close(own, warp.source_N2)
    assert ((shut - own)[inner, 1] * SIZE > 0.3).all()
    # In the middle, a closed mouth shows none of the white.
    closed = MeshPortrait(painted, person.model).draw(person.closed_E[None], pose[:1])[0]
    points_K2 = person.points(person.closed_E[None], pose[:1])[0]
    lips = share_inside(points_K2, LIP_RINGS[1], SIZE) > 0.9
    left, right = sorted([float(points_K2[inner[1], 0]), float(points_K2[inner[3], 0])])
    lips[:, : int(left) + 1] = False
    lips[:, int(right) :] = False
    assert lips.sum() > 10
    assert float(closed[2][lips].max()) < 0.2
