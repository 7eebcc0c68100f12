"""A template as long as a voice: it runs forth and back, so that it does not jump."""

from collections.abc import Iterator

from viseme_core.loop import mirror_loop
from viseme_core.types import VideoClip


def looped(template: VideoClip, num_frames: int, *, chunk: int = 25) -> Iterator[VideoClip]:
    """Yield a template's frames 0 1 2 3 2 1 0 1 ... until there are so many, without its sound.

    Args:
        template: Frames, all in memory: a longer one is cut down beforehand, or read forth and back
            by what decodes it.
        num_frames: How many are wanted; fewer than there are cut it off.
        chunk: Frames to yield at a time.

    Raises:
        ValueError: If the template has no frame, or `num_frames` or `chunk` is below 1.
    """
    if num_frames < 1 or chunk < 1:
        raise ValueError(
            f"num_frames and chunk must be at least 1, got {num_frames} and {chunk} to loop by"
        )
    if not template.num_frames:
        raise ValueError("a template must have at least one frame to be looped, got none")
    for start in range(0, num_frames, chunk):
        numbers_T = mirror_loop(template.num_frames, start, min(start + chunk, num_frames))
        frames_T3HW = template.frames_T3HW[numbers_T.to(template.frames_T3HW.device)]
        yield VideoClip(frames_T3HW, template.fps)
