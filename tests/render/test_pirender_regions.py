import torch
from scipy.spatial import Delaunay

from viseme_face.layouts import LIP_SLICE, TALK131
from viseme_render.pirender.regions import face_mask, mouth_weight


def test_the_face_is_the_convex_hull_of_its_landmarks():
    generator = torch.Generator().manual_seed(0)
    points = 0.5 + 0.15 * torch.randn(2, 131, 2, generator=generator)
    size = 64
    at = (torch.arange(size) + 0.5) / size
    pixels = torch.stack([at.expand(size, -1), at[:, None].expand(-1, size)], -1).reshape(-1, 2)
    for mask, own in zip(face_mask(points, size), points, strict=True):
        inside = torch.from_numpy(Delaunay(own).find_simplex(pixels) >= 0).view(size, size)
        assert mask.bool()[inside].all()
        # 48 tangents cut off less than a pixel's width of the corners.
        assert int(mask.sum()) - int(inside.sum()) < 0.06 * int(inside.sum())


def test_weight_is_one_in_the_middle_of_the_lips_and_falls_with_the_mouths_width():
    points = torch.rand(1, 131, 2)
    lips = torch.zeros(41, 2)
    lips[:] = torch.tensor([0.505, 0.705])
    points[:, LIP_SLICE] = lips
    right, left = TALK131.index(61), TALK131.index(291)
    points[0, right, 0] -= 0.1
    points[0, left, 0] += 0.1
    weight = mouth_weight(points, 100)[0]
    assert float(weight.max()) == float(weight[70, 50])
    torch.testing.assert_close(weight[70, 50], torch.tensor(1.0))
    # Three quarters of a mouth's width away it is 1 / e.
    torch.testing.assert_close(weight[70, 65], torch.tensor(-1.0).exp(), atol=1e-3, rtol=0)
    assert float(weight[0, 50]) < 1e-6
