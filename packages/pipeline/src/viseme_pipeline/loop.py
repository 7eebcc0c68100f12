"""A clip's pictures as long as they are wanted: once through, or back and forth."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from viseme_data.pictures import CropVideo
from viseme_data.write import VideoWriter
from viseme_motion import mirror_loop

Loop = Iterator[tuple[int, np.ndarray]]
"""Numbers of pictures in the clip, and the pictures, uint8 RGB (H, W, 3)."""

# Going backwards, a group of pictures is decoded from its key frame on: short groups, so that few
# are decoded in vain.
_GROUP = 10
# As good as the original to the eye: it is encoded once more in the end.
_CRF = 10


def forward(pictures: Iterator[np.ndarray]) -> Loop:
    """Yield pictures once with their numbers."""
    yield from enumerate(pictures)


def looped(
    pictures: Iterator[np.ndarray], size: tuple[int, int], count: int, scratch: Path
) -> Loop:
    """Yield pictures back and forth without end: 0 1 2 1 0 1 ..., as motion is looped.

    Args:
        pictures: The clip.
        size: Width and height of the pictures, even.
        count: How many there are.
        scratch: Folder for a copy that can be read backwards.
    """
    copy = scratch / "clip.mp4"
    with VideoWriter(
        copy, size, crf=_CRF, preset="ultrafast", key_every=_GROUP, threads=2
    ) as writer:
        for number, picture_HW3 in enumerate(pictures):
            writer.write(picture_HW3)
            yield number, picture_HW3
    # What can be decoded may be less than what was found on the first pass only if a file is
    # changed meanwhile.
    video = CropVideo(copy)
    try:
        place = count
        while True:
            numbers = mirror_loop(count, place, place + _GROUP).tolist()
            for number, picture_3HW in zip(numbers, video.read(numbers), strict=True):
                yield number, picture_3HW.permute(1, 2, 0).contiguous().numpy()
            place += _GROUP
    finally:
        video.close()
