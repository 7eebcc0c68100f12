"""Skin, brows, lips and hair as a texture of the face mesh, painted once per person.

Everything is placed by the mesh's own texture coordinates, so it moves with the skin: brows rise
with the brows, and lips are coloured exactly between the lip rings.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_face.coverage import Window, cover_outline, distance_to_line
from viseme_face.head_shape import LOWER_OVAL, UPPER_OVAL
from viseme_face.layouts import LEFT_EYE, LIP_INNER, LIP_OUTER, LIP_RINGS, RIGHT_EYE
from viseme_face.light import to_linear
from viseme_face.parts import read_builtin
from viseme_face.surfaces import ATLAS_WIDTH

FACE_PX = 256
"""Side of the face's square in the atlas."""
Color = tuple[float, float, float]

_BROWS = (
    ((46, 53, 52, 65, 55), (70, 63, 105, 66, 107)),
    ((285, 295, 282, 283, 276), (336, 296, 334, 293, 300)),
)
_CREASES = ((226, 247, 30, 29, 27, 28, 56, 190, 243), (463, 414, 286, 258, 257, 259, 260, 467, 446))
_NOSTRILS = ((98, 240, 99, 97), (327, 460, 328, 326))
_CHEEKS = (50, 280)
_TEMPLES = (21, 251)
_FOLDS = ((129, 203, 206, 216), (358, 423, 426, 436))
_BEARD = (
    *(172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397),
    *(361, 401, 435, 427, 322, 391, 393, 164, 167, 165, 92, 207, 215, 177, 132),
)


@dataclass(frozen=True, kw_only=True)
class Makeup:
    """Colours and marks of a face; colours are sRGB in [0, 1], amounts from 0 to 1."""

    skin: Color = (0.87, 0.68, 0.56)
    """Colour of the skin."""
    lips: Color = (0.72, 0.42, 0.40)
    """Colour of the lips."""
    brows: Color = (0.25, 0.17, 0.11)
    """Colour of the brows."""
    brow_thickness: float = 1.0
    """Height of the brows over that of the mesh's own."""
    hair: Color = (0.23, 0.15, 0.09)
    """Colour of hair, stubble and a shaved scalp."""
    blush: float = 0.3
    """Red of the cheeks."""
    freckles: float = 0.0
    """Number of freckles."""
    stubble: float = 0.0
    """Density of a short beard."""
    shadow: float = 0.0
    """Shadow painted on the lids."""
    shadow_color: Color = (0.35, 0.22, 0.25)
    """Its colour."""
    mottle: float = 0.3
    """Unevenness of the skin."""
    seed: int = 0
    """Where freckles, strands and unevenness are."""


def paint_atlas(makeup: Makeup) -> Tensor:
    """Return the linear colours (3, h, w) of a face and, right of it, of its scalp and its hair."""
    generator = torch.Generator().manual_seed(makeup.seed)
    face_3hw = _paint_face(makeup, generator)
    width = round((ATLAS_WIDTH - 1) * FACE_PX)
    skin_311, hair_311 = _column(makeup.skin), _column(makeup.hair)
    half = FACE_PX // 2
    # A shaved head still has the shade of hair, from a hairline on.
    grown_h1 = torch.linspace(0, 1, half)[:, None]
    shade_h1 = 0.3 * ((grown_h1 - 0.25) / 0.15).clamp(0, 1)
    scalp_3hw = torch.lerp(skin_311, hair_311, shade_h1.expand(half, width))
    strands_hw = _noise(generator, (half, width), (3, width // 2))
    strands_hw = strands_hw + 0.6 * _noise(generator, (half, width), (8, width))
    tone_hw = (1 + 0.22 * strands_hw).clamp(0.3, 1.8)
    hair_3hw = (hair_311 * tone_hw).clamp(0, 1)
    return torch.cat([face_3hw, torch.cat([scalp_3hw, hair_3hw], 1)], 2)


class _Canvas:
    """A square of colours with the mesh's points on it."""

    def __init__(self, base: Color) -> None:
        face = read_builtin()
        if face.uv_V2 is None:
            raise ValueError("the built-in face model has no texture coordinates; build it again")
        self.points_V2 = face.uv_V2 * FACE_PX
        self.window = Window(torch.tensor([0]), torch.tensor([0]), FACE_PX, FACE_PX)
        self.color_3hw = _column(base).expand(-1, FACE_PX, FACE_PX).clone()

    def lay(self, share_hw: Tensor, color: Color | Tensor) -> None:
        """Paint a colour over what is there."""
        color = color if isinstance(color, Tensor) else _column(color)
        self.color_3hw = torch.lerp(self.color_3hw, color.expand_as(self.color_3hw), share_hw)

    def shade(self, share_hw: Tensor, factors: Color) -> None:
        """Multiply by factors where the share is 1."""
        self.color_3hw = self.color_3hw * torch.lerp(
            torch.ones(3, 1, 1), torch.tensor(factors)[:, None, None], share_hw
        )

    def spot(self, at_2: Tensor, radius: float, stretch: float = 1.0) -> Tensor:
        """Return a soft spot; the radius is in units of the texture's side."""
        x = (self.window.columns[0][None] - at_2[0]) / (radius * FACE_PX * stretch)
        y = (self.window.rows[0][:, None] - at_2[1]) / (radius * FACE_PX)
        return torch.exp(-(x**2) - y**2)

    def area(self, points_K2: Tensor, blur: float) -> Tensor:
        """Return what an outline covers, blurred by some texels."""
        points_1K2 = points_K2[None]
        share_hw = cover_outline(points_1K2, self.window).share_Thw[0]
        if not share_hw.any():
            share_hw = cover_outline(points_1K2.flip(1), self.window).share_Thw[0]
        return _blur(share_hw, blur)

    def line(self, points_K2: Tensor, width: float) -> Tensor:
        """Return a soft line of some texels' width."""
        distance_Thw, _ = distance_to_line(points_K2[None], self.window)
        return torch.exp(-((distance_Thw[0] / width) ** 2))

    def at(self, ids: tuple[int, ...]) -> Tensor:
        return self.points_V2[list(ids)]


def _paint_face(makeup: Makeup, generator: torch.Generator) -> Tensor:
    canvas = _Canvas(makeup.skin)
    side = (FACE_PX, FACE_PX)
    # Nothing may change at the oval: what continues the face beyond it has the plain colour.
    oval_K2 = canvas.at((*UPPER_OVAL, *LOWER_OVAL[1:-1]))
    inner_hw = canvas.area(_grown(oval_K2, 0.82), 8)
    uneven_hw = _noise(generator, side, (9, 9)) + 0.7 * _noise(generator, side, (40, 40))
    canvas.shade(inner_hw * (0.5 + uneven_hw).clamp(0, 1) * makeup.mottle, (0.86, 0.76, 0.74))

    for cheek in _CHEEKS:
        canvas.shade(makeup.blush * canvas.spot(canvas.points_V2[cheek], 0.11), (1.0, 0.72, 0.72))
    canvas.shade(0.5 * canvas.spot(canvas.points_V2[4], 0.06), (0.98, 0.86, 0.84))
    for eye in (RIGHT_EYE, LEFT_EYE):
        socket_hw = canvas.area(_grown(canvas.at(eye), 1.25), 7)
        canvas.shade(socket_hw, (0.74, 0.66, 0.66))
        lid_K2 = canvas.at(eye[:9])
        canvas.lay(
            makeup.shadow * canvas.line(lid_K2 + torch.tensor([0.0, -3.0]), 5), makeup.shadow_color
        )
        canvas.shade(canvas.area(canvas.at(eye), 0.5), (0.35, 0.22, 0.2))
    for crease in _CREASES:
        canvas.shade(0.6 * canvas.line(canvas.at(crease), 1.5), (0.5, 0.4, 0.4))
    for fold in _FOLDS:
        canvas.shade(0.3 * canvas.line(canvas.at(fold), 3.5), (0.72, 0.62, 0.6))
    if makeup.freckles > 0:
        _freckle(canvas, makeup.freckles, generator)
    if makeup.stubble > 0:
        grain_hw = (0.75 + 0.35 * torch.randn(side, generator=generator)).clamp(0, 1)
        beard_hw = canvas.area(canvas.at(_BEARD), 6) * inner_hw
        canvas.lay(0.75 * makeup.stubble * beard_hw * grain_hw, makeup.hair)
    for nostril in _NOSTRILS:
        middle_2 = canvas.at(nostril).mean(0)
        canvas.shade(canvas.spot(middle_2, 0.022, 1.5), (0.22, 0.14, 0.13))
    _paint_brows(canvas, makeup, generator)
    _paint_lips(canvas, makeup)
    return canvas.color_3hw.clamp(0, 1)


def _paint_brows(canvas: _Canvas, makeup: Makeup, generator: torch.Generator) -> None:
    strands_hw = 0.9 + 0.1 * _noise(generator, (FACE_PX, FACE_PX), (60, 90))
    for lower, upper in _BROWS:
        lower_K2, upper_K2 = canvas.at(lower), canvas.at(upper)
        middle_K2 = (lower_K2 + upper_K2) / 2
        half_K2 = (upper_K2 - lower_K2) / 2 * makeup.brow_thickness * 0.85
        outline_K2 = torch.cat([middle_K2 + half_K2, (middle_K2 - half_K2).flip(0)])
        canvas.lay((0.95 * canvas.area(outline_K2, 2.0) * strands_hw).clamp(0, 1), makeup.brows)


def _paint_lips(canvas: _Canvas, makeup: Makeup) -> None:
    outer_K2, inner_K2 = canvas.at(LIP_OUTER), canvas.at(LIP_INNER)
    canvas.lay(0.92 * canvas.area(outer_K2, 1.0), makeup.lips)
    # The upper lip looks down and is darker; the lower one catches the light.
    upper_K2 = torch.cat([outer_K2[:11], inner_K2[:11].flip(0)])
    canvas.shade(canvas.area(upper_K2, 1.2), (0.84, 0.78, 0.78))
    lower_K2 = canvas.at(LIP_RINGS[1][13:18])
    canvas.shade(0.25 * canvas.line(lower_K2, 3.0), (1.25, 1.25, 1.25))
    for half_K2 in (inner_K2[:11], torch.cat([inner_K2[10:], inner_K2[:1]])):
        canvas.shade(0.8 * canvas.line(half_K2, 1.6), (0.42, 0.3, 0.3))
    under_K2 = canvas.at((181, 84, 17, 314, 405)) + torch.tensor([0.0, 5.0])
    canvas.shade(0.35 * canvas.line(under_K2, 4.0), (0.7, 0.6, 0.6))


def _freckle(canvas: _Canvas, amount: float, generator: torch.Generator) -> None:
    number = round(160 * amount)
    spread_N2 = torch.randn(number, 2, generator=generator) * torch.tensor([0.17, 0.055])
    at_N2 = (torch.tensor([0.5, 0.5]) + spread_N2) * FACE_PX
    size_N = 0.8 + 0.9 * torch.rand(number, generator=generator)
    x = canvas.window.columns[0] - at_N2[:, :1]
    y = canvas.window.rows[0] - at_N2[:, 1:]
    dots_hw = torch.einsum(
        "nh,nw->hw",
        torch.exp(-((y / size_N[:, None]) ** 2)),
        torch.exp(-((x / size_N[:, None]) ** 2)),
    )
    canvas.shade(0.75 * dots_hw.clamp(0, 1), (0.72, 0.56, 0.46))


def _column(color: Color) -> Tensor:
    return to_linear(torch.tensor(color))[:, None, None]


def _grown(points_K2: Tensor, factor: float) -> Tensor:
    middle_2 = points_K2.mean(0)
    return middle_2 + factor * (points_K2 - middle_2)


def _noise(generator: torch.Generator, size: tuple[int, int], cells: tuple[int, int]) -> Tensor:
    """Return smooth noise of unit deviation with about this many bumps down and across."""
    coarse = torch.randn(1, 1, *cells, generator=generator)
    return F.interpolate(coarse, size, mode="bicubic", align_corners=False)[0, 0]


def _blur(share_hw: Tensor, sigma: float) -> Tensor:
    radius = max(1, round(2.5 * sigma))
    steps = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = kernel / kernel.sum()
    blurred = F.conv2d(share_hw[None, None], kernel[None, None, None], padding=(0, radius))
    return F.conv2d(blurred, kernel[None, None, :, None], padding=(radius, 0))[0, 0]
