"""A portrait as a sheet over its whole picture, and how it moves with the head.

`topology` says which triangles it has, `surroundings` and `hidden` where what is around and behind
the face goes, `lip_edges` what of its lips is none, `warp` moves it, `view` looks at it.
"""

from viseme_face.sheet.view import look_up, rasterize_sheet
from viseme_face.sheet.warp import Moved, PortraitWarp

__all__ = ["Moved", "PortraitWarp", "look_up", "rasterize_sheet"]
