"""Settings of the render stage: which system, and whose motion it draws."""

from dataclasses import dataclass, field
from typing import Literal

from viseme_face import MorphableModel
from viseme_render.pirender.config import PIRenderConfig
from viseme_render.talkformer.config import TalkFormerConfig

STAGE = "render"


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """A renderer that is trained."""

    system: Literal["pirender", "talkformer"]
    """`pirender`: a portrait warped and edited as 3DMM coefficients say. `talkformer`: the lower
    half of a filmed face drawn anew by diffusion as landmarks say."""
    pirender: PIRenderConfig = field(default_factory=PIRenderConfig)
    """Settings of PIRender."""
    talkformer: TalkFormerConfig = field(default_factory=TalkFormerConfig)
    """Settings of TalkFormer."""
    face_model: str = "builtin"
    """Face model of the coefficients: `builtin`, or a face file. Landmarks have none."""


def open_face_model(name: str) -> MorphableModel:
    """Return the face model that a config names: `builtin`, or a face file."""
    return MorphableModel.builtin() if name == "builtin" else MorphableModel.from_file(name)
