import torch
from scipy.ndimage import gaussian_filter

from viseme_render.talkformer.blend import blended, lower_face_mask, smoothed
from viseme_render.talkformer.framing import framed, window_side


def oval(count: int = 131) -> torch.Tensor:
    """Landmarks on an ellipse from (0.3, 0.1) to (0.7, 0.9)."""
    angle = torch.linspace(0, 6.28, count)
    return torch.stack([0.5 + 0.2 * angle.cos(), 0.5 + 0.4 * angle.sin()], -1)[None]


def test_smoothing_is_scipys_gaussian():
    pictures = torch.rand(2, 40, 40, dtype=torch.float64)
    found = smoothed(pictures, 2.0)
    for picture, smooth in zip(pictures, found, strict=True):
        expected = gaussian_filter(picture.numpy(), 2.0, truncate=3.0, mode="nearest")
        torch.testing.assert_close(smooth, torch.from_numpy(expected))


def test_the_mask_covers_the_lower_half_of_the_face_with_soft_edges():
    mask = lower_face_mask(oval(), 100)[0]
    assert float(mask.min()) >= 0
    assert float(mask.max()) <= 1 + 1e-6
    assert float(mask[75, 50]) > 0.999
    assert not mask[:40].any()
    assert not mask[:, :20].any()
    assert not mask[:, 80:].any()
    # From nothing to all within some pixels, never at once.
    assert float((mask[1:] - mask[:-1]).abs().max()) < 0.25


def test_all_but_the_lower_face_keeps_its_bits():
    crops, zoom = torch.rand(1, 3, 100, 100), 1.25
    drawn = torch.zeros(1, 3, 32, 32)
    found = blended(crops, drawn, oval(), zoom)
    inside = window_side(100, zoom)
    margin = (100 - inside) // 2
    mask = torch.zeros(100, 100)
    mask[margin:-margin, margin:-margin] = lower_face_mask(oval(), inside)[0]
    assert torch.equal(found[..., mask == 0], crops[..., mask == 0])
    assert float(found[..., mask > 0.999].max()) < 1e-3
    partly = (mask > 0.01) & (mask < 0.99)
    expected = crops[0][:, partly] * (1 - mask[partly])
    torch.testing.assert_close(found[0][:, partly], expected)


def test_what_was_not_changed_comes_back_as_it_was():
    crops = torch.rand(2, 3, 80, 80)
    points = oval().expand(2, -1, -1)
    drawn = framed(crops, window_side(80, 1.6), 1.6)
    for is_soft in (True, False):
        torch.testing.assert_close(blended(crops, drawn, points, 1.6, is_soft=is_soft), crops)


def test_without_a_mask_all_that_was_drawn_is_laid_over():
    crops = torch.rand(1, 3, 80, 80)
    found = blended(crops, torch.zeros(1, 3, 64, 64), oval(), 1.25, is_soft=False)
    assert not found[..., 8:-8, 8:-8].any()
    assert torch.equal(found[..., :8, :], crops[..., :8, :])
