"""Settings of the render stage: which system, and whose motion it draws."""

from dataclasses import dataclass, field
from typing import Literal

from viseme_face import MorphableModel
from viseme_render.pirender.config import PIRenderConfig

STAGE = "render"


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """A renderer that is trained."""

    system: Literal["pirender"]
    """`pirender`: a portrait warped and edited as 3DMM coefficients say."""
    pirender: PIRenderConfig = field(default_factory=PIRenderConfig)
    """Settings of PIRender."""
    face_model: str = "builtin"
    """Face model of the coefficients: `builtin`, or a face file."""


def open_face_model(name: str) -> MorphableModel:
    """Return the face model that a config names: `builtin`, or a face file."""
    return MorphableModel.builtin() if name == "builtin" else MorphableModel.from_file(name)
