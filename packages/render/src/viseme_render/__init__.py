"""Motion or landmarks to frames.

`renderer` is the one interface; `mesh` moves a portrait by its own fitted mesh, without weights.
PIRender and TalkFormer will live here too, with the autoencoder that they share.
"""

from viseme_render.mesh.renderer import MeshRenderer
from viseme_render.renderer import FrameRenderer

__all__ = ["FrameRenderer", "MeshRenderer"]
