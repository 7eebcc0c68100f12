"""Motion in blocks with what is around them, for renderers that look at more than a frame."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from viseme_core.types import Motion, ReferenceFace
from viseme_face.driving import COEFFICIENT_REACH
from viseme_render import FrameRenderer, MeshRenderer

# Frames drawn per block: the frames before it are drawn in vain each time.
_BLOCK = 125


class Block(NamedTuple):
    """Frames to draw, and frames around them to look at."""

    motion: Motion
    before: int
    """Frames at the start that are there to be looked at."""
    num_frames: int
    """Frames to draw after them."""


def reach_of(renderer: FrameRenderer) -> int:
    """Return how many frames to either side a renderer looks at."""
    return 0 if isinstance(renderer, MeshRenderer) else COEFFICIENT_REACH


def draw_stream(
    renderer: FrameRenderer, reference: ReferenceFace, parts: Iterator[Motion], chunk: int
) -> Iterator[Tensor]:
    """Yield the frames of motion that arrives in parts: the same as of the whole motion.

    Args:
        renderer: What draws.
        reference: The portrait.
        parts: The motion, in parts of any length.
        chunk: Most frames to yield at a time.
    """
    reach = reach_of(renderer)
    if not reach:
        for part in parts:
            yield from renderer(reference, part, chunk=chunk)
        return
    for block in blocks_of(parts, reach):
        skip, left = block.before, block.num_frames
        for frames_T3HW in renderer(reference, block.motion, chunk=chunk):
            drawn_T3HW = frames_T3HW[skip : skip + left]
            skip = max(0, skip - len(frames_T3HW))
            left -= len(drawn_T3HW)
            if len(drawn_T3HW):
                yield drawn_T3HW
            # What follows is there to be looked at only, and is never drawn.
            if not left:
                break


def blocks_of(parts: Iterator[Motion], reach: int, size: int = _BLOCK) -> Iterator[Block]:
    """Yield motion in blocks with `reach` frames around each, fewer at its ends.

    Args:
        parts: The motion, in parts of any length.
        reach: Frames to look at on either side.
        size: Frames to draw of each block.
    """
    held: Motion | None = None
    before = 0
    for part in parts:
        held = part if held is None else _joined(held, part)
        while held.num_frames >= before + size + reach:
            yield Block(held[: before + size + reach], before, size)
            # Of what was drawn as much stays as the next block looks back at.
            stays = min(reach, before + size)
            held, before = held[before + size - stays :], stays
    if held is not None and held.num_frames > before:
        yield Block(held, before, held.num_frames - before)


def _joined(one: Motion, other: Motion) -> Motion:
    return replace(
        one,
        expression=torch.cat([one.expression, other.expression]),
        pose=torch.cat([one.pose, other.pose]),
    )
