import torch

from viseme_render.mesh.fill import blur_of, blurred, continued


def test_what_is_known_stays_and_the_rest_continues_it():
    picture = torch.rand(3, 20, 24)
    share = torch.zeros(20, 24)
    share[6:14, 8:16] = 1
    filled = continued(picture, share)
    torch.testing.assert_close(filled[:, 6:14, 8:16], picture[:, 6:14, 8:16])
    # Means of what is known: within its range, and none of what lies outside it.
    known = picture[:, 6:14, 8:16].flatten(1)
    assert (filled.flatten(1) >= known.amin(1, keepdim=True) - 1e-5).all()
    assert (filled.flatten(1) <= known.amax(1, keepdim=True) + 1e-5).all()
    changed = picture.clone()
    changed[:, share == 0] = 9.0
    assert torch.equal(continued(changed, share), filled)


def test_one_colour_continues_as_itself():
    share = torch.zeros(9, 13)
    share[4, 6] = 1
    picture = torch.full((3, 9, 13), 0.7)
    torch.testing.assert_close(continued(picture, share), picture)


def test_blurring_spreads_a_point_by_binomial_weights():
    point = torch.zeros(1, 1, 5, 5)
    point[0, 0, 2, 2] = 16
    row = torch.tensor([0.0, 1, 2, 1, 0])
    torch.testing.assert_close(blurred(point)[0, 0], row[:, None] * row)
    torch.testing.assert_close(blurred(torch.ones(1, 1, 4, 4), 3), torch.ones(1, 1, 4, 4))


def test_the_blur_of_a_picture_is_told_from_what_a_further_blur_leaves():
    steps = (
        (torch.rand(1, 1, 12, 12) > 0.5).float().repeat_interleave(16, 2).repeat_interleave(16, 3)
    )
    for times in (2, 6, 14):
        soft = blurred(steps, times)[0].expand(3, -1, -1)
        # Each time adds half a square pixel; grids of pixels and crossing steps cost a quarter.
        assert abs(float(blur_of(soft)) / (0.5 * times) - 1) < 0.25
    assert float(blur_of(steps[0].expand(3, -1, -1))) < 0.3
    assert float(blur_of(torch.rand(3, 64, 64))) < 0.1
    assert float(blur_of(torch.full((3, 32, 32), 0.4))) == 0
