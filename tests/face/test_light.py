"""Light against the formulas it stands for."""

import pytest
import torch

from viseme_face.light import Light, to_linear, to_srgb


def test_srgb_is_the_curve_of_the_standard():
    linear = torch.linspace(0, 1, 10_001, dtype=torch.float64)
    curve = 1.055 * linear ** (1 / 2.4) - 0.055
    expected = torch.where(linear <= 0.0031308, 12.92 * linear, curve)
    # A level of eight bits is 0.0039.
    assert (to_srgb(linear) - expected).abs().max() < 0.0037


def test_linear_light_and_srgb_are_inverse():
    values = torch.linspace(0, 1, 1001)
    torch.testing.assert_close(to_srgb(to_linear(values)), values, atol=0.0037, rtol=0)


def test_light_falls_off_with_the_angle_and_leaves_the_back_to_the_ambient():
    light = Light(direction=(0.0, 0.0, 2.0), color=(1, 1, 1), ambient=(0.2, 0.2, 0.2))
    turn = torch.linspace(0, torch.pi, 19)
    normals = torch.stack([turn.sin(), torch.zeros(19), turn.cos()], -1)
    lit = light.diffuse(normals)
    assert (lit.diff(dim=0) <= 1e-6).all()
    assert lit[0].tolist() == pytest.approx([1 + 0.85 * 0.2] * 3)
    assert lit[-1].tolist() == pytest.approx([0.85 * 0.2] * 3)


def test_gloss_is_brightest_where_the_lamp_is_mirrored():
    light = Light(direction=(1.0, 0.0, 0.0))
    normals = torch.nn.functional.normalize(torch.randn(20_000, 3), dim=-1)
    brightest = normals[light.gloss(normals)[:, 0].argmax()]
    # Half way between the lamp on the right and the camera ahead.
    assert brightest @ torch.tensor([0.5**0.5, 0, 0.5**0.5]) > 0.998
