import torch

from tests.face.portraits import SIZE, sitter
from viseme_face.shading import interpolate
from viseme_face.sheet import Moved, PortraitWarp, look_up, rasterize_sheet
from viseme_face.sheet.topology import topology


def _flow(pose_T6: torch.Tensor) -> torch.Tensor:
    person = sitter(0)
    warp = PortraitWarp(person.reference, person.model)
    expression_TE = person.reference.expression.expand(len(pose_T6), -1)
    moved = warp.move(expression_TE, pose_T6)
    triangles_P3 = topology().triangles_P3
    raster = rasterize_sheet(moved, triangles_P3, SIZE)
    assert raster.mask_BHW.all()
    return interpolate(raster, triangles_P3, moved.source_TN2)


def test_a_head_that_stays_shows_each_pixel_itself():
    pose_6 = sitter(0).reference.pose
    middle = (torch.arange(SIZE) + 0.5) / SIZE
    place_HW2 = torch.stack(torch.meshgrid(middle, middle, indexing="xy"), -1)
    stays_HW = ((_flow(pose_6[None])[0] - place_HW2).abs() < 1e-4).all(-1)
    # Between lids the sheet is folded.
    assert stays_HW.float().mean() > 0.995


def test_what_stands_before_hides_what_is_behind_and_what_faces_away_is_not_seen():
    corners = torch.tensor([[0.1, 0.1], [0.1, 0.9], [0.9, 0.1]])
    screen_1N2 = torch.cat([corners, corners, corners])[None]
    triangles_P3 = torch.arange(9).reshape(3, 3)
    triangles_P3[2] = triangles_P3[2].flip(0)
    for first, second, seen in ((0.0, 0.5, 1), (0.5, 0.0, 0)):
        height_1N = torch.tensor([first, second, 1.0]).repeat_interleave(3)[None]
        moved = Moved(torch.zeros(1, 478, 3), screen_1N2, height_1N, screen_1N2)
        raster = rasterize_sheet(moved, triangles_P3, 10)
        assert int(raster.triangle_BHW[0, 3, 3]) == seen
        # Depth decides and does not bend: places on a triangle are as on the flat picture.
        flow_2 = interpolate(raster, triangles_P3, screen_1N2)[0, 3, 3]
        torch.testing.assert_close(flow_2, torch.tensor([0.35, 0.35]))


def test_colours_are_looked_up_where_the_flow_says():
    picture_3HW = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    row, column = torch.tensor([1, 6]), torch.tensor([5, 2])
    flow_THW2 = torch.stack([(column + 0.5) / 8, (row + 0.5) / 8], -1)[None, None]
    for mode in ("bicubic", "bilinear"):
        got_T3HW = look_up(picture_3HW, flow_THW2, mode=mode)
        torch.testing.assert_close(got_T3HW[0, :, 0], picture_3HW[:, row, column])
