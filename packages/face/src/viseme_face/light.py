"""Light of a scene, and what it makes of surfaces; everything is linear RGB."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# How far light creeps round the edge of shade, by colour: skin lets red through.
_SKIN_WRAP = (0.5, 0.36, 0.28)
_SHININESS = 14


@dataclass(frozen=True, kw_only=True)
class Light:
    """One far lamp and light from everywhere."""

    direction: tuple[float, float, float] = (-0.4, 0.5, 0.8)
    """To the lamp, in camera space; of any length."""
    color: tuple[float, float, float] = (0.74, 0.71, 0.68)
    """Of the lamp."""
    ambient: tuple[float, float, float] = (0.27, 0.28, 0.31)
    """From everywhere, a little more from above."""

    def towards(self, like: Tensor) -> Tensor:
        """Return the unit vector to the lamp, on the device of a tensor."""
        return F.normalize(like.new_tensor(self.direction), dim=0)

    def mirrored(self, like: Tensor) -> Tensor:
        """Return the unit normal that mirrors the lamp into the camera."""
        return F.normalize(self.towards(like) + like.new_tensor([0, 0, 1]), dim=0)

    def on_front(self, like: Tensor) -> Tensor:
        """Return the light (3,) on something that faces the camera."""
        return self.diffuse(like.new_tensor([[0.0, 0.0, 1.0]]))[0]

    def diffuse(self, normals_X3: Tensor) -> Tensor:
        """Return the light on surfaces with these normals in camera space, shape (..., 3)."""
        wrap_3 = normals_X3.new_tensor(_SKIN_WRAP)
        facing_X1 = (normals_X3 @ self.towards(normals_X3))[..., None]
        lit_X3 = ((facing_X1 + wrap_3) / (1 + wrap_3)).clamp(min=0)
        above_X1 = 0.85 + 0.15 * normals_X3[..., 1:2]
        return normals_X3.new_tensor(self.color) * lit_X3 + (
            normals_X3.new_tensor(self.ambient) * above_X1
        )

    def gloss(self, normals_X3: Tensor) -> Tensor:
        """Return how brightly the lamp is mirrored, shape (..., 1)."""
        near_X1 = (normals_X3 @ self.mirrored(normals_X3))[..., None].clamp(min=0)
        return near_X1**_SHININESS


def to_linear(color_X: Tensor) -> Tensor:
    """Return linear light of sRGB values in [0, 1]."""
    low = color_X / 12.92
    return torch.where(color_X <= 0.04045, low, ((color_X + 0.055).clamp(min=0) / 1.055) ** 2.4)


def to_srgb(linear_X: Tensor) -> Tensor:
    """Return sRGB values in [0, 1] of linear light, which is clipped to [0, 1].

    A polynomial in repeated square roots, off by at most 0.0036: a tenth of the time of a power.
    """
    first = linear_X.clamp(0, 1).sqrt()
    second = first.sqrt()
    third = second.sqrt()
    curve = (
        0.662002687 * first + 0.684122060 * second - 0.323583601 * third - 0.0225411470 * linear_X
    )
    return torch.where(linear_X <= 0.0031308, 12.92 * linear_X, curve).clamp(0, 1)
