"""Painted skin: what it is made of, and that it ends as it should at the oval."""

import dataclasses

import pytest
import torch

from viseme_face.head_shape import LOWER_OVAL, UPPER_OVAL
from viseme_face.layouts import LIP_RINGS
from viseme_face.light import to_linear
from viseme_face.paint import FACE_PX, Makeup, paint_atlas
from viseme_face.parts import read_builtin


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed: None) -> None:
    """Threads for such small work wait for each other."""
    torch.set_num_threads(1)


def texels(ids: tuple[int, ...]) -> tuple[list[int], list[int]]:
    uv = read_builtin().uv_V2
    assert uv is not None
    columns, rows = (uv[list(ids)] * FACE_PX).long().clamp(max=FACE_PX - 1).T.tolist()
    return rows, columns


def test_skin_at_the_oval_has_the_plain_colour():
    makeup = Makeup(freckles=1, blush=1, stubble=1, mottle=1, shadow=1)
    rows, columns = texels((*UPPER_OVAL, *LOWER_OVAL))
    plain = to_linear(torch.tensor(makeup.skin))[:, None]
    # An eighth of the tone, which light from the side hides.
    assert ((paint_atlas(makeup)[:, rows, columns] - plain).abs() / plain).max() < 0.125


def test_lips_have_their_own_colour_and_the_skin_beside_them_has_not():
    green = Makeup(lips=(0.1, 0.8, 0.1))
    plain, painted = paint_atlas(Makeup()), paint_atlas(green)
    rows, columns = texels(LIP_RINGS[1])
    assert (painted[1] - plain[1])[rows, columns].mean() > 0.1
    rows, columns = texels((4, 50, 280, 9, 151, 199))
    assert torch.equal(painted[:, rows, columns], plain[:, rows, columns])


@pytest.mark.parametrize("mark", ["freckles", "stubble", "shadow", "blush"])
def test_every_mark_changes_the_skin_where_it_belongs(mark: str):
    bare = Makeup(blush=0)
    marked = paint_atlas(dataclasses.replace(bare, **{mark: 1.0}))
    changed = (marked - paint_atlas(bare)).abs().amax(0)[:, :FACE_PX] > 0.02
    middle = {"freckles": 0.5, "stubble": 0.75, "shadow": 0.35, "blush": 0.53}[mark]
    rows = torch.arange(FACE_PX)[:, None].expand_as(changed)[changed].float() / FACE_PX
    assert changed.sum() > 50
    assert float(rows.mean()) == pytest.approx(middle, abs=0.08)


def test_colours_are_light_between_black_and_white():
    for skin in ((0.98, 0.9, 0.85), (0.2, 0.12, 0.1)):
        atlas = paint_atlas(Makeup(skin=skin, freckles=1, stubble=1, mottle=1))
        assert atlas.shape == (3, FACE_PX, FACE_PX * 3 // 2)
        assert atlas.min() >= 0
        assert atlas.max() <= 1


def test_a_seed_gives_the_same_texture():
    first, again, other = (paint_atlas(Makeup(freckles=1, seed=seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
