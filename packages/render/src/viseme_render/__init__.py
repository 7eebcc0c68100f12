"""Motion or landmarks to frames.

`renderer` is the one interface of what motion drives: `mesh` moves a portrait by its own fitted
mesh, without weights; `pirender` warps and edits it by trained networks. `talkformer` is driven by
landmarks: it draws the lower half of a filmed face anew, in the latents of `autoencoder`; its names
are loaded when they are first used, for they bring diffusers along.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from viseme_render.mesh.renderer import MeshRenderer
from viseme_render.pirender.renderer import PIRenderer
from viseme_render.renderer import FrameRenderer

if TYPE_CHECKING:
    from viseme_render.talkformer.loop import looped
    from viseme_render.talkformer.renderer import TalkFormerRenderer

__all__ = ["FrameRenderer", "MeshRenderer", "PIRenderer", "TalkFormerRenderer", "looped"]

_HOMES = {"TalkFormerRenderer": "talkformer.renderer", "looped": "talkformer.loop"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
