"""Portraits: what must show, what must not, and what must stay."""

import pytest
import torch
from torch import Tensor

from viseme_face.head_shape import HeadShape
from viseme_face.layouts import LIP_INNER, LIP_RINGS
from viseme_face.light import to_srgb
from viseme_face.paint import Makeup, paint_atlas
from viseme_face.parts import read_builtin
from viseme_face.portrait import MASKS, Drawn, Portrait, PortraitStyle
from viseme_face.pose import pose_vertices, project
from viseme_face.regions import close_eyes, close_lips

SIZE = 128
SHIFT = (0.0, -0.05, -4.3)
SKIN, LIPS, MOUTH, EYES, _, BACKGROUND, CLOTHES = range(len(MASKS))


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed: None) -> None:
    """Threads for such small work wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def background() -> Tensor:
    return torch.rand(3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def portrait(background: Tensor) -> Portrait:
    style = PortraitStyle(
        atlas_3hw=paint_atlas(Makeup()),
        background_3HW=background,
        head=HeadShape(hair="long", volume=0.15),
        glasses=(0.0, 0.0, 0.0),
    )
    return Portrait(read_builtin().mean_V3, style, torch.tensor([0.0, 0, 0, *SHIFT]))


def poses(*turns: tuple[float, float, float]) -> Tensor:
    return torch.tensor([[*turn, *SHIFT] for turn in turns])


TURNS = poses((0, 0, 0), (0.1, 0.5, 0), (0, -0.5, 0.1), (-0.3, 0, 0), (0.3, 0.2, -0.1))


def faces(*, mouth: float = 0.0, eyes: float = 0.2) -> Tensor:
    """The mean face with its lips and lids that far apart, in decimetres, for every pose."""
    face = close_lips(read_builtin().mean_V3[None])[0]
    # Both lips keep their shape; the jaw stays.
    face[[ring[i] for ring in LIP_RINGS for i in range(11, 20)], 1] -= mouth
    if eyes == 0:
        face = close_eyes(face)
    return face.expand(len(TURNS), -1, -1)


@pytest.fixture(scope="module")
def drawn_open(portrait: Portrait) -> Drawn:
    return portrait.draw(faces(mouth=0.2), TURNS, masks=True)


@pytest.fixture(scope="module")
def drawn_shut(portrait: Portrait) -> Drawn:
    """Lips closed, eyes open."""
    return portrait.draw(faces(), TURNS, masks=True)


def masks_of(drawn: Drawn) -> Tensor:
    assert drawn.masks_TMHW is not None
    return drawn.masks_TMHW


def test_masks_sum_to_one_at_every_pixel(drawn_open: Drawn):
    masks = masks_of(drawn_open)
    assert masks.min() > -1e-6
    torch.testing.assert_close(masks.sum(1), torch.ones(len(TURNS), SIZE, SIZE))


def test_masks_show_every_part(drawn_open: Drawn):
    masks = masks_of(drawn_open)
    assert (masks.sum((2, 3)) > 5).all()


def test_closed_lips_leave_no_pixel_of_the_mouth(drawn_shut: Drawn):
    masks = masks_of(drawn_shut)
    assert masks[:, MOUTH].count_nonzero() == 0


def test_closed_eyes_leave_no_pixel_of_the_eyes(portrait: Portrait):
    masks = masks_of(portrait.draw(faces(eyes=0), TURNS, masks=True))
    assert masks[:, EYES].count_nonzero() == 0


def test_the_mouth_shows_as_the_area_between_the_lips(drawn_open: Drawn):
    points, masks = faces(mouth=0.2), masks_of(drawn_open)
    ring = SIZE * project(pose_vertices(points, TURNS))[:, list(LIP_INNER)]
    x, y = ring.unbind(-1)
    area = ((x * y.roll(-1, 1) - x.roll(-1, 1) * y).sum(1) / 2).abs()
    # Lips turned away hide some of it.
    seen = masks[:, MOUTH].sum((1, 2)) / area
    assert seen[0] == pytest.approx(1, abs=0.03)
    assert ((seen > 0.75) & (seen < 1.03)).all()


def test_a_lip_that_stands_before_the_mouth_hides_it(portrait: Portrait):
    points = faces(mouth=0.2).clone()
    # The middle of the lower lip stays up while its inner edge is far below.
    points[:, [ring[i] for ring in LIP_RINGS[1:3] for i in range(11, 20)], 1] += 0.2
    points[:, [ring[i] for ring in LIP_RINGS[1:3] for i in range(11, 20)], 2] += 0.1
    hidden = masks_of(portrait.draw(points[:1], TURNS[:1], masks=True))[0, MOUTH].sum()
    free = masks_of(portrait.draw(faces(mouth=0.2)[:1], TURNS[:1], masks=True))[0, MOUTH].sum()
    assert hidden < 0.6 * free


def test_the_background_stays_where_it_is_whatever_the_head_does(
    drawn_shut: Drawn, background: Tensor
):
    clear = masks_of(drawn_shut)[:, BACKGROUND] == 1
    assert (clear.float().mean((1, 2)) > 0.2).all()
    expected = (2 * to_srgb(background) - 1).expand(len(TURNS), -1, -1, -1)
    clear = clear[:, None].expand_as(expected)
    torch.testing.assert_close(drawn_shut.frames_T3HW[clear], expected[clear])


def test_shoulders_and_the_foot_of_the_neck_stay_where_they_are(drawn_shut: Drawn):
    masks = masks_of(drawn_shut)
    corners = masks[:, CLOTHES, -10:, [2, -3]]
    assert corners.max() > 0.9
    assert torch.equal(corners, corners[:1].expand_as(corners))
    # Where skin ends in the clothes' collar below the chin.
    collar = masks[:, SKIN, 3 * SIZE // 4 :, SIZE // 2].sum(1)
    assert (collar - collar[0]).abs().max() < 0.5


def test_no_background_shows_through_the_head(drawn_open: Drawn):
    points, masks = faces(mouth=0.2), masks_of(drawn_open)
    screen = SIZE * project(pose_vertices(points, TURNS))
    for mask, at in zip(masks[:, BACKGROUND], screen, strict=True):
        low, high = at.amin(0), at.amax(0)
        y = int(low[1] + 4)
        # Between the face's leftmost and rightmost points of each row: face, neck or hair.
        while y < high[1] - 2:
            row = at[(at[:, 1] - y).abs() < 4]
            left, right = int(row[:, 0].min()) + 3, int(row[:, 0].max()) - 3
            if right > left:
                assert mask[y, left:right].max() < 1e-3
            y += 1


def test_gaze_moves_the_dark_of_the_eyes(portrait: Portrait):
    points, still = faces()[:1], poses((0, 0, 0))
    ahead, aside = (
        portrait.draw(points, still, gaze_T2=torch.tensor([[0.0, ry]])).frames_T3HW
        for ry in (-0.4, 0.4)
    )
    changed = (ahead - aside).abs().amax(1)[0] > 0.1
    masks = masks_of(portrait.draw(points, still, masks=True))
    eyes = masks[0, EYES] > 0.01
    assert changed.sum() > 10
    assert not (changed & ~eyes).any()


def test_a_frame_is_the_same_alone_and_among_others(portrait: Portrait, drawn_open: Drawn):
    points = faces(mouth=0.2)
    for i in (0, 3):
        alone = portrait.draw(points[i : i + 1], TURNS[i : i + 1]).frames_T3HW
        torch.testing.assert_close(alone[0], drawn_open.frames_T3HW[i], atol=1e-4, rtol=0)


def test_frames_are_the_same_with_and_without_masks(portrait: Portrait, drawn_shut: Drawn):
    plain = portrait.draw(faces(), TURNS).frames_T3HW
    assert torch.equal(plain, drawn_shut.frames_T3HW)
    assert plain.dtype == torch.float32
    assert plain.min() >= -1
    assert plain.max() <= 1


def test_a_hundredth_of_a_pixel_does_not_flicker(portrait: Portrait, drawn_open: Drawn):
    step = torch.zeros(6)
    step[3] = 0.01 * 14.3 / 4.53 / SIZE
    after = portrait.draw(faces(mouth=0.2), TURNS + step).frames_T3HW
    change = (after - drawn_open.frames_T3HW).abs().amax(1).flatten(1)
    # A pixel whose centre passes from one triangle to the next may jump; an edge as such may not.
    assert change.mean() < 2e-3
    assert (change > 0.1).float().mean() < 1e-3


def test_a_head_partly_outside_the_picture_is_drawn_as_far_as_it_shows(portrait: Portrait):
    away = TURNS + torch.tensor([0.0, 0, 0, 1.3, 0.4, 0])
    drawn = portrait.draw(faces(mouth=0.1), away, masks=True)
    assert drawn.frames_T3HW.isfinite().all()
    gone = TURNS + torch.tensor([0.0, 0, 0, 30, 0, 0])
    nothing = masks_of(portrait.draw(faces(), gone, masks=True))
    assert nothing[:, [LIPS, MOUTH, EYES]].count_nonzero() == 0
