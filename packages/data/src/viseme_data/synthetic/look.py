"""Looks of people who do not exist, and of the rooms they sit in, each drawn from a seed.

Colours are sRGB in [0, 1], as one picks them; they become light when a portrait is made.
"""

from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_core.draws import Draws
from viseme_data.synthetic.speaker import Sex
from viseme_face.eyes import EyeStyle
from viseme_face.head_shape import HairStyle, HeadShape
from viseme_face.light import Light, to_linear
from viseme_face.mouth import MouthStyle
from viseme_face.paint import Makeup, paint_atlas
from viseme_face.portrait import PortraitStyle

Color = tuple[float, float, float]
_Item = TypeVar("_Item")
Backdrop = Literal["gradient", "wall", "blobs", "room"]

# Skin from the lightest to the darkest, evenly spaced to the eye.
_SKIN = (
    *((0.97, 0.87, 0.81), (0.93, 0.78, 0.69), (0.87, 0.68, 0.56), (0.78, 0.57, 0.43)),
    *((0.65, 0.45, 0.32), (0.52, 0.35, 0.25), (0.41, 0.27, 0.20), (0.32, 0.21, 0.16)),
)
_DARK_HAIR = ((0.07, 0.06, 0.06), (0.13, 0.09, 0.07), (0.22, 0.15, 0.10))
_LIGHT_HAIR = ((0.38, 0.25, 0.14), (0.62, 0.47, 0.28), (0.78, 0.66, 0.44), (0.55, 0.26, 0.12))
_GREY_HAIR = ((0.55, 0.54, 0.52), (0.78, 0.77, 0.75))
_DARK_EYES = ((0.24, 0.14, 0.08), (0.33, 0.20, 0.11))
_LIGHT_EYES = ((0.42, 0.35, 0.18), (0.33, 0.45, 0.34), (0.34, 0.47, 0.60), (0.45, 0.51, 0.56))
_LAMPS = ((1.0, 0.97, 0.93), (1.0, 0.90, 0.78), (0.92, 0.96, 1.0))


@dataclass(frozen=True, kw_only=True)
class FaceLook:
    """What a person and a scene look like."""

    seed: int = 0
    """Where freckles, strands and the shapes of the background are."""
    skin: Color = (0.87, 0.68, 0.56)
    """Colour of the skin."""
    lips: Color = (0.72, 0.42, 0.40)
    """Colour of the lips."""
    brows: Color = (0.25, 0.17, 0.11)
    """Colour of the brows."""
    brow_thickness: float = 1.0
    """Height of the brows, 1 for the mesh's own."""
    hair_style: HairStyle = "short"
    """How long the hair is."""
    hair: Color = (0.23, 0.15, 0.09)
    """Colour of the hair."""
    hair_volume: float = 0.15
    """Thickness of the hair in decimetres."""
    hairline: float = 0.06
    """How far the hairline recedes, radians about the axis through the ears."""
    parting: float = 0.1
    """How far it recedes at a parting, radians."""
    hair_roughness: float = 0.02
    """Size of the hair's bumps in decimetres."""
    eyes: Color = (0.30, 0.19, 0.11)
    """Colour of the irises."""
    lashes: float = 1.0
    """Thickness of the lashes, 1 for bare ones."""
    teeth: Color = (0.93, 0.90, 0.85)
    """Colour of the teeth."""
    blush: float = 0.3
    """Red of the cheeks, from 0 to 1."""
    freckles: float = 0.0
    """Number of freckles, from 0 to 1."""
    stubble: float = 0.0
    """Density of a short beard, from 0 to 1."""
    shadow: float = 0.0
    """Shadow painted on the lids, from 0 to 1."""
    glasses: bool = False
    """Whether there are glasses."""
    neck: float = 1.0
    """Width of neck and shoulders, 1 for the mean."""
    clothes: Color = (0.25, 0.30, 0.38)
    """Colour of the clothes."""
    lamp: Color = (1.0, 0.97, 0.93)
    """Colour of the lamp."""
    lamp_power: float = 0.74
    """Brightness of the lamp."""
    lamp_direction: tuple[float, float, float] = (-0.4, 0.5, 0.8)
    """To the lamp, x to the right, y up, z towards the camera."""
    ambient: Color = (0.55, 0.56, 0.58)
    """Light from everywhere."""
    backdrop: Backdrop = "gradient"
    """Kind of background."""
    backdrop_color: Color = (0.55, 0.60, 0.65)
    """Colour that the background varies."""

    @classmethod
    def from_seed(cls, seed: int, *, sex: Sex | None = None) -> "FaceLook":
        """Return the look that belongs to a seed, the same on every machine.

        Args:
            seed: Which look.
            sex: Of the voice that goes with it: hair, brows, beard and make-up are drawn for it.
                By default the seed draws that, too.
        """
        draw = _Choices(seed)
        tone = draw.number("tone")
        skin = draw.shift("skin", _between(_SKIN, tone), 0.02)
        is_dark = tone > 0.35
        is_grey = draw.chance("grey", 0.13)
        feminine = draw.chance("feminine", 0.5) if sex is None else sex == "female"
        palette = _DARK_HAIR if is_dark or draw.chance("dark_hair", 0.4) else _LIGHT_HAIR
        hair = draw.shift("hair", draw.pick("hair", _GREY_HAIR if is_grey else palette), 0.02)
        styles: tuple[HairStyle, ...] = ("short", "full", "bob", "long", "long")
        if not feminine:
            styles = ("short", "short", "full", "bald")
        style: HairStyle = draw.pick("hair_style", styles)
        painted = feminine and draw.chance("makeup", 0.6)
        rose = _mixed((0.68, 0.32, 0.32), (0.40, 0.13, 0.14), tone)
        lips = _mixed(skin, rose, 0.65 + 0.25 * draw.number("lips"))
        if painted:
            red = (0.62 - 0.2 * tone, 0.14 + 0.08 * draw.number("pink"), 0.2)
            lips = _mixed(lips, red, 0.3 + 0.4 * draw.number("red"))
        thin = {"short": 0.08, "full": 0.2, "bob": 0.16, "long": 0.14, "bald": 0.0}[style]
        angle = 1.1 * draw.spread("lamp_side")
        lamp = draw.shift("lamp_color", draw.pick("lamp", _LAMPS), 0.02)
        return cls(
            seed=seed,
            skin=skin,
            lips=lips,
            brows=_mixed(hair, (0.12, 0.08, 0.06), 0.45 if not is_grey else 0.25),
            brow_thickness=(0.65 if feminine else 0.95) + 0.4 * draw.number("brows"),
            hair_style=style,
            hair=hair,
            hair_volume=thin * (0.8 + 0.6 * draw.number("volume")),
            hairline=(0.02 if feminine else 0.04) + 0.08 * draw.number("hairline"),
            parting=0.16 * draw.number("parting"),
            hair_roughness=0.01 + 0.02 * draw.number("rough"),
            eyes=draw.shift(
                "eyes",
                draw.pick("eyes", _DARK_EYES if tone > 0.5 else _DARK_EYES + _LIGHT_EYES),
                0.03,
            ),
            lashes=1.0 + 0.35 * feminine + 0.4 * painted,
            teeth=_mixed((0.97, 0.96, 0.93), (0.90, 0.84, 0.72), draw.number("teeth")),
            blush=0.15 + 0.35 * draw.number("blush") + 0.2 * painted,
            freckles=draw.number("freckles") if tone < 0.3 and draw.chance("freckled", 0.35) else 0,
            stubble=0 if feminine else max(0.0, 1.3 * draw.number("stubble") - 0.35),
            shadow=0.7 * draw.number("shadow") if painted else 0,
            glasses=draw.chance("glasses", 0.2),
            neck=(0.9 if feminine else 1.06) + 0.06 * draw.spread("neck"),
            clothes=draw.color("clothes", 0.08, 0.75),
            lamp=lamp,
            # Whoever takes a picture of darker skin opens the lens a little.
            lamp_power=(0.64 + 0.2 * draw.number("power")) * (1 + 0.45 * tone**2),
            lamp_direction=(
                float(torch.tensor(angle).sin()),
                0.1 + 0.7 * draw.number("lamp_height"),
                float(torch.tensor(angle).cos()),
            ),
            ambient=draw.shift("ambient", _mixed(lamp, (0.5, 0.53, 0.6), 0.9), 0.04),
            backdrop=draw.pick("backdrop", get_args(Backdrop)),
            backdrop_color=draw.color("backdrop_color", 0.15, 0.85),
        )

    def style(self, size: int) -> PortraitStyle:
        """Return what a portrait of a person with this look is drawn from.

        Args:
            size: Side of the pictures in pixels.
        """
        power = self.lamp_power
        return PortraitStyle(
            atlas_3hw=paint_atlas(
                Makeup(
                    skin=self.skin,
                    lips=self.lips,
                    brows=self.brows,
                    brow_thickness=self.brow_thickness,
                    hair=self.hair,
                    blush=self.blush,
                    freckles=self.freckles,
                    stubble=self.stubble,
                    shadow=self.shadow,
                    seed=self.seed,
                )
            ),
            background_3HW=to_linear(paint_backdrop(self, size)),
            clothes=_light(self.clothes),
            lashes=self.lashes,
            glasses=(0.02, 0.018, 0.018) if self.glasses else None,
            head=HeadShape(
                hair=self.hair_style,
                volume=self.hair_volume,
                hairline=self.hairline,
                parting=self.parting,
                roughness=self.hair_roughness,
                neck=self.neck,
                seed=self.seed,
            ),
            eyes=EyeStyle(iris=_light(self.eyes)),
            mouth=MouthStyle(teeth=_light(self.teeth)),
            light=Light(
                direction=self.lamp_direction,
                color=tuple(power * c for c in _light(self.lamp)),  # type: ignore[arg-type]
                ambient=_light(self.ambient),
            ),
        )


def paint_backdrop(look: FaceLook, size: int) -> Tensor:
    """Return a still background in sRGB, shape (3, size, size)."""
    generator = torch.Generator().manual_seed(look.seed + 7)
    base_311 = torch.tensor(look.backdrop_color)[:, None, None]
    y, x = torch.meshgrid(*[torch.linspace(0, 1, size)] * 2, indexing="ij")
    tilt = torch.rand(4, generator=generator)
    picture_3HW = base_311 * (0.75 + 0.5 * (tilt[0] * x + (1 - tilt[0]) * (1 - y)))
    if look.backdrop in ("blobs", "room"):
        cells = 6 if look.backdrop == "blobs" else 4
        mode = "bicubic" if look.backdrop == "blobs" else "nearest"
        grey = torch.randn(1, 1, cells, cells, generator=generator)
        tints = 0.12 * grey + 0.05 * torch.randn(1, 3, cells, cells, generator=generator)
        shapes = F.interpolate(tints, (size, size), mode=mode)
        # Out of focus.
        width = max(3, size // 12 | 1)
        for _ in range(2):
            padded = F.pad(shapes, [width // 2] * 4, mode="replicate")
            shapes = F.avg_pool2d(padded, width, 1)
        picture_3HW = picture_3HW + shapes[0]
    if look.backdrop == "wall":
        grain = torch.randn(1, 1, size // 4, size // 4, generator=generator)
        grain = F.interpolate(grain, (size, size), mode="bicubic", align_corners=False)
        picture_3HW = picture_3HW + 0.015 * grain[0]
    vignette = 1 - 0.5 * ((x - 0.5) ** 2 + (y - 0.45) ** 2)
    return (picture_3HW * vignette).clamp(0.02, 0.98)


class _Choices:
    """Named draws of one seed."""

    def __init__(self, seed: int) -> None:
        self._draws = Draws(seed, 0, [0])

    def number(self, name: str) -> float:
        return float(self._draws.uniform(f"{name}.number"))

    def spread(self, name: str) -> float:
        return 2 * self.number(name) - 1

    def chance(self, name: str, probability: float) -> bool:
        return bool(self._draws.chance(f"{name}.chance", probability))

    def pick(self, name: str, items: tuple[_Item, ...]) -> _Item:
        return items[int(self._draws.integers(f"{name}.pick", len(items)))]

    def shift(self, name: str, color: Color, amount: float) -> Color:
        """The colour a little lighter or darker, and less so of another hue."""
        lightness = self._draws.normal(f"{name}.lightness")[0]
        hue_3 = self._draws.normal(f"{name}.hue", 3)[0]
        factor_3 = 1 + amount * (2 * lightness + hue_3).clamp(-3, 3)
        return _rgb((torch.tensor(color) * factor_3).clamp(0.02, 0.98))

    def color(self, name: str, low: float, high: float) -> Color:
        """Any colour of moderate saturation, from dark to light."""
        value = low + (high - low) * self.number(f"{name}.value")
        tint = self._draws.uniform(f"{name}.tint", 3)[0]
        strength = 0.05 + 0.35 * self.number(f"{name}.saturation")
        return _rgb((value * (1 + strength * (2 * tint - 1))).clamp(0.02, 0.95))


def _rgb(values_3: Tensor) -> Color:
    red, green, blue = values_3.tolist()
    return red, green, blue


def _light(color: Color) -> Color:
    return _rgb(to_linear(torch.tensor(color)))


def _mixed(one: Color, other: Color, share: float) -> Color:
    return _rgb(torch.lerp(torch.tensor(one), torch.tensor(other), share))


def _between(colors: tuple[Color, ...], position: float) -> Color:
    place = position * (len(colors) - 1)
    first = min(int(place), len(colors) - 2)
    return _mixed(colors[first], colors[first + 1], place - first)
