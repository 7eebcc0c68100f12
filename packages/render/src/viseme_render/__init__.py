"""Motion or landmarks to frames.

`renderer` is the one interface; `mesh` moves a portrait by its own fitted mesh, without weights;
`pirender` warps and edits it by trained networks. TalkFormer will live here too.
"""

from viseme_render.mesh.renderer import MeshRenderer
from viseme_render.pirender.renderer import PIRenderer
from viseme_render.renderer import FrameRenderer

__all__ = ["FrameRenderer", "MeshRenderer", "PIRenderer"]
