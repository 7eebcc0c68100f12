"""Frames of a clip for the page: the generated video above, the reference below."""

import io

import numpy as np
from PIL import Image

from viseme_eval.run.measure import Chunk

_TILE_PX = 112
_QUALITY = 85


class Strip:
    """Collects frames spread over a clip while it passes by.

    Args:
        num_frames: Length of the clip.
        count: Pictures wanted; 0 for none.
    """

    def __init__(self, num_frames: int, count: int) -> None:
        places = np.linspace(0, num_frames - 1, min(count, num_frames))
        self._wanted = set(places.round().astype(int).tolist())
        self._columns: list[np.ndarray] = []

    def add(self, chunk: Chunk) -> None:
        """Take what is wanted of the next frames."""
        for i in range(chunk.generated.num_frames):
            if chunk.generated.start + i in self._wanted:
                sides = (chunk.generated.frames_T3HW[i], chunk.reference.frames_T3HW[i])
                self._columns.append(np.concatenate([_tile(frame) for frame in sides]))

    def jpeg(self) -> bytes | None:
        """Return the strip as a JPEG file, None if there is nothing on it."""
        if not self._columns:
            return None
        buffer = io.BytesIO()
        picture = Image.fromarray(np.concatenate(self._columns, 1))
        picture.save(buffer, "JPEG", quality=_QUALITY)
        return buffer.getvalue()


def _tile(frame_3HW) -> np.ndarray:
    shades = ((frame_3HW.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    width = max(1, round(_TILE_PX * shades.shape[1] / shades.shape[0]))
    return np.asarray(Image.fromarray(shades).resize((width, _TILE_PX), Image.Resampling.LANCZOS))
